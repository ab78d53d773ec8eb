"""Floor 8: changes carried out on a song. Notes that are not changed stay as they are, to the tick.

In a single line notes follow one another, so a change may lengthen or shorten its neighbours: the
note before goes on until where the changed one now begins if it ended where that was heard, and
over the place of one that is taken out.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from musicvae.bars import Bars, cells
from musicvae.belief import Belief
from musicvae.drums import canonical
from musicvae.grid import STORED_STEPS_PER_QUARTER, Grid, cell_of, rescale, tick_of
from musicvae.model.changes import Change
from musicvae.song import Ints, Part, Song, resolve_overlaps

_LEVEL = 76


def changed(song: Song, bars: Bars, beliefs: list[Belief], found: list[list[Change]]) -> Song:
    """A song with the changes of each group carried out; `bars` is the song on the model's grid."""
    notes = [_Notes(part, bars.grid, song) for part in song.parts]
    for belief, mine in zip(beliefs, found, strict=True):
        by_slot: dict[int, list[Change]] = defaultdict(list)
        for change in mine:
            by_slot[change.slot].append(change)
        for slot, those in by_slot.items():
            part = int(belief.source.group.owner[slot])
            _Lane(notes[part], belief, slot, bars.grid).carry_out(those)
    parts = tuple(
        each.made() if each.touched else part for part, each in zip(song.parts, notes, strict=True)
    )
    return replace(song, parts=parts)


class _Notes:
    """The notes of one part, to be changed."""

    def __init__(self, part: Part, grid: Grid, song: Song) -> None:
        self.part = part
        self.start: list[int] = part.onset_ticks.tolist()
        self.stop: list[int] = (part.onset_ticks + part.duration_ticks).tolist()
        self.pitch: list[int] = part.pitch.tolist()
        self.velocity: list[int] = part.velocity.tolist()
        self.gone: set[int] = set()
        self.touched = False
        told = canonical(part.pitch) if part.is_drum else part.pitch
        at: dict[tuple[int, int], list[int]] = defaultdict(list)
        for i, key in enumerate(
            zip(cells_of(part.onset_ticks, grid, song).tolist(), told.tolist(), strict=True)
        ):
            at[key].append(i)
        self.at = dict(at)
        self.level = round(float(part.velocity.mean())) if len(part) else _LEVEL

    def made(self) -> Part:
        """The part with its notes as they are now."""
        keep = [i for i in range(len(self.start)) if i not in self.gone]
        onset, stop, pitch, velocity = (
            np.array(column, np.int64)[keep]
            for column in (self.start, self.stop, self.pitch, self.velocity)
        )
        alone, duration, _ = resolve_overlaps(onset, np.maximum(stop - onset, 1), pitch)
        return self.part.with_notes(onset[alone], duration[alone], pitch[alone], velocity[alone])


class _Lane:
    """The notes of one slot, which are some of a part's, in the order of time."""

    def __init__(self, notes: _Notes, belief: Belief, slot: int, grid: Grid) -> None:
        self.notes, self.grid = notes, grid
        self.line = not belief.chordal[slot]
        self.drums = bool(belief.drums[slot])
        mine = belief.source.group.notes
        mine = mine.take(mine.part == slot)
        where = zip(cells(belief.source.bars.grid, mine).tolist(), mine.pitch.tolist(), strict=True)
        self.order = sorted((notes.start[i], i) for key in where for i in notes.at.get(key, ())[:1])

    def carry_out(self, found: Iterable[Change]) -> None:
        """Make these changes, one after the other."""
        self.notes.touched = True
        for change in found:
            before = None if change.before is None else self.notes.at.get(change.before)
            if change.before is not None and not before:
                continue
            if before and change.after is None:
                self._remove(before)
            elif before and change.after is not None:
                self._move(before, change)
            elif change.after is not None:
                self._add(change)

    def _neighbours(self, at: tuple[int, int]) -> tuple[int | None, int | None]:
        """The notes before and after one of the lane."""
        nth = bisect_left(self.order, at)
        after = nth + (nth < len(self.order) and self.order[nth] == at)
        before = self.order[nth - 1][1] if nth else None
        return before, self.order[after][1] if after < len(self.order) else None

    def _remove(self, which: list[int]) -> None:
        notes, first = self.notes, which[0]
        entry = (notes.start[first], first)
        before, _ = self._neighbours(entry)
        if self.line and before is not None and notes.stop[before] == notes.start[first]:
            notes.stop[before] = notes.stop[first]
        notes.gone.update(which)
        self.order.remove(entry)

    def _move(self, which: list[int], change: Change) -> None:
        assert change.before is not None and change.after is not None
        notes, first = self.notes, which[0]
        ticks = tick_of(self.grid, np.array([change.before[0], change.after[0]]))
        by, up = int(ticks[1] - ticks[0]), change.after[1] - change.before[1]
        entry = (notes.start[first], first)
        before, after = self._neighbours(entry)
        start = max(notes.start[first] + by, 0)
        if by and self.line:
            if before is not None:
                adjoined = notes.stop[before] == notes.start[first]
                start = max(start, notes.start[before] + 1)
                if adjoined or notes.stop[before] > start:
                    notes.stop[before] = start
            if after is None or notes.stop[first] != notes.start[after]:
                notes.stop[first] += by
            if after is not None:
                start = min(start, notes.start[after] - 1)
                notes.stop[first] = min(notes.stop[first], notes.start[after])
            notes.stop[first] = max(notes.stop[first], start + 1)
        elif by:
            notes.stop[first] += by
        for i in which:
            if i != first and by:
                notes.gone.add(i)
            notes.pitch[i] = change.after[1] if self.drums else notes.pitch[i] + up
        notes.start[first] = start
        self.order.remove(entry)
        self.order.append((start, first))
        self.order.sort()

    def _add(self, change: Change) -> None:
        assert change.after is not None
        notes, (cell, pitch) = self.notes, change.after
        start, stop = tick_of(self.grid, np.array([cell, cell + change.duration])).tolist()
        before, after = self._neighbours((start, -1))
        near = [notes.velocity[i] for i in (before, after) if i is not None]
        if self.line:
            if after is not None:
                stop = min(stop, notes.start[after])
            if before is not None and notes.stop[before] > start:
                notes.stop[before] = start
        i = len(notes.start)
        notes.start.append(start)
        notes.stop.append(max(stop, start + 1))
        notes.pitch.append(pitch)
        notes.velocity.append(round(sum(near) / len(near)) if near else notes.level)
        self.order.append((start, i))
        self.order.sort()


def cells_of(ticks: Ints, grid: Grid, song: Song) -> Ints:
    """The cell of the model's grid on which each onset falls, as `Bars` has it. `(M,)`"""
    stored = Bars.from_song(song.without_notes()).grid
    cell = rescale(stored, grid, cell_of(stored, ticks))
    assert stored.steps_per_quarter == STORED_STEPS_PER_QUARTER
    return np.minimum(cell, grid.base[-1] - 1) if len(grid) else cell
