"""Floor 8: changes carried out on a song. Notes that are not changed stay as they are, to the tick.

In a single line notes follow one another, so a change may lengthen or shorten its neighbours: the
note before goes on until where the changed one now begins if it ended where that was heard, and
over the place of one that is taken out.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from musicvae.arrays import Ints
from musicvae.latent.note_posterior import NotePosterior
from musicvae.representation.bars import Bars, cell_index
from musicvae.representation.drums import canonical_pitch
from musicvae.representation.grid import STORED_STEPS_PER_QUARTER, Grid, ticks_to_cells, convert_cells, cells_to_ticks
from musicvae.song import Part, Song, resolve_overlaps

_LEVEL = 76


def apply_edits(
    song: Song, bars: Bars, beliefs: list[NotePosterior], found: list[list[NoteEdit]]
) -> Song:
    """A song with the changes of each group carried out; `bars` is the song on the model's grid."""
    notes = [_Notes(part, bars.grid, song) for part in song.parts]
    for belief, mine in zip(beliefs, found, strict=True):
        by_slot: dict[int, list[NoteEdit]] = defaultdict(list)
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
        told = canonical_pitch(part.pitch) if part.is_drum else part.pitch
        at: dict[tuple[int, int], list[int]] = defaultdict(list)
        for i, key in enumerate(
            zip(onset_cells(part.onset_ticks, grid, song).tolist(), told.tolist(), strict=True)
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

    def __init__(self, notes: _Notes, belief: NotePosterior, slot: int, grid: Grid) -> None:
        self.notes, self.grid = notes, grid
        self.line = not belief.chordal[slot]
        self.drums = bool(belief.drums[slot])
        mine = belief.source.group.notes
        mine = mine.select(mine.part == slot)
        where = zip(
            cell_index(belief.source.bars.grid, mine).tolist(), mine.pitch.tolist(), strict=True
        )
        self.order = sorted((notes.start[i], i) for key in where for i in notes.at.get(key, ())[:1])

    def carry_out(self, found: Iterable[NoteEdit]) -> None:
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

    def _move(self, which: list[int], change: NoteEdit) -> None:
        assert change.before is not None and change.after is not None
        notes, first = self.notes, which[0]
        ticks = cells_to_ticks(self.grid, np.array([change.before[0], change.after[0]]))
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

    def _add(self, change: NoteEdit) -> None:
        assert change.after is not None
        notes, (cell, pitch) = self.notes, change.after
        start, stop = cells_to_ticks(self.grid, np.array([cell, cell + change.duration])).tolist()
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


def onset_cells(ticks: Ints, grid: Grid, song: Song) -> Ints:
    """The cell of the model's grid on which each onset falls, as `Bars` has it. `(M,)`"""
    stored = Bars.from_song(song.without_notes()).grid
    cell = convert_cells(stored, grid, ticks_to_cells(stored, ticks))
    assert stored.steps_per_quarter == STORED_STEPS_PER_QUARTER
    return np.minimum(cell, grid.cell_offsets[-1] - 1) if len(grid) else cell


_NEAR = 2  # cells by which an onset may have been missed


@dataclass(frozen=True, kw_only=True)
class NoteEdit:
    """One note that is improbable where it is, or that is missing. Cells are open cells.

    `before` is where it is heard, `after` where it should be, each (cell, pitch) or none.
    """

    part: int
    slot: int
    before: tuple[int, int] | None
    after: tuple[int, int] | None
    heard: float
    """How probable it is that the note heard is right; nan where none is."""
    believed: float
    """How probable the note is that is put there; nan where none is."""
    duration: int
    """The likeliest length in cells of a note that is put there."""

    @property
    def kind(self) -> str:
        """`removed`, `added`, `moved` in time, or `pitch`: another one at the same place."""
        if self.before is None or self.after is None:
            return "added" if self.before is None else "removed"
        return "moved" if self.before[1] == self.after[1] else "pitch"

    @property
    def cell(self) -> int:
        """Where it happens."""
        where = self.before or self.after
        assert where is not None
        return where[0]


@dataclass(frozen=True)
class Thresholds:
    """Below which probability a note is wrong, and above which one that is not there is missing."""

    wrong: float
    missing: float

    @classmethod
    def of(cls, strength: float) -> Thresholds:
        """At strength 0 nothing is changed. The usual one, 0.5, was chosen on validation songs."""
        return cls(0.4 * strength, 1 - 0.5 * min(1.0, 2 * strength))


def changes(belief: NotePosterior, doubt: Thresholds) -> list[NoteEdit]:
    """What to change in one group of a song's parts, in the order of time."""
    cell, slot, column = belief.heard
    owner, p = belief.source.group.owner, belief.probability
    heard = p[cell, slot, column]
    wrong = (heard < doubt.wrong) & belief.known[cell]
    rest = p.copy()
    rest[cell, slot, column] = 0
    rest[:, owner < 0] = 0
    voices = ~belief.chordal
    kept = ~wrong & voices[slot]
    rest[cell[kept], slot[kept]] = 0  # one note at a time: what is believed stays alone
    to = np.argwhere(rest > doubt.missing)  # (cell, slot, column)
    partner = _paired(np.stack([cell, slot, column], 1), np.flatnonzero(wrong), to)
    found = []
    for i in np.flatnonzero(wrong).tolist():
        j = partner.get(i)
        found.append(_change(belief, (int(cell[i]), int(slot[i]), int(column[i])), to, j))
    taken = set(partner.values())
    found += [_change(belief, None, to, j) for j in range(len(to)) if j not in taken]
    return sorted(found, key=lambda change: (change.cell, change.slot))


def _paired(heard: Ints, wrong: Ints, to: Ints) -> dict[int, int]:
    """For wrong notes what is put in their place: the same pitch nearby, or another one there."""
    partner: dict[int, int] = {}
    free = np.ones(len(to), bool)
    for same_pitch in (True, False):
        for i in wrong.tolist():
            if i in partner or not len(to):
                continue
            away = np.abs(to - heard[i])
            fits = free & (away[:, 1] == 0)
            fits &= (away[:, 2] == 0) & (away[:, 0] <= _NEAR) if same_pitch else away[:, 0] == 0
            if fits.any():
                far = np.where(fits, away[:, 0] * 128 + away[:, 2], 1 << 30)
                partner[i] = int(far.argmin())
                free[partner[i]] = False
    return partner


def _change(
    belief: NotePosterior, heard: tuple[int, int, int] | None, to: NDArray[np.int64], j: int | None
) -> NoteEdit:
    def told(at: tuple[int, int, int] | None) -> tuple[tuple[int, int] | None, float]:
        if at is None:
            return None, float("nan")
        pitch = belief.pitches(np.array([at[2]]), np.array([at[1]]))
        return (at[0], int(pitch[0])), float(belief.probability[at])

    there = None if j is None else (int(to[j, 0]), int(to[j, 1]), int(to[j, 2]))
    before, p_before = told(heard)
    after, p_after = told(there)
    place = heard or there
    assert place is not None
    return NoteEdit(
        part=int(belief.source.group.owner[place[1]]),
        slot=place[1],
        before=before,
        after=after,
        heard=p_before,
        believed=p_after,
        duration=int(belief.duration[(there or place)[:2]]),
    )
