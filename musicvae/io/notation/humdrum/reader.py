"""Reading of Humdrum scores in the `**kern` representation.

Tokens on one line sound together: a line is where the notes and rests before it end. Voices of a
split spine belong to its part. Pitches of `**kern` are sounding ones, also those of transposing
instruments (`*ITr`), and of passages with an octave sign. An expansion list (`*>[A,A,B]`) gives the
order of sections in full, so the repeat signs inside them are not used.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from fractions import Fraction
from math import lcm
from pathlib import Path
from typing import NamedTuple

from musicvae.errors import ReadError
from musicvae.io.limits import MAX_CHANGES, MAX_SCORE_MEASURES, MAX_SCORE_NOTES, MAX_SCORE_PARTS
from musicvae.io.notation.humdrum.assembly import finish_part, share_instruments
from musicvae.io.notation.humdrum.barring import add_bar_lines, move_bar_lines, split_note
from musicvae.io.notation.humdrum.interpretations import (
    INSTRUMENTS,
    TempoMark,
    parse_key,
    parse_meter,
    parse_movement,
    parse_signature,
    parse_tempo,
)
from musicvae.io.notation.humdrum.spines import (
    MANIPULATORS,
    Column,
    KernColumn,
    Spine,
    check_count,
    manipulate,
)
from musicvae.io.notation.humdrum.tokens import parse_dynamics, parse_event
from musicvae.io.notation.score import (
    RepeatSigns,
    Score,
    ScoreNote,
    ScorePosition,
    UnsupportedScoreError,
)
from musicvae.io.notation.text import check_length

_DIVISIONS = 2**7 * 3**2 * 5 * 7 * 11 * 13  # of a quarter; others are added as they occur
_MANY_DIVISIONS = 10**12  # forgotten at the next bar line
_MAX_DIVISIONS = 10**24
_PIECE = re.compile(r"^!!!!SEGMENT\b.*$", re.MULTILINE)
_NUMBER = re.compile(r"\d{1,6}[a-z]?")
_LABEL = re.compile(r"\*> ?([^\s\[\],]{1,40})")
_EXPANSION_LIST = re.compile(r"\*> ?\[([^\[\]]*)\]")
_NAME = re.compile(r"""\*(I"|I'|mI"|IC)(.{1,200})""")
_STAVES = re.compile(r"\*staff(\d{1,4}(?:/\d{1,4}){0,8})")


def read_humdrum(text: str, path: str | Path = "<Humdrum>") -> Score:
    """Read a Humdrum text; of several pieces, the first. Raises `ReadError`.

    Raises `UnsupportedScoreError` for a score without notes.
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    starts = [match.start() for match in _PIECE.finditer(text)]
    pieces = [text[a:b] for a, b in zip([0, *starts], [*starts, len(text)], strict=True)]
    pieces = [piece for piece in pieces if "**" in piece] or [text]
    check_length(pieces[0], path)
    reader = _Reader(path)
    is_complete = reader.read(pieces[0])
    score = reader.build_score()
    if len(pieces) > 1:
        score.warnings.insert(0, f"{len(pieces)} pieces, only the first is read; split the file")
    elif not is_complete:
        score.warnings.insert(0, "more than one piece, only the first is read; split the file")
    return score


class _Event(NamedTuple):
    """A token with notes, times in divisions; `notes` are (duration in quarters, pitch, tie)."""

    advance: int | None
    longest: int
    notes: tuple[tuple[Fraction, int | None, str], ...]
    n_grace_notes: int
    n_unreadable: int


