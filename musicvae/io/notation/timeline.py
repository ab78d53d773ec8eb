"""Timeline of a score as played: bars in playback order, with their notes and marks.

Notes are many, so their times are integers: units of which `resolution` last a quarter. All rhythms
of the score are whole numbers of units.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from math import ceil, lcm
from typing import Any, TypeVar

from musicvae.io.limits import MAX_CHANGES, MAX_NOTES
from musicvae.io.notation.dynamics import DynamicsMap
from musicvae.io.notation.measures import MAX_ROUNDING_QUARTERS, Bar, Measures
from musicvae.io.notation.score import (
    ScorePart,
    ScorePosition,
    check_count,
    check_resolution,
)

T = TypeVar("T")


@dataclass(slots=True)
class TimelineNote:
    """A note from `onset` to `end` in units of the timeline."""

    onset: int
    end: int
    pitch: int
    velocity: int


class PlaybackTimeline:
    """Bars in playback order, at their times as played, up to `end` in quarters."""

    def __init__(
        self, bars: Sequence[Bar], order: Sequence[int], parts: Iterable[ScorePart]
    ) -> None:
        self.resolution = _find_resolution(bars, parts)
        self.order = [i for i in order if bars[i].length > 0]
        self.bars: list[Bar] = []
        self.n_played = 0  # notes, of all parts so far
        self.end = Fraction(0)
        for i in self.order:
            self.bars.append(replace(bars[i], start=self.end))
            self.end += bars[i].length
        nonempty = [i for i, bar in enumerate(bars) if bar.length > 0]
        successor = dict(zip([-1, *nonempty], nonempty, strict=False))
        previous = [-1, *self.order]
        self.is_jump = [successor.get(a) != b for a, b in zip(previous, self.order, strict=False)]

    def play_notes(
        self,
        part: ScorePart,
        measures: Measures,
        part_index: int,
        dynamics: DynamicsMap | None,
        velocity: int,
    ) -> list[TimelineNote]:
        """Return the notes of a part as played, with ties joined.

        A note's velocity is its own, else that of `dynamics`, else `velocity`. Raises
        `UnsupportedScoreError` for too many notes.
        """
        notes_by_bar = _notes_by_bar(part, measures, part_index)
        notes: list[TimelineNote] = []
        open_ties: dict[int, list[TimelineNote]] = {}
        tolerance = ceil(MAX_ROUNDING_QUARTERS * self.resolution)
        for i, bar in zip(self.order, self.bars, strict=True):
            if i >= len(notes_by_bar) or not notes_by_bar[i]:
                continue
            index = bisect_left(dynamics.positions, (i, Fraction(0))) if dynamics else 0
            bar_start, bar_length = self.to_units(bar.start), self.to_units(bar.length)
            self.n_played += len(notes_by_bar[i])
            check_count(self.n_played, MAX_NOTES, "notes as played")
            rows = [
                (self.to_units(note[0]), self.to_units(note[1]), *note) for note in notes_by_bar[i]
            ]
            rows.sort(key=lambda row: (row[0], row[1], row[4], row[5]))
            for offset, length, position, _, pitch, tie, own in rows:
                level = own or velocity
                if dynamics and not own:
                    level, index = dynamics.velocity_at((i, position), index)
                end = offset + length
                if not measures.has_independent_barlines:
                    end = max(min(end, bar_length), offset)
                onset, end = bar_start + offset, bar_start + end
                tied = None
                if tie in ("stop", "continue"):
                    tied = _pop_tied_note(open_ties, onset, pitch, tolerance)
                if tied:
                    note, note.end = tied, max(tied.end, end)
                else:
                    note = TimelineNote(onset, end, pitch, level)
                    notes.append(note)
                if tie in ("start", "continue"):
                    open_ties.setdefault(pitch, []).append(note)
        return notes

    def to_units(self, time: Fraction) -> int:
        """Return a time in quarters in units; it must be a whole number of them."""
        return time.numerator * (self.resolution // time.denominator)

    def play_marks(self, marks: Sequence[tuple[ScorePosition, T]]) -> list[tuple[Fraction, T]]:
        """Return marks at the times they are played; the mark in force is repeated after a jump.

        Raises `UnsupportedScoreError` for too many of them.
        """
        marks = sorted(marks, key=lambda mark: mark[0])
        measures = [position[0] for position, _ in marks]
        marks_by_bar: dict[int, list[tuple[ScorePosition, T]]] = {}
        for mark in marks:
            marks_by_bar.setdefault(mark[0][0], []).append(mark)
        played: list[tuple[Fraction, T]] = []
        for i, bar, is_jump in zip(self.order, self.bars, self.is_jump, strict=True):
            if is_jump and (n_before := bisect_left(measures, i)):
                played.append((bar.start, marks[n_before - 1][1]))
            for position, value in marks_by_bar.get(i, ()):
                played.append((bar.start + position[1], value))
            check_count(len(played), MAX_CHANGES, "changes of tempo, key or chord as played")
        return played


def _find_resolution(bars: Sequence[Bar], parts: Iterable[ScorePart]) -> int:
    """Return the units per quarter in which all times of a score are whole numbers.

    Raises `UnsupportedScoreError` if these are too many.
    """
    denominators = {time.denominator for bar in bars for time in (bar.start, bar.length)}
    for part in parts:
        denominators |= {length.denominator for length in part.measure_lengths}
        for notes in part.notes:
            denominators |= {note.onset.denominator for note in notes}
            denominators |= {note.duration.denominator for note in notes}
    resolution = 1
    for denominator in denominators:
        resolution = lcm(resolution, denominator)
        check_resolution(Fraction(1, resolution))
    return resolution


def _notes_by_bar(part: ScorePart, measures: Measures, part_index: int) -> list[list[Any]]:
    """Return the notes of a part by bar; these are its measures unless its bar lines differ."""
    if not measures.has_independent_barlines:
        return list(part.notes)
    bars: list[list[Any]] = [[] for _ in measures.bars]
    for start, notes in zip(measures.starts[part_index], part.notes, strict=False):
        for offset, *rest in notes:
            bar = measures.bar_at(start + offset)
            bars[bar].append((start + offset - measures.bars[bar].start, *rest))
    return bars


def _pop_tied_note(
    open_ties: dict[int, list[TimelineNote]], onset: int, pitch: int, tolerance: int
) -> TimelineNote | None:
    """Remove and return the note with an open tie that ends at an onset of the same pitch.

    It may end earlier or later by less than `tolerance` units.
    """
    candidates = open_ties.get(pitch, [])
    for note in candidates:
        if abs(note.end - onset) < tolerance:
            candidates.remove(note)
            return note
    return None
