"""Measures of a Humdrum file: notes and rests of its spines, at the times of its lines."""

from __future__ import annotations

import re
from collections.abc import Sequence
from fractions import Fraction
from math import lcm
from typing import NamedTuple

from musicvae.io.limits import MAX_CHANGES, MAX_SCORE_BARS, MAX_SCORE_MEASURES, MAX_SCORE_NOTES
from musicvae.io.notation.humdrum.chords import ChordReader
from musicvae.io.notation.humdrum.spines import Column, KernColumn, Spine
from musicvae.io.notation.humdrum.tokens import parse_dynamics, parse_event
from musicvae.io.notation.percussion import DEFAULT_KEY, drum_key_at, drum_key_of_name
from musicvae.io.notation.score import (
    RepeatSigns,
    ScoreNote,
    ScorePosition,
    UnsupportedScoreError,
    check_count,
)

_DIVISIONS = 2**7 * 3**2 * 5 * 7 * 11 * 13  # of a quarter; others are added as they occur
_MANY_DIVISIONS = 10**12  # forgotten at the next bar line
_MAX_DIVISIONS = 10**24
_MAX_CACHED = 512  # characters of a token
_STEPS = {0: "C", 2: "D", 4: "E", 5: "F", 7: "G", 9: "A", 11: "B"}
_NUMBER = re.compile(r"\d{1,6}[a-z]?")


class _Event(NamedTuple):
    """A token with notes, times in divisions; `notes` are (duration in quarters, pitch, tie)."""

    advance: int | None
    longest: int
    notes: tuple[tuple[Fraction, int | None, str], ...]
    n_grace_notes: int
    n_unreadable: int


class MeasureReader:
    """Reads lines of data and bar lines in order, and keeps the time in the measure.

    `kern` are the columns with notes, `dynamics` the numbers of columns with dynamics and the
    spines that these belong to. `measure` is the index of the measure, `now` the time in it of the
    last line with notes, in `divisions` of a quarter. `bar_line` is the length of the measure
    before, and `has_overhang` tells whether notes may sound on from there.
    """

    def __init__(self) -> None:
        self.columns: list[Column] = []
        self.kern: list[KernColumn] = []
        self.dynamics: list[tuple[int, list[Spine]]] = []
        self.chords = ChordReader()
        self.spines: list[Spine] = []
        self.signs = [RepeatSigns()]
        self.pending_label = ""  # of the section that begins with the next measure
        self.divisions = _DIVISIONS
        self.position: ScorePosition | None = None  # of the next line with notes, if known
        self.events: dict[str, _Event] = {}
        self.quarters: dict[int, Fraction] = {}
        self.measure, self.now = 0, 0
        self.bar_line, self.has_overhang = Fraction(0), False
        self.has_data = self.after_grace_notes = self.has_bar_lines = False
        self.n_notes = self.n_grace_notes = self.n_marks = 0
        self.n_unreadable = self.n_unpitched = self.n_shifted_lines = 0
        self.n_ossia = self.n_unmapped_drums = 0

    def read_data(self, tokens: Sequence[str]) -> None:
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
                if column.is_ossia:
                    self.n_ossia += len(notes)
                    column.last_notes = first, first
                    continue
                for duration, pitch, tie in notes:
                    pitch = self._sounding_key(spine, pitch)
                    if pitch is None:
                        self.n_unpitched += 1
                        continue
                    spine.part.notes[-1].append(ScoreNote(onset, duration, pitch, tie))
                    self.n_notes += 1
                column.last_notes = first, len(spine.part.notes[-1])
            check_count(self.n_notes, MAX_SCORE_NOTES, "notes")
        self.chords.read_line(tokens, (self.measure, onset) if read else None)
        for index, spines in self.dynamics:
            if tokens[index] == ".":
                continue
            position = (self.measure, self._to_quarters(self.now))
            for name in parse_dynamics(tokens[index]):
                for spine in spines:
                    spine.part.dynamics.append((position, name))
                    self.count_mark()

    def _sounding_key(self, spine: Spine, pitch: int | None) -> int | None:
        """Return the pitch of a note, of percussion its MIDI key, None if it has none.

        The key is that of the instrument, else that of the position in a percussion clef.
        """
        instrument = spine.instrument
        if instrument and instrument.drum_key is not None:
            return instrument.drum_key
        if instrument and instrument.program is not None:
            return pitch
        if pitch is not None and not spine.has_percussion_clef:
            return pitch
        key = drum_key_of_name(spine.names.get('I"', ""))
        if key is None and not spine.has_percussion_clef:
            return None
        if key is None and pitch is not None:
            key = drum_key_at(_STEPS.get(pitch % 12, ""), str(pitch // 12 - 1))
        if key is None:
            self.n_unmapped_drums += 1
            key = DEFAULT_KEY
        spine.is_drum = True
        return key

    def read_bar_line(self, token: str) -> None:
        """Begin a measure, or only give it its number if it has no data yet."""
        self.has_bar_lines = True
        number = _NUMBER.search(token)
        style = re.sub(r"[^:|!]", "", token)
        if self.has_data:
            self.open_measure()
        if number:
            for spine in self.spines:
                spine.part.measure_numbers[-1] = number[0]
        if style.startswith(":") and self.measure:
            self.signs[self.measure - 1].times = 2
        if style.endswith(":") and len(style) > 1:
            self.signs[self.measure].starts_repeat = True

    def open_measure(self) -> None:
        """Close the measure and begin another; the bar line is where the next line would be."""
        bar_line = self.earliest_end()
        self.bar_line = self._to_quarters(bar_line)
        self.close_measure()
        self.measure += 1
        self.check_measures(len(self.spines))
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
                    before[i], rest = before[i].split(self.bar_line)
                    after.append(rest)
                    self.n_notes += 1
            column.last_notes, column.sounds_on = (n_notes, len(after)), False

    def close_measure(self) -> None:
        """Set the length of the measure in each part."""
        end = max((spine.end for spine in self.spines), default=0)
        self.chords.end_measure(self.measure, self._to_quarters(end))
        for spine in self.spines:
            spine.part.measure_lengths[-1] = self._to_quarters(spine.end)
            spine.end = 0

    def check_measures(self, n_parts: int) -> None:
        """Raise `ScoreLimitError` for too many measures."""
        check_count(self.measure, MAX_SCORE_BARS, "bars")
        check_count(n_parts * (self.measure + 1), MAX_SCORE_MEASURES, "measures")

    def _event(self, token: str) -> _Event:
        """Return what a token stands for, in the current divisions."""
        if (known := self.events.get(token)) is not None:
            return known
        parse = parse_event if len(token) < _MAX_CACHED else parse_event.__wrapped__
        parsed = parse(token)
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
        time = max(ends) if ends else self.earliest_end()
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
        return self.earliest_end() if is_late else time

    def earliest_end(self) -> int:
        """Return the earliest end of a column after the last line."""
        ends = [kern.column.end for kern in self.kern if not kern.column.sounds_on]
        ends = ends or [kern.column.end for kern in self.kern]
        if self.has_data and not self.after_grace_notes:
            ends = [end for end in ends if end > self.now]
        return max(min(ends, default=self.now), self.now)

    def next_position(self) -> ScorePosition:
        """Return the position of the next line with notes."""
        if self.position is None:
            time = self.earliest_end() if self.has_data else 0
            self.position = self.measure, self._to_quarters(time)
        return self.position

    def count_mark(self) -> None:
        """Count a mark of dynamics, tempo or key. Raises `ScoreLimitError` for too many."""
        self.n_marks += 1
        check_count(self.n_marks, MAX_CHANGES, "changes of dynamics, tempo or key")
