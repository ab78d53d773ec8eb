"""Floor 3: from the measures of a score as written to its bars as played: notes and marks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, TypeVar

from musicvae.io.notation.dynamics import DynamicsMap, ScorePosition
from musicvae.io.notation.measures import MAX_ROUNDING_QUARTERS, Bar, Measures
from musicvae.io.notation.part import ScorePart

T = TypeVar("T")


@dataclass
class TimelineNote:
    """A note as it sounds, from `onset` to `end` in quarters."""

    onset: Fraction
    end: Fraction
    pitch: int
    velocity: int


class PlaybackTimeline:
    """The bars in the order they are played: `bars` on their new timeline, up to `end`."""

    def __init__(self, bars: Sequence[Bar], order: Sequence[int]) -> None:
        self.order = [i for i in order if bars[i].length > 0]
        self.bars: list[Bar] = []
        self.end = Fraction(0)
        for i in self.order:
            self.bars.append(replace(bars[i], start=self.end))
            self.end += bars[i].length
        lasting = [i for i, bar in enumerate(bars) if bar.length > 0]
        follows = dict(zip([-1, *lasting], lasting, strict=False))
        before = [-1, *self.order]
        self.is_jump = [follows.get(a) != b for a, b in zip(before, self.order, strict=False)]

    def play_notes(
        self, part: ScorePart, measures: Measures, part_index: int, dynamics: DynamicsMap | None, velocity: int
    ) -> list[TimelineNote]:
        """The notes of a part as played, ties joined, each with its velocity."""
        written = _notes_by_bar(part, measures, part_index)
        notes: list[TimelineNote] = []
        held: dict[int, list[TimelineNote]] = {}
        for i, bar in zip(self.order, self.bars, strict=True):
            if i >= len(written):
                continue
            mark = 0
            for offset, length, pitch, tie, own in sorted(written[i], key=lambda n: n[:4]):
                level = own or velocity
                if dynamics and not own:
                    level, mark = dynamics.velocity_at((i, offset), mark)
                end = offset + length
                if not measures.has_independent_barlines:
                    end = max(min(end, bar.length), offset)
                onset, end = bar.start + offset, bar.start + end
                before = _pop_tied_note(held, onset, pitch) if tie in ("stop", "continue") else None
                if before:
                    note, note.end = before, max(before.end, end)
                else:
                    note = TimelineNote(onset, end, pitch, level)
                    notes.append(note)
                if tie in ("start", "continue"):
                    held.setdefault(pitch, []).append(note)
        return notes

    def play_marks(self, written: Sequence[tuple[ScorePosition, T]]) -> list[tuple[Fraction, T]]:
        """Marks at the times they are played; after a jump the one that was in force is said."""
        marks = sorted(written, key=lambda mark: mark[0])
        of_bar: dict[int, list[tuple[ScorePosition, T]]] = {}
        for mark in marks:
            of_bar.setdefault(mark[0][0], []).append(mark)
        played: list[tuple[Fraction, T]] = []
        for i, bar, jump in zip(self.order, self.bars, self.is_jump, strict=True):
            if jump and (before := [mark for place, mark in marks if place[0] < i]):
                played.append((bar.start, before[-1]))
            played += [(bar.start + place[1], mark) for place, mark in of_bar.get(i, ())]
        return played


def _notes_by_bar(part: ScorePart, measures: Measures, part_index: int) -> list[list[Any]]:
    """The notes of a part by bar: its own measures, unless its bar lines are its own too."""
    if not measures.has_independent_barlines:
        return list(part.notes)
    bars: list[list[Any]] = [[] for _ in measures.bars]
    for start, notes in zip(measures.starts[part_index], part.notes, strict=False):
        for offset, *rest in notes:
            bar = measures.bar_at(start + offset)
            bars[bar].append((start + offset - measures.bars[bar].start, *rest))
    return bars


def _pop_tied_note(open_ties: dict[int, list[TimelineNote]], onset: Fraction, pitch: int) -> TimelineNote | None:
    """The held note of a pitch that ends where this one begins; it is held no longer."""
    waiting = open_ties.get(pitch, [])
    for note in waiting:
        if abs(note.end - onset) < MAX_ROUNDING_QUARTERS:
            waiting.remove(note)
            return note
    return None
