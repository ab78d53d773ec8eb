"""Repetition of the music at a bar length: what loops say about the notated bar lines.

A riff, a groove or a chord loop tells little about where a bar begins, except by where it starts
and by the length at which it repeats. If both agree with the notated bars, they are probably
right, even where the downbeat network, which knows scores, would place them elsewhere.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from musicvae.arrays import Ints
from musicvae.downbeats.features import CELLS_PER_QUARTER, NoteFeatures

MIN_REPEATED = 0.7  # share of notes that recur after a bar
MIN_REPEATED_LATER = 0.9  # after several bars, which songs with repeats do, too
MIN_PART_REPEATED = 0.8  # in a part, or of steps instead of pitches
MIN_COVERED = 0.6  # share of notes that recur a bar later or earlier
COVERED_MARGIN = 0.25  # by which bars of another length must cover less
MIN_SAME_BARS = 0.6  # share of bars that are one and the same
MIN_BARS = 6  # of which it is judged
MIN_EXACT = 0.9  # of a loop that is the whole song
TOLERANCE = 0.02  # by which the song may repeat better at bars of another length
MARGIN = 0.1  # by which it must repeat worse, else
LOOP_BARS = (2, 4, 8)  # lengths of longer loops; others are multiples of other meters, too
OTHER_CELLS = (6, 8, 10, 12, 14, 16, 18, 20, 24, 28, 32)  # lengths of bars, 3/8 to 4/2
MIN_EXACT_CELLS = 8
MIN_LOOPS = 3.5  # of an exact loop
MIN_PART_ONSETS = 16
MIN_PART_SPAN = 0.5  # of the song
_KINDS = 256  # pitches of tones and of drums, or steps


@dataclass(frozen=True, kw_only=True, eq=False)
class Events:
    """Which pitches begin at each cell from the first note to the last one. `(T, _KINDS)`, bool.

    Drums have pitches from 128. Instead of pitches there may be the steps to the lowest note from
    the one before.
    """

    begins: NDArray[np.bool_]
    first_cell: int

    @classmethod
    def new(cls, cell: Ints, kind: Ints) -> Events:
        """Return the events of notes `(M,)` in order of their cells."""
        first_cell = int(cell[0])
        begins = np.zeros((int(cell[-1]) - first_cell + 1, _KINDS), bool)
        begins[cell - first_cell, kind] = True
        return cls(begins=begins, first_cell=first_cell)

    @property
    def n_cells(self) -> int:
        """Cells from the first note to the last one."""
        return len(self.begins)

    @cached_property
    def _codes(self) -> Ints:
        """`_KINDS` times the cell from the first note, plus the kind, ascending. `(K,)`"""
        return np.flatnonzero(self.begins)

    def repeated(self, lag: int) -> float:
        """Return the share of notes that recur after `lag` cells: an F-measure of those that could.

        0 if the song is too short: two loops, of which the last may lack up to an eighth.
        """
        if self.n_cells < 1.875 * lag:
            return 0.0
        recurs = self._recurs(lag)
        since = len(self._codes) - int(np.searchsorted(self._codes, lag * _KINDS))
        return 2 * int(np.count_nonzero(recurs)) / max(len(recurs) + since, 1)

    def covered(self, lag: int) -> float:
        """Return the share of notes that recur `lag` cells later or earlier.

        In bars A A A B, half of the notes recur after a bar, but three quarters are covered.
        """
        if self.n_cells < 1.875 * lag:
            return 0.0
        recurs, begin = self._recurs(lag), int(np.searchsorted(self._codes, lag * _KINDS))
        covered = np.zeros(len(self._codes), bool)
        covered[: len(recurs)] = recurs
        covered[begin:] |= self.begins.reshape(-1)[self._codes[begin:] - lag * _KINDS]
        return float(covered.mean())

    def same_bars(self, bar: int, first: int = 0) -> float:
        """Return the share of whole bars of so many cells that are exactly the most common one.

        `first`: cells from the first note to the first bar line. 0 if there are few bars. In bars
        A A A B it is three quarters, but half where bars begin elsewhere.
        """
        n_bars = (self.n_cells + bar // 8 - first) // bar  # the last one may lack an eighth
        if n_bars < MIN_BARS:
            return 0.0
        begins = (first + bar * np.arange(n_bars + 1)) * _KINDS
        edges = np.searchsorted(self._codes, begins)
        contents = [
            (self._codes[start:stop] - begin).tobytes()
            for start, stop, begin in zip(edges[:-1], edges[1:], begins, strict=False)
        ]
        return Counter(contents).most_common(1)[0][1] / n_bars

    def has_same_bars(self, bar: int) -> bool:
        """Return whether most bars from the first note on are the same one.

        Not more may be where bars begin elsewhere, and fewer must be among those of other lengths.
        """
        same = self.same_bars(bar)
        if same < MIN_SAME_BARS:
            return False
        if same < max(self.same_bars(bar, first) for first in range(1, bar)):
            return False
        return same > max((self.same_bars(cells) for cells in _others(bar)), default=0.0) + MARGIN

    def _recurs(self, lag: int) -> NDArray[np.bool_]:
        """Mask of the notes that recur after `lag` cells, without those that are too late to."""
        stop = int(np.searchsorted(self._codes, (self.n_cells - lag) * _KINDS))
        return self.begins.reshape(-1)[self._codes[:stop] + lag * _KINDS]

    def loop_start(self, lag: int) -> int:
        """Return the cell of the first note that recurs after `lag` cells; a pickup does not."""
        return self.first_cell + int(self._codes[self._recurs(lag).argmax()]) // _KINDS

    def loops_at(self, bar: int, least: float, least_later: float, margin: float) -> bool:
        """Return whether the music repeats after one bar of so many cells, or after a few bars.

        `least` must recur after one bar, `least_later` after several. Bars of another length must
        repeat worse: by `margin` than one bar, by `MARGIN` than several.
        """
        one = self.repeated(bar)
        later = max(self.repeated(bars * bar) for bars in LOOP_BARS)
        if one < least and later < least_later:
            return False
        other = max((self.repeated(cells) for cells in _others(bar)), default=0.0)
        if one >= least and one >= other + margin:
            return True
        return later >= max(least_later, other + MARGIN)


@dataclass(frozen=True, kw_only=True, eq=False)
class Repetition:
    """Repetition in a song: of all notes, of each part, and of the steps of each part."""

    notes: NoteFeatures

    @cached_property
    def _whole(self) -> Events:
        return _pitches(self.notes)

    @cached_property
    def first_cell(self) -> int:
        """The cell of the first note."""
        return self._whole.first_cell

    def loops_exactly_at(self, bar: int) -> bool:
        """Return whether nearly all notes recur after a bar of so many cells, or a few bars."""
        return self._whole.loops_at(bar, MIN_EXACT, MIN_EXACT, -TOLERANCE)

    @cached_property
    def exact_bar(self) -> int:
        """The shortest bar in cells after which nearly all notes recur, 0 if there is none.

        Music that repeats after a quarter or a dotted one has none. Of 2/4 and 4/4 it is 4/4.
        """
        lengths = (CELLS_PER_QUARTER, *OTHER_CELLS)
        possible = [c for c in lengths if self._whole.n_cells >= MIN_LOOPS * c]
        bar = next((c for c in possible if self._whole.repeated(c) >= MIN_EXACT), 0)
        if bar < MIN_EXACT_CELLS:
            return 0
        return {8: 16, 32: 16}.get(bar, bar)

    def start(self, bar: int) -> int:
        """Return the cell at which a loop of bars of so many cells begins."""
        return self._whole.loop_start(bar)

    def loops_at(self, bar: int) -> bool:
        """Return whether the song, or a part of it, loops at a bar of so many cells."""
        if self._whole.loops_at(bar, MIN_REPEATED, MIN_REPEATED_LATER, -TOLERANCE):
            return True
        covered = self._whole.covered(bar)
        if covered >= MIN_COVERED:
            others = max((self._whole.covered(cells) for cells in _others(bar)), default=0.0)
            if covered >= others + COVERED_MARGIN:
                return True
        if self._whole.has_same_bars(bar):
            return True
        return any(
            line.loops_at(bar, MIN_PART_REPEATED, MIN_REPEATED_LATER, MARGIN)
            for line in self._lines()
        )

    def _lines(self) -> Iterator[Events]:
        """Yield the pitches and the steps of the parts that play during most of the song."""
        for part in np.unique(self.notes.part).tolist():
            mine = self.notes.select(self.notes.part == part)
            if len(mine.cell) < MIN_PART_ONSETS:
                continue
            pitches = _pitches(mine)
            if pitches.n_cells < MIN_PART_SPAN * self._whole.n_cells:
                continue
            yield pitches
            if not mine.is_drum[0] and len(np.unique(mine.cell)) >= MIN_PART_ONSETS:
                yield _steps(mine)


def _others(bar: int) -> list[int]:
    """Return lengths of bars that are neither multiples nor fractions of one."""
    return [cells for cells in OTHER_CELLS if cells % bar and bar % cells]


def _pitches(notes: NoteFeatures) -> Events:
    return Events.new(notes.cell, notes.pitch + 128 * notes.is_drum)


def _steps(notes: NoteFeatures) -> Events:
    """Return the steps between the lowest notes of successive onsets, which ignore the key."""
    cells, first = np.unique(notes.cell, return_index=True)
    lowest = np.minimum.reduceat(notes.pitch, first)
    return Events.new(cells[1:], 128 + np.clip(np.diff(lowest), -127, 127))
