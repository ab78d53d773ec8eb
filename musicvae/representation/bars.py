"""Floor 2: Song <-> bars. Bar lines, pickups, quantising.

`Bars` is a song on a grid: every note knows its bar, its step inside the bar and its duration in
steps. The stored grid is 24 steps a quarter, on which 32nds and triplets are exact; `Bars.at`
goes to a preset's own grid and back.

How a note is played against the grid is kept beside its cell: `timing`, in 960ths of a quarter.

Cells. A bar has `steps` cells, as many as its meter says. In a pickup the first `lead` cells are
masked: the bar is right-aligned in its full meter. Durations count unmasked cells only, across
bar lines, so a note tied over a bar line is simply longer than what is left of its bar.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from musicvae.representation.grid import (
    STORED_STEPS_PER_QUARTER,
    Grid,
    cell_of,
    grid_of,
    meter_lasting,
    rescale,
    rescaled,
    tick_of,
    with_cells,
)
from musicvae.song import Ints, Key, Meter, Part, Song, TempoMap, resolve_overlaps, with_tables

TIMING_PER_QUARTER = 960
"""The unit of `Notes.timing`: half a millisecond at 120 quarters a minute."""
_NO_INTS = np.zeros(0, np.int64)


class NoteColumns:
    """What tables of notes can do, whatever their columns; each kind names its own."""

    pitch: Ints
    ORDER: ClassVar[tuple[str, ...]] = ()
    """The columns that notes are sorted by, the first one first."""

    def __len__(self) -> int:
        return len(self.pitch)

    @classmethod
    def sorted(cls, **columns: Any) -> Self:
        """Notes in their order from columns in any order."""
        arrays = {name: np.asarray(column, dtype=np.int64) for name, column in columns.items()}
        order = np.lexsort([arrays[name] for name in reversed(cls.ORDER)])
        return cls(**{name: array[order] for name, array in arrays.items()})

    def take(self, which: Any) -> Self:
        """The notes at these indices, or under this mask, in the order given."""
        return type(self)(**{name: column[which] for name, column in vars(self).items()})


@dataclass(frozen=True, kw_only=True, eq=False)
class Notes(NoteColumns):
    """Notes on a grid, sorted by (bar, step, part, pitch); all arrays `(M,)` int64.

    `timing` is microtiming: how much later than its cell a note begins, in 960ths of a quarter.
    """

    bar: Ints
    step: Ints
    part: Ints
    pitch: Ints
    duration: Ints
    velocity: Ints
    timing: Ints

    ORDER: ClassVar[tuple[str, ...]] = ("bar", "step", "part", "pitch")

    @classmethod
    def concatenate(cls, many: list[Notes]) -> Notes:
        """All notes one after the other, not sorted anew."""
        names = [f.name for f in fields(cls)]
        empty = np.zeros(0, np.int64)
        return cls(**{n: np.concatenate([empty, *(getattr(m, n) for m in many)]) for n in names})


@dataclass(frozen=True, kw_only=True, eq=False)
class Bars:
    """A song on a grid. `frame` is the song without its notes: whatever is not bars or notes.

    `moved` counts notes that were not exactly on the grid, `merged` those that fell onto another
    one of their part and pitch.
    """

    frame: Song
    grid: Grid
    notes: Notes
    moved: int = 0
    merged: int = 0

    def __len__(self) -> int:
        return len(self.grid)

    @classmethod
    def from_song(cls, song: Song, steps_per_quarter: int = STORED_STEPS_PER_QUARTER) -> Bars:
        """Quantise `song`; the inverse is `to_song`, exact for notes that lie on the grid."""
        grid, parts = grid_of(song, steps_per_quarter), song.parts
        onset, duration, pitch, velocity = (
            np.concatenate([_NO_INTS, *(vars(part)[name] for part in parts)])
            for name in ("onset_ticks", "duration_ticks", "pitch", "velocity")
        )
        part = np.repeat(np.arange(len(parts)), [len(p) for p in parts])
        ticks = np.concatenate([onset, onset + duration])
        cell = cell_of(grid, ticks)
        start, stop = cell[: len(onset)], cell[len(onset) :]
        odd = tick_of(grid, cell) != ticks
        timing = _timing(onset - tick_of(grid, start), song.ticks_per_quarter)
        notes, merged = _settle(grid, start, stop, part, pitch, velocity, timing)
        moved = int(np.count_nonzero(odd[: len(onset)] | odd[len(onset) :]))
        return cls(frame=song.without_notes(), grid=grid, notes=notes, moved=moved, merged=merged)

    @classmethod
    def blank(
        cls,
        parts: tuple[Part, ...],
        *,
        numerator: Ints,
        denominator: Ints,
        length_ticks: Ints,
        qpm: NDArray[np.float64],
        ticks_per_quarter: int,
        steps_per_quarter: int,
        key: Key | None = None,
    ) -> Bars:
        """Bars without notes, one after the other; arrays `(N,)`, `qpm` the tempo of each bar.

        A bar shorter than its meter is written as a meter of its own; the first one so is a
        pickup.
        """
        tpq, start = ticks_per_quarter, np.cumsum(length_ticks) - length_ticks
        regular = 4 * tpq * numerator == length_ticks * denominator
        is_pickup = ~regular & (4 * tpq * numerator > length_ticks * denominator)
        is_pickup[1:] = False
        written = [
            (int(n), int(d)) if right else meter_lasting(int(length), tpq)
            for n, d, length, right in zip(
                numerator, denominator, length_ticks, regular, strict=True
            )
        ]
        # A bar of odd length is told anew each time, so that the next entry may cut it short.
        change = [
            i for i in range(len(start)) if not i or not regular[i] or written[i] != written[i - 1]
        ]
        paced = [i for i in range(len(start)) if i == 0 or qpm[i] != qpm[i - 1]]
        frame = Song(
            ticks_per_quarter=tpq,
            parts=tuple(part.without_notes() for part in parts),
            tempo=TempoMap(ticks=start[paced], us_per_quarter=np.round(60e6 / qpm[paced])),
            meter=Meter(
                ticks=start[change],
                numerator=np.array([written[i][0] for i in change], np.int64),
                denominator=np.array([written[i][1] for i in change], np.int64),
            ),
            key=Key.none() if key is None else key,
            end_ticks=int(np.sum(length_ticks)),
        )
        of_bar = np.array(written, np.int64).reshape(-1, 2).T
        grid = with_cells(
            steps_per_quarter,
            numerator=np.where(is_pickup, numerator, of_bar[0]),
            denominator=np.where(is_pickup, denominator, of_bar[1]),
            start_ticks=start,
            length_ticks=np.asarray(length_ticks, np.int64),
            ticks_per_quarter=tpq,
            is_pickup=is_pickup,
        )
        return cls(frame=frame, grid=grid, notes=Notes.concatenate([]))

    def to_song(self) -> Song:
        """The song again: every note at its cell's tick and `timing`, everything else as it was.

        The song keeps its length: notes are cut at its end, and those after it left out.
        """
        grid, end = self.grid, self.frame.end_ticks
        half_cell = grid.ticks_per_quarter // (2 * grid.steps_per_quarter)
        notes = self.notes
        notes = notes.take(tick_of(grid, cells(grid, notes)) <= end + half_cell)
        start = cells(grid, notes)
        late = np.round(notes.timing * (grid.ticks_per_quarter / TIMING_PER_QUARTER))
        onset = tick_of(grid, start) + late.astype(np.int64)
        onset = np.clip(onset, 0, max(end - 1, 0))
        stop = np.minimum(tick_of(grid, start + notes.duration), end)
        length = np.maximum(stop - onset, 1)
        part, pitch, velocity = notes.part, notes.pitch, notes.velocity
        if late.any():  # a note may begin before the one ahead of it ends
            keep, length, _ = resolve_overlaps(onset, length, part * 128 + pitch)
            columns = (part, onset, length, pitch, velocity)
            part, onset, length, pitch, velocity = (column[keep] for column in columns)
        parts = with_tables(self.frame.parts, part, onset, length, pitch, velocity)
        return replace(self.frame, parts=parts)

    def at(self, steps_per_quarter: int) -> Bars:
        """The same bars on another grid. To a multiple of this grid and back loses nothing."""
        if steps_per_quarter == self.grid.steps_per_quarter:
            return self
        old, notes = self.grid, self.notes
        grid = rescaled(old, steps_per_quarter)
        start = cells(old, notes)
        cell = np.concatenate([start, start + notes.duration])
        new = rescale(old, grid, cell)
        odd = rescale(grid, old, new) != cell
        moved = np.count_nonzero(odd[: len(start)] | odd[len(start) :])
        timing = notes.timing + _place(old, start) - _place(grid, new[: len(start)])
        columns = (notes.part, notes.pitch, notes.velocity, timing)
        settled, merged = _settle(grid, new[: len(start)], new[len(start) :], *columns)
        return replace(
            self,
            grid=grid,
            notes=settled,
            moved=self.moved + int(moved),
            merged=self.merged + merged,
        )


def cells(grid: Grid, notes: Notes) -> Ints:
    """The unmasked cell, counted from the first bar, where each note begins. `(M,)`"""
    return grid.base[notes.bar] + notes.step - grid.lead[notes.bar]


def places(grid: Grid, cell: Ints) -> tuple[Ints, Ints]:
    """Bar and step of each cell, the inverse of `cells`. Two arrays of the shape given."""
    bar = grid.base[:-1].searchsorted(cell, side="right") - 1
    return bar, cell - grid.base[bar] + grid.lead[bar]


def settled(grid: Grid, notes: Notes) -> Notes:
    """Notes of which none of a part overlap on one pitch; see `song.resolve_overlaps`."""
    start = cells(grid, notes)
    columns = (notes.part, notes.pitch, notes.velocity, notes.timing)
    return _settle(grid, start, start + notes.duration, *columns)[0]


def _timing(ticks: Ints, ticks_per_quarter: int) -> Ints:
    """Ticks as 960ths of a quarter, the nearest. `(M,)`"""
    tpq = ticks_per_quarter
    return (2 * ticks * TIMING_PER_QUARTER + tpq) // (2 * tpq)


def _place(grid: Grid, cell: Ints) -> Ints:
    """Where each cell is in its song, in 960ths of a quarter. `(M,)`"""
    if not len(grid):
        return np.zeros_like(cell)
    bar = np.minimum(grid.base.searchsorted(cell, side="right") - 1, len(grid) - 1)
    inside = (cell - grid.base[bar]) * (TIMING_PER_QUARTER // grid.steps_per_quarter)
    return grid.start_ticks[bar] * TIMING_PER_QUARTER // grid.ticks_per_quarter + inside


def _settle(
    grid: Grid,
    start: Ints,
    stop: Ints,
    part: Ints,
    pitch: Ints,
    velocity: Ints,
    timing: Ints,
) -> tuple[Notes, int]:
    """Notes from cells: at least one cell long, none beginning past the end, none overlapping."""
    if not len(grid) or not len(start):
        return Notes.concatenate([]), 0
    start = np.minimum(start, grid.base[-1] - 1)
    duration = np.maximum(stop - start, 1)
    line = part * 128 + pitch
    keep, duration, merged = resolve_overlaps(start, duration, line)
    # Cells come in the order of bar and step, so this is the order of notes.
    order = np.argsort(start * (int(line.max()) + 1) + line, kind="stable")
    order = order[keep[order]] if merged else order
    bar, step = places(grid, start[order])
    notes = Notes(
        bar=bar,
        step=step,
        part=part[order],
        pitch=pitch[order],
        duration=duration[order],
        velocity=velocity[order],
        timing=timing[order],
    )
    return notes, merged
