"""Reading of Humdrum scores in the `**kern` representation.

Tokens on one line sound together: a line is where the notes and rests before it end. Voices of a
split spine belong to its part. Pitches of `**kern` are sounding ones, also those of transposing
instruments (`*ITr`), and of passages with an octave sign. An expansion list (`*>[A,A,B]`) gives the
order of sections in full, so the repeat signs inside them are not used.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from musicvae.io.limits import MAX_SCORE_PARTS
from musicvae.io.notation.humdrum.assembly import finish_part, share_instruments
from musicvae.io.notation.humdrum.barring import add_bar_lines, move_bar_lines
from musicvae.io.notation.humdrum.chords import CHORD_KINDS
from musicvae.io.notation.humdrum.interpretations import (
    INSTRUMENTS,
    TempoMark,
    parse_key,
    parse_meter,
    parse_movement,
    parse_signature,
    parse_tempo,
)
from musicvae.io.notation.humdrum.measures import MeasureReader
from musicvae.io.notation.humdrum.spines import (
    MANIPULATORS,
    MAX_COLUMNS,
    Column,
    KernColumn,
    Spine,
    manipulate,
)
from musicvae.io.notation.score import (
    RepeatSigns,
    Score,
    ScorePosition,
    check_count,
)
from musicvae.io.notation.swing_marks import SwingMark, swing_from_words, whole_swing
from musicvae.io.notation.text import check_length

_PIECE = re.compile(r"^!!!!SEGMENT\b.*$", re.MULTILINE)
_LABEL = re.compile(r"\*> ?([^\s\[\],]{1,40})")
_EXPANSION_LIST = re.compile(r"\*> ?\[([^\[\]]*)\]")
_NAME = re.compile(r"""\*(I"|I'|mI"|IC)(.{1,200})""")
_LAYOUT_TEXT = re.compile(r"!LO:TX[^\t]{0,80}?:t=([^\t:]{1,80})")
_MAX_LAYOUT = 4000
_JUMP = re.compile(r"\b(D\. ?[CS]\.|Da Capo|Dal Segno)", re.IGNORECASE)
_KERN = re.compile(r"kern|b?ekern(_[\d.]+)?")
_EXTENDED = str.maketrans("", "", "@\u00b7")
_STAVES = re.compile(r"\*staff(\d{1,4}(?:/\d{1,4}){0,8})")


def read_humdrum(text: str, path: str | Path = "<Humdrum>") -> Score:
    """Read a Humdrum text; of several pieces, the first. Raises `ReadError` if it is too long.

    Raises `UnsupportedScoreError` for a score without notes, or with more than music has.
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    starts = [match.start() for match in _PIECE.finditer(text)]
    pieces = [text[a:b] for a, b in zip([0, *starts], [*starts, len(text)], strict=True)]
    pieces = [piece for piece in pieces if "**" in piece] or [text]
    check_length(pieces[0], path)
    reader = _Reader()
    is_complete = reader.read(pieces[0])
    score = reader.build_score()
    if len(pieces) > 1:
        score.warnings.insert(0, f"{len(pieces)} pieces, only the first is read; split the file")
    elif not is_complete:
        score.warnings.insert(0, "more than one piece, only the first is read; split the file")
    return score


