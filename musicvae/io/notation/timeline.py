"""Timeline of a score as played: bars in playback order, with their notes and marks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, TypeVar

from musicvae.io.notation.dynamics import DynamicsMap
from musicvae.io.notation.measures import MAX_ROUNDING_QUARTERS, Bar, Measures
from musicvae.io.notation.score import ScorePart, ScorePosition

T = TypeVar("T")


@dataclass
class TimelineNote:
    """A note from `onset` to `end` in quarters of the timeline."""

    onset: Fraction
    end: Fraction
    pitch: int
    velocity: int


class PlaybackTimeline:
    """Bars in playback order, at their times as played, up to `end` in quarters."""

    def __init__(self, bars: Sequence[Bar], order: Sequence[int]) -> None:
        self.order = [i for i in order if bars[i].length > 0]
        self.bars: list[Bar] = []
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

        A note's velocity is its own, else that of `dynamics`, else `velocity`.
        """
        notes_by_bar = _notes_by_bar(part, measures, part_index)
        notes: list[TimelineNote] = []
        open_ties: dict[int, list[TimelineNote]] = {}
        for i, bar in zip(self.order, self.bars, strict=True):
            if i >= len(notes_by_bar):
                continue
            index = 0
            for offset, length, pitch, tie, own in sorted(notes_by_bar[i], key=lambda n: n[:4]):
                level = own or velocity
                if dynamics and not own:
                    level, index = dynamics.velocity_at((i, offset), index)
                end = offset + length
                if not measures.has_independent_barlines:
                    end = max(min(end, bar.length), offset)
                onset, end = bar.start + offset, bar.start + end
                tied = None
                if tie in ("stop", "continue"):
                    tied = _pop_tied_note(open_ties, onset, pitch)
                if tied:
                    note, note.end = tied, max(tied.end, end)
                else:
                    note = TimelineNote(onset, end, pitch, level)
                    notes.append(note)
                if tie in ("start", "continue"):
                    open_ties.setdefault(pitch, []).append(note)
        return notes

    def play_marks(self, marks: Sequence[tuple[ScorePosition, T]]) -> list[tuple[Fraction, T]]:
        """Return marks at the times they are played; the mark in force is repeated after a jump."""
        marks = sorted(marks, key=lambda mark: mark[0])
        marks_by_bar: dict[int, list[tuple[ScorePosition, T]]] = {}
        for mark in marks:
            marks_by_bar.setdefault(mark[0][0], []).append(mark)
        played: list[tuple[Fraction, T]] = []
        for i, bar, is_jump in zip(self.order, self.bars, self.is_jump, strict=True):
            if is_jump and (before := [value for position, value in marks if position[0] < i]):
                played.append((bar.start, before[-1]))
            for position, value in marks_by_bar.get(i, ()):
                played.append((bar.start + position[1], value))
        return played


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
    open_ties: dict[int, list[TimelineNote]], onset: Fraction, pitch: int
) -> TimelineNote | None:
    """Remove and return the note with an open tie that ends at an onset of the same pitch."""
    candidates = open_ties.get(pitch, [])
    for note in candidates:
        if abs(note.end - onset) < MAX_ROUNDING_QUARTERS:
            candidates.remove(note)
            return note
    return None