class _Reader:
    """Reads the lines of one piece in order."""

    def __init__(self, path: str | Path) -> None:
        self.path = path
        self.columns: list[Column] = []
        self.kern: list[KernColumn] = []
        self.dynamics: list[tuple[int, list[Spine]]] = []
        self.spines: list[Spine] = []
        self.divisions = _DIVISIONS
        self.position: ScorePosition | None = None  # of the next line with notes, if known
        self.events: dict[str, _Event] = {}
        self.quarters: dict[int, Fraction] = {}
        # The measure: its index, and the time of the last line with notes, in divisions.
        self.measure, self.now = 0, 0
        self.bar_line, self.has_overhang = Fraction(0), False  # of the measure before
        self.has_data = self.after_grace_notes = self.has_bar_lines = False
        self.signs = [RepeatSigns()]
        self.section_order: tuple[str, ...] = ()
        self.pending_label = ""
        self.tempo_marks: list[tuple[ScorePosition, TempoMark]] = []
        self.n_notes = self.n_grace_notes = self.n_marks = 0
        self.n_unreadable = self.n_unpitched = self.n_uneven_lines = self.n_shifted_lines = 0

    # -- lines ------------------------------------------------------------------------------------

    def read(self, text: str) -> bool:
        """Read the lines of a piece; return False if another piece follows in the text."""
        for line in text.split("\n"):
            if not line or line.isspace():
                continue
            if line[0] == "!":
                if line.startswith("!!!OMD:") and (mark := parse_movement(line[7:])):
                    self.tempo_marks.append((self._next_position(), mark))
                continue
            tokens = line.split("\t")
            if line.startswith("**") and not self.columns:
                if self.spines:
                    return False
                check_count(len(tokens))
                self.columns = [Column() for _ in tokens]
            if len(tokens) != len(self.columns):
                self.n_uneven_lines += 1
                continue
            if line[0] == "*":
                self._read_interpretations(tokens)
            elif not self.kern:
                continue
            elif tokens[self.kern[0].number][:1] == "=":
                self._read_bar_line(tokens[self.kern[0].number])
            else:
                self._read_data(tokens)
        return True

    def _read_data(self, tokens: Sequence[str]) -> None:
        """Read a line of notes and rests."""
        divisions = 0
        while divisions != self.divisions:  # until all tokens fit the divisions
            divisions = self.divisions
            events = [
                (column, spine, self._event(tokens[number]))
                for number, column, spine in self.kern
                if tokens[number] != "."
            ]
        read = [(column, spine, event) for column, spine, event in events if event[0] is not None]
        self.n_unreadable += sum(event.n_unreadable for _, _, event in events if event[0] is None)
        if read:
            time = self._line_time(read)
            onset = self._to_quarters(time)
            self.after_grace_notes, self.has_data = True, True
            self.now, self.position = time, None
            if self.has_overhang:
                self._continue_notes({id(column) for column, _, _ in read})
            for column, spine, (advance, longest, notes, n_grace_notes, n_unreadable) in read:
                self.n_grace_notes += n_grace_notes
                self.n_unreadable += n_unreadable
                column.after_grace_note = not advance
                if not advance:
                    continue
                self.after_grace_notes = False
                column.end = time + advance
                column.sounds_on = False
                spine.end = max(spine.end, time + longest)
                first = len(spine.part.notes[-1])
                for duration, pitch, tie in notes:
                    if spine.instrument and spine.instrument.drum_key is not None:
                        pitch = spine.instrument.drum_key
                    if pitch is None:
                        self.n_unpitched += 1
                        continue
                    spine.part.notes[-1].append(ScoreNote(onset, duration, pitch, tie))
                    self.n_notes += 1
                column.last_notes = first, len(spine.part.notes[-1])
            if self.n_notes > MAX_SCORE_NOTES:
                self._fail(f"more than {MAX_SCORE_NOTES:,} notes")
        for index, spines in self.dynamics:
            if tokens[index] == ".":
                continue
            position = (self.measure, self._to_quarters(self.now))
            for name in parse_dynamics(tokens[index]):
                for spine in spines:
                    spine.part.dynamics.append((position, name))
                    self.n_marks += 1
            if self.n_marks > MAX_CHANGES:
                self._fail(f"more than {MAX_CHANGES:,} dynamics")

    def _read_bar_line(self, token: str) -> None:
        """Begin a measure, or only give it its number if it has no data yet."""
        self.has_bar_lines = True
        number = _NUMBER.search(token)
        style = re.sub(r"[^:|!]", "", token)
        if self.has_data:
            self._open_measure()
        if number:
            for spine in self.spines:
                spine.part.measure_numbers[-1] = number[0]
        if style.startswith(":") and self.measure:
            self.signs[self.measure - 1].times = 2
        if style.endswith(":") and len(style) > 1:
            self.signs[self.measure].starts_repeat = True

    def _open_measure(self) -> None:
        """Close the measure and begin another; the bar line is where the next line would be."""
        bar_line = self._earliest_end()
        self.bar_line = self._to_quarters(bar_line)
        self._close_measure()
        self.measure += 1
        self._check_measures(len(self.spines))
        self.signs.append(RepeatSigns(section=self.pending_label))
        self.pending_label = ""
        self.now, self.has_data, self.position = 0, False, None
        for spine in self.spines:
            spine.part.add_measure("", spine.pending_meter)
            spine.pending_meter = None
        for column in self.columns:
            column.end = max(column.end - bar_line, 0)
            column.sounds_on = column.end > 0
            column.after_grace_note = False
            self.has_overhang |= column.sounds_on
        if self.divisions > _MANY_DIVISIONS and not self.has_overhang:
            self.divisions = _DIVISIONS
            self.events.clear()
            self.quarters.clear()

    def _continue_notes(self, beginning: set[int]) -> None:
        """Continue notes over the bar line, in columns that do not begin with another token.

        `beginning` are the identities of those that do: there, the measure before is too long.
        """
        self.has_overhang = False
        for _, column, spine in self.kern:
            if not column.sounds_on or id(column) in beginning:
                continue
            part = spine.part
            spine.end = max(spine.end, column.end)
            part.measure_lengths[-2] = self.bar_line
            before, after = part.notes[-2:]
            n_notes = len(after)
            for i in range(*column.last_notes):
                if before[i].onset + before[i].duration > self.bar_line:
                    before[i], rest = split_note(before[i], self.bar_line)
                    after.append(rest)
                    self.n_notes += 1
            column.last_notes, column.sounds_on = (n_notes, len(after)), False

    def _close_measure(self) -> None:
        """Set the length of the measure in each part."""
        for spine in self.spines:
            spine.part.measure_lengths[-1] = self._to_quarters(spine.end)
            spine.end = 0

    def _check_measures(self, n_parts: int) -> None:
        """Raise `ReadError` for too many measures."""
        if n_parts * (self.measure + 1) > MAX_SCORE_MEASURES:
            self._fail(f"more than {MAX_SCORE_MEASURES:,} measures")

    def _fail(self, reason: str) -> None:
        """Raise `ReadError` for a score over a limit."""
        raise ReadError(self.path, reason, "leave it out, or cut it into pieces")

    # -- time -------------------------------------------------------------------------------------

    def _event(self, token: str) -> _Event:
        """Return what a token stands for, in the current divisions."""
        if (known := self.events.get(token)) is not None:
            return known
        parsed = parse_event(token)
        durations = (parsed.advance or Fraction(0), parsed.longest)
        self._refine(lcm(*(duration.denominator for duration in durations)))
        advance, longest = (int(duration * self.divisions) for duration in durations)
        event = self.events[token] = _Event(
            None if parsed.advance is None else advance,
            longest,
            parsed.notes,
            parsed.n_grace_notes,
            parsed.n_unreadable,
        )
        return event

    def _refine(self, denominator: int) -> None:
        """Make the divisions a multiple of a denominator. Raises `UnsupportedScoreError`."""
        refined = lcm(self.divisions, denominator)
        if refined == self.divisions:
            return
        if refined > _MAX_DIVISIONS:
            raise UnsupportedScoreError("too many different tuplets in one measure")
        factor = refined // self.divisions
        self.divisions = refined
        self.now *= factor
        for column in self.columns:
            column.end *= factor
        for spine in self.spines:
            spine.end *= factor
        self.events.clear()
        self.quarters.clear()

    def _to_quarters(self, divisions: int) -> Fraction:
        """Convert divisions to quarters."""
        if (known := self.quarters.get(divisions)) is not None:
            return known
        return self.quarters.setdefault(divisions, Fraction(divisions, self.divisions))

    def _line_time(self, read: Sequence[tuple[Column, Spine, _Event]]) -> int:
        """Return the time of a line whose columns with notes are given.

        That is where these columns end. Where they disagree it is the latest of them, without those
        that are new; a column that was silent for a while is where the others are.
        """
        with_notes = [column for column, _, event in read if event.advance]
        columns = with_notes or [column for column, _, _ in read]
        ends = {column.end for column in columns if not column.sounds_on}
        time = max(ends) if ends else self._earliest_end()
        if len(ends) > 1 and with_notes:
            self.n_shifted_lines += 1
        is_late = self.has_data and (
            time < self.now
            or (
                time == self.now
                and not self.after_grace_notes
                and not any(column.after_grace_note for column, _, _ in read)
            )
        )
        return self._earliest_end() if is_late else time

    def _earliest_end(self) -> int:
        """Return the earliest end of a column after the last line."""
        ends = [kern.column.end for kern in self.kern if not kern.column.sounds_on]
        ends = ends or [kern.column.end for kern in self.kern]
        if self.has_data and not self.after_grace_notes:
            ends = [end for end in ends if end > self.now]
        return max(min(ends, default=self.now), self.now)

    def _next_position(self) -> ScorePosition:
        """Return the position of the next line with notes."""
        if self.position is None:
            time = self._earliest_end() if self.has_data else 0
            self.position = self.measure, self._to_quarters(time)
        return self.position

    # -- interpretations --------------------------------------------------------------------------

    def _read_interpretations(self, tokens: list[str]) -> None:
        """Read a line of interpretations."""
        if not MANIPULATORS.isdisjoint(tokens):
            self.columns = manipulate(self.columns, tokens, self._earliest_end())
            self._update_layout()
            return
        if any(token.startswith("**") for token in tokens):
            for column, token in zip(self.columns, tokens, strict=True):
                if token.startswith("**"):
                    self._begin_spine(column, token[2:])
            self._update_layout()
            return
        has_staves, position = False, self._next_position()
        for column, token in zip(self.columns, tokens, strict=True):
            if token == "*":
                continue
            if found := _STAVES.fullmatch(token):
                column.staves = frozenset(found[1].split("/"))
                has_staves = True
            if column.spine is not None:
                self._read_interpretation(column.spine, token, position)
        if has_staves:
            self._update_layout()
        if any(token.startswith("*>") for token in tokens):
            self._read_sections(tokens)

    def _begin_spine(self, column: Column, kind: str) -> None:
        """Give a column its exclusive interpretation; a `**kern` column begins a part."""
        column.kind, column.spine = kind.strip(), None
        if column.kind != "kern":
            return
        if len(self.spines) >= MAX_SCORE_PARTS:
            raise UnsupportedScoreError(f"more than {MAX_SCORE_PARTS} staves")
        self._check_measures(len(self.spines) + 1)
        column.spine = Spine()
        for _ in range(self.measure + 1):
            column.spine.part.add_measure()
        self.spines.append(column.spine)

    def _update_layout(self) -> None:
        """List the columns with notes, and the spines that dynamics belong to.

        Dynamics belong to the staves that their column names, else to the spine at its left.
        """
        self.position = None
        self.kern = [
            KernColumn(i, column, column.spine)
            for i, column in enumerate(self.columns)
            if column.spine is not None
        ]
        self.dynamics = []
        spine_of_staff = {
            staff: kern.spine for kern in reversed(self.kern) for staff in kern.column.staves
        }
        nearest = self.kern[0].spine if self.kern else None
        for i, column in enumerate(self.columns):
            nearest = column.spine or nearest
            if column.kind != "dynam" or nearest is None:
                continue
            named = {spine_of_staff.get(staff) for staff in column.staves}
            spines = [spine for spine in self.spines if spine in named] if any(named) else []
            self.dynamics.append((i, spines or [nearest]))

    def _read_interpretation(self, spine: Spine, token: str, position: ScorePosition) -> None:
        """Read a tandem interpretation of a spine with notes, at a position."""
        part, kind = spine.part, token[1:2]
        if kind == "M":
            if token.startswith("*MM"):
                if mark := parse_tempo(token[3:]):
                    part.tempo_marks.append((position, *mark))
            elif (meter := parse_meter(token[2:])) and self.has_data:
                spine.pending_meter = meter
            elif meter:
                part.time_signatures[-1] = meter
        elif (fifths := parse_signature(token)) is not None:
            spine.signature = position, fifths
            self._add_key(spine, position)
        elif (key := parse_key(token)) is not None:
            spine.key = position, key
            self._add_key(spine, position)
        elif token.startswith("*part"):
            part.group = token[1:41]
        elif found := _NAME.fullmatch(token):
            spine.names.setdefault(found[1], " ".join(found[2].split()).strip("[]"))
        elif kind == "I" and spine.instrument is None:
            spine.instrument = INSTRUMENTS.get(token[2:].split("&")[0].strip())

    def _add_key(self, spine: Spine, position: ScorePosition) -> None:
        """Add the key at a position, with the fifths of its signature if it has one."""
        fifths, is_minor = None, False
        if spine.key and spine.key[0] == position:
            fifths, is_minor = spine.key[1]
        if spine.signature and spine.signature[0] == position:
            fifths = spine.signature[1]
        keys = spine.part.keys
        if keys and keys[-1][0] == position:
            keys.pop()
        keys.append((position, (fifths or 0, is_minor)))

    def _read_sections(self, tokens: Sequence[str]) -> None:
        """Read the order of sections, or the label of one that begins here."""
        label = ""
        for token in tokens:
            if (found := _EXPANSION_LIST.fullmatch(token)) and not self.section_order:
                labels = (name.strip() for name in found[1].split(","))
                self.section_order = tuple(name for name in labels if name)
            elif found := _LABEL.fullmatch(token):
                label = found[1]
        if not label or not self.section_order:
            return
        if self.has_data:
            ends = {kern.column.end for kern in self.kern if not kern.column.sounds_on}
            if len(ends) > 1 or self.now in ends:  # notes sound on: at the next bar line
                self.pending_label = label
                return
            self._open_measure()
        self.signs[self.measure].section = label

    # -- score ------------------------------------------------------------------------------------

    def build_score(self) -> Score:
        """Return the score of the lines read."""
        self._close_measure()
        if self.measure and not self.has_data:
            self.signs.pop()
            for spine in self.spines:
                part = spine.part
                for row in (
                    part.measure_numbers,
                    part.measure_lengths,
                    part.time_signatures,
                    part.notes,
                ):
                    row.pop()
        # The highest staff is the rightmost column.
        parts = [finish_part(spine) for spine in reversed(self.spines)]
        share_instruments(parts)
        if parts:
            parts[0].tempo_marks += [(position, *mark) for position, mark in self.tempo_marks]
        if not self.has_bar_lines and self.measure == 0:
            add_bar_lines(parts)
            self.signs = [RepeatSigns() for _ in parts[0].notes] if parts else []
        elif parts:
            move_bar_lines(parts, self.signs)
        warnings = [
            f"{text}: {count}"
            for text, count in (
                ("tokens that cannot be read, dropped", self.n_unreadable),
                ("notes without a pitch, dropped", self.n_unpitched),
                ("lines with too few or too many tokens, dropped", self.n_uneven_lines),
                ("lines where the rhythms of the spines disagree", self.n_shifted_lines),
            )
            if count
        ]
        return Score(
            kind="Humdrum",
            parts=parts,
            signs=self.signs,
            section_order=self._check_sections(warnings),
            n_grace_notes=self.n_grace_notes,
            warnings=warnings,
        )

    def _check_sections(self, warnings: list[str]) -> tuple[str, ...]:
        """Return the order of sections, none if it is invalid; adapt the repeat signs to it."""
        if not self.section_order:
            return ()
        labels = [sign.section for sign in self.signs if sign.section]
        is_valid = len(set(labels)) == len(labels) and set(self.section_order) <= set(labels)
        if not is_valid:
            warnings.append("expansion list that does not fit the sections, ignored")
        for sign in self.signs:
            if is_valid:
                sign.starts_repeat, sign.times = False, 0
            else:
                sign.section = ""
        return self.section_order if is_valid else ()