class _Reader(MeasureReader):
    """Reads the lines of one piece in order."""

    def __init__(self) -> None:
        super().__init__()
        self.section_order: tuple[str, ...] = ()
        self.tempo_marks: list[tuple[ScorePosition, TempoMark]] = []
        self.is_extended = False  # with signs between the parts of a token (`**ekern`)
        self.swing_marks: list[SwingMark] = []
        self.n_uneven_lines = self.n_jumps = self.n_instrument_changes = 0

    # -- lines ------------------------------------------------------------------------------------

    def read(self, text: str) -> bool:
        """Read the lines of a piece; return False if another piece follows in the text."""
        for line in text.split("\n"):
            if not line or line.isspace():
                continue
            if line[0] == "!":
                if line.startswith("!!!OMD:") and (mark := parse_movement(line[7:])):
                    self.tempo_marks.append((self.next_position(), mark))
                    self.count_mark()
                elif "!LO:TX" in line:
                    self._read_texts(line)
                continue
            tokens = line.split("\t")
            if line.startswith("**") and not self.columns:
                if self.spines:
                    return False
                check_count(len(tokens), MAX_COLUMNS, "spines")
                tokens = [token for token in tokens if token]
                self.columns = [Column() for _ in tokens]
            if len(tokens) != len(self.columns):
                tokens = [token for token in tokens if token]  # several tabs are one separator
            if len(tokens) != len(self.columns):
                self.n_uneven_lines += 1
                continue
            if line[0] == "*":
                self._read_interpretations(tokens)
            elif not self.kern:
                continue
            elif tokens[self.kern[0].number][:1] == "=":
                self.read_bar_line(tokens[self.kern[0].number])
            elif self.is_extended:
                self.read_data([token.translate(_EXTENDED) for token in tokens])
            else:
                self.read_data(tokens)
        return True

    def _read_texts(self, line: str) -> None:
        """Read layout texts over the staff: tempo, swing and jumps."""
        for text in dict.fromkeys(_LAYOUT_TEXT.findall(line[:_MAX_LAYOUT])):
            if swing := swing_from_words(text):
                self.swing_marks.append((self.next_position()[0], swing))
            elif _JUMP.search(text):
                self.n_jumps += 1
            elif mark := parse_movement(text):
                self.tempo_marks.append((self.next_position(), mark))
                self.count_mark()

    # -- interpretations --------------------------------------------------------------------------

    def _read_interpretations(self, tokens: list[str]) -> None:
        """Read a line of interpretations."""
        if not MANIPULATORS.isdisjoint(tokens):
            self.columns = manipulate(self.columns, tokens, self.earliest_end())
            self._update_layout()
            return
        if any(token.startswith("**") for token in tokens):
            for column, token in zip(self.columns, tokens, strict=True):
                if token.startswith("**"):
                    self._begin_spine(column, token[2:])
            self._update_layout()
            return
        has_staves, position = False, self.next_position()
        for column, token in zip(self.columns, tokens, strict=True):
            if token == "*":
                continue
            if found := _STAVES.fullmatch(token):
                column.staves = frozenset(found[1].split("/"))
                has_staves = True
            elif token in ("*ossia", "*Xossia"):
                column.is_ossia = token == "*ossia"
            if column.spine is not None:
                self._read_interpretation(column.spine, token, position)
            if key := parse_key(token):
                self.chords.key = key
        if has_staves:
            self._update_layout()
        if any(token.startswith("*>") for token in tokens):
            self._read_sections(tokens)

    def _begin_spine(self, column: Column, kind: str) -> None:
        """Give a column its exclusive interpretation; a `**kern` column begins a part."""
        column.kind, column.spine = kind.strip(), None
        if not _KERN.fullmatch(column.kind):
            return
        self.is_extended |= column.kind != "kern"
        check_count(len(self.spines) + 1, MAX_SCORE_PARTS, "staves")
        self.check_measures(len(self.spines) + 1)
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
        kinds = [column.kind for column in self.columns]
        stated = next((kind for kind in CHORD_KINDS if kind in kinds), "")
        self.chords.columns = [(i, kind) for i, kind in enumerate(kinds) if kind == stated and kind]
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
                    self.count_mark()
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
        elif token.startswith("*clef"):
            spine.has_percussion_clef = token == "*clefX"
        elif kind == "I":
            found_instrument = INSTRUMENTS.get(token[2:].split("&")[0].strip())
            if spine.instrument is None:
                spine.instrument = found_instrument
            elif found_instrument not in (None, spine.instrument):
                self.n_instrument_changes += 1

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
        self.count_mark()

    def _read_sections(self, tokens: Sequence[str]) -> None:
        """Read the order of sections, or the label of one that begins here."""
        label = ""
        for token in tokens:
            if (found := _EXPANSION_LIST.fullmatch(token)) and not self.section_order:
                labels = (name.strip() for name in found[1].split(","))
                self.section_order = tuple(name for name in labels if name)
            elif found := _LABEL.fullmatch(token):
                label = label or found[1]
        if not label or not self.section_order:
            return
        if self.has_data:
            ends = {kern.column.end for kern in self.kern if not kern.column.sounds_on}
            if len(ends) > 1 or self.now in ends:  # notes sound on: at the next bar line
                self.pending_label = label
                return
            self.open_measure()
        self.signs[self.measure].section = label

    # -- score ------------------------------------------------------------------------------------

    def build_score(self) -> Score:
        """Return the score of the lines read."""
        self.close_measure()
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
            parts[0].chords = self.chords.marks
            parts[0].tempo_marks += [(position, *mark) for position, mark in self.tempo_marks]
        if not self.has_bar_lines and self.measure == 0:
            add_bar_lines(parts)
            self.signs = [RepeatSigns() for _ in parts[0].notes] if parts else []
        elif parts:
            move_bar_lines(parts, self.signs)
        swing, n_swing_marks = whole_swing(self.swing_marks)
        warnings = [
            f"{text}: {count}"
            for text, count in (
                ("tokens that cannot be read, dropped", self.n_unreadable),
                ("notes without a pitch, dropped", self.n_unpitched),
                ("lines with too few or too many tokens, dropped", self.n_uneven_lines),
                ("lines where the rhythms of the spines disagree", self.n_shifted_lines),
                ("notes of an ossia, not played", self.n_ossia),
                ("drum notes without a known MIDI key, read as snare", self.n_unmapped_drums),
                ("changes of instrument, not played", self.n_instrument_changes),
                ("swing marks, played straight", n_swing_marks),
                ("chords that cannot be read, left out", self.chords.n_unreadable),
                ("chords on lines without notes, spread evenly", self.chords.n_spread),
                ("jumps in words, not played", 0 if self.section_order else self.n_jumps),
            )
            if count
        ]
        return Score(
            kind="Humdrum",
            parts=parts,
            signs=self.signs,
            section_order=self._check_sections(warnings),
            n_grace_notes=self.n_grace_notes,
            swing=swing,
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
