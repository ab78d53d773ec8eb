"""Songs on a grid: quantization to bars, and back.

Every note of `Bars` has a bar, a step within the bar and a duration in steps. The stored grid has
24 steps per quarter, on which 32nd notes and triplets are exact; `Bars.at` converts to a preset's
own grid and back. The deviation of an onset from its cell is kept as `timing`, in 960ths of a
quarter.

Cells are the unmasked steps of all bars (see `grid`). Durations count cells, across bar lines: a
note tied over a bar line is longer than the rest of its bar.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar, Self

import numpy as np

from musicvae.arrays import Floats, Ints
from musicvae.representation.grid import (
    STORED_STEPS_PER_QUARTER,
    Grid,
    cells_to_ticks,
    change_resolution,
    convert_cells,
    grid_from_song,
    header_of,
    make_grid,
    meter_of_length,
    ticks_to_cells,
)
from musicvae.song import (
    NOTE_COLUMNS,
    KeyMap,
    MeterMap,
    Part,
    Song,
    TempoMap,
    parts_from_table,
    resolve_overlaps,
)

TIMING_PER_QUARTER = 960
"""Units of `Notes.timing` per quarter: half a millisecond at 120 quarters per minute."""
_EMPTY = np.zeros(0, np.int64)


class NoteColumns:
    """Base class of note tables, dataclasses of int64 columns `(M,)`."""

    pitch: Ints
    ORDER: ClassVar[tuple[str, ...]] = ()
    """Columns that notes are sorted by, the primary key first."""

    def __len__(self) -> int:
        return len(self.pitch)

    @classmethod
    def sorted(cls, **columns: Any) -> Self:
        """Return a sorted table from columns in any order of notes."""
        arrays = {name: np.asarray(column, dtype=np.int64) for name, column in columns.items()}
        order = np.lexsort([arrays[name] for name in reversed(cls.ORDER)])
        return cls(**{name: array[order] for name, array in arrays.items()})

    def select(self, index: Any) -> Self:
        """Return the notes at these indices or under this mask, in the order given."""
        return type(self)(**{name: column[index] for name, column in vars(self).items()})


@dataclass(frozen=True, kw_only=True, eq=False)
class Notes(NoteColumns):
    """Notes on a grid, sorted by (bar, step, part, pitch); all arrays `(M,)` int64.

    `duration` is in cells; `timing` (microtiming) is the delay of the onset after its cell, in
    960ths of a quarter.
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
    def concatenate(cls, tables: list[Notes]) -> Notes:
        """Return the notes of several tables one after the other, without sorting them."""
        names = [f.name for f in fields(cls)]
        return cls(**{n: np.concatenate([_EMPTY, *(getattr(t, n) for t in tables)]) for n in names})


@dataclass(frozen=True, kw_only=True, eq=False)
class Bars:
    """A song on a grid.

    `header` is the song without its notes: parts, maps and length. `n_moved` counts notes that
    were not exactly on the grid, `n_merged` those that fell onto another note of their part and
    pitch.
    """

    header: Song
    grid: Grid
    notes: Notes
    n_moved: int = 0
    n_merged: int = 0

    def __len__(self) -> int:
        return len(self.grid)

    @classmethod
    def from_song(cls, song: Song, steps_per_quarter: int = STORED_STEPS_PER_QUARTER) -> Bars:
        """Quantize `song`; the inverse is `to_song`, exact for notes that lie on the grid."""
        grid, parts = grid_from_song(song, steps_per_quarter), song.parts
        onset, duration, pitch, velocity = (
            np.concatenate([_EMPTY, *(getattr(part, name) for part in parts)])
            for name in NOTE_COLUMNS
        )
        part = np.repeat(np.arange(len(parts)), [len(p) for p in parts])
        ticks = np.concatenate([onset, onset + duration])
        cell = ticks_to_cells(grid, ticks)
        start, stop = cell[: len(onset)], cell[len(onset) :]
        is_off = cells_to_ticks(grid, cell) != ticks
        start = np.minimum(start, max(int(grid.cell_offsets[-1]) - 1, 0))
        timing = _ticks_to_timing(onset - cells_to_ticks(grid, start), song.ticks_per_quarter)
        notes, n_merged = _notes_from_cells(grid, start, stop, part, pitch, velocity, timing)
        n_moved = int(np.count_nonzero(is_off[: len(onset)] | is_off[len(onset) :]))
        return cls(
            header=header_of(song),
            grid=grid,
            notes=notes,
            n_moved=n_moved,
            n_merged=n_merged,
        )

    @classmethod
    def empty(
        cls,
        parts: tuple[Part, ...],
        *,
        numerator: Ints,
        denominator: Ints,
        length_ticks: Ints,
        qpm: Floats,
        ticks_per_quarter: int,
        steps_per_quarter: int,
        key: KeyMap | None = None,
    ) -> Bars:
        """Return consecutive bars without notes; arrays `(N,)`, `qpm` is the tempo of each bar.

        A bar shorter than its meter gets a meter of its own, but a shorter first bar is a pickup.
        """
        tpq, start = ticks_per_quarter, np.cumsum(length_ticks) - length_ticks
        is_regular = 4 * tpq * numerator == length_ticks * denominator
        is_pickup = ~is_regular & (4 * tpq * numerator > length_ticks * denominator)
        is_pickup[1:] = False
        meters = [
            (int(n), int(d)) if regular else meter_of_length(int(length), tpq)
            for n, d, length, regular in zip(
                numerator, denominator, length_ticks, is_regular, strict=True
            )
        ]
        # An irregular bar always gets an entry, so that the next one may cut it short.
        meter_changes = [
            i for i in range(len(start)) if not i or not is_regular[i] or meters[i] != meters[i - 1]
        ]
        tempo_changes = [i for i in range(len(start)) if i == 0 or qpm[i] != qpm[i - 1]]
        header = Song(
            ticks_per_quarter=tpq,
            parts=tuple(part.without_notes() for part in parts),
            tempo=TempoMap(
                ticks=start[tempo_changes], us_per_quarter=np.round(60e6 / qpm[tempo_changes])
            ),
            meter=MeterMap(
                ticks=start[meter_changes],
                numerator=np.array([meters[i][0] for i in meter_changes], np.int64),
                denominator=np.array([meters[i][1] for i in meter_changes], np.int64),
            ),
            key=KeyMap.none() if key is None else key,
            end_ticks=int(np.sum(length_ticks)),
        )
        notated = np.array(meters, np.int64).reshape(-1, 2).T
        grid = make_grid(
            steps_per_quarter,
            numerator=np.where(is_pickup, numerator, notated[0]),
            denominator=np.where(is_pickup, denominator, notated[1]),
            start_ticks=start,
            length_ticks=np.asarray(length_ticks, np.int64),
            ticks_per_quarter=tpq,
            is_pickup=is_pickup,
        )
        return cls(header=header, grid=grid, notes=Notes.concatenate([]))

    def to_song(self) -> Song:
        """Return the song, with every note at its cell's tick plus its `timing`.

        The song keeps its length: notes are cut at its end, later ones are dropped.
        """
        grid, end = self.grid, self.header.end_ticks
        half_cell = grid.ticks_per_quarter // (2 * grid.steps_per_quarter)
        notes = self.notes
        within = cells_to_ticks(grid, cell_index(grid, notes)) <= end + half_cell
        notes = notes.select(within)
        start = cell_index(grid, notes)
        delay = np.round(notes.timing * (grid.ticks_per_quarter / TIMING_PER_QUARTER))
        onset = cells_to_ticks(grid, start) + delay.astype(np.int64)
        onset = np.clip(onset, 0, max(end - 1, 0))
        stop = np.minimum(cells_to_ticks(grid, start + notes.duration), end)
        length = np.maximum(stop - onset, 1)
        part, pitch, velocity = notes.part, notes.pitch, notes.velocity
        if delay.any():  # a note may begin before the end of the one ahead of it
            keep, length, _ = resolve_overlaps(onset, length, part * 128 + pitch)
            columns = (part, onset, length, pitch, velocity)
            part, onset, length, pitch, velocity = (column[keep] for column in columns)
        parts = parts_from_table(self.header.parts, part, onset, length, pitch, velocity)
        return replace(self.header, parts=parts)

    def at(self, steps_per_quarter: int) -> Bars:
        """Return the same bars on another grid; a multiple of this one and back is lossless."""
        if steps_per_quarter == self.grid.steps_per_quarter:
            return self
        old, notes = self.grid, self.notes
        grid = change_resolution(old, steps_per_quarter)
        start = cell_index(old, notes)
        cell = np.concatenate([start, start + notes.duration])
        new = convert_cells(old, grid, cell)
        is_off = convert_cells(grid, old, new) != cell
        n_moved = np.count_nonzero(is_off[: len(start)] | is_off[len(start) :])
        new_start = np.minimum(new[: len(start)], max(int(grid.cell_offsets[-1]) - 1, 0))
        new_stop = new[len(start) :]
        timing = notes.timing + _cells_to_timing(old, start) - _cells_to_timing(grid, new_start)
        early = new[: len(start)] > new_start  # for a downbeat after the last bar
        timing[early] = np.minimum(timing[early], TIMING_PER_QUARTER // (2 * steps_per_quarter))
        columns = (notes.part, notes.pitch, notes.velocity, timing)
        converted, n_merged = _notes_from_cells(grid, new_start, new_stop, *columns)
        return replace(
            self,
            grid=grid,
            notes=converted,
            n_moved=self.n_moved + int(n_moved),
            n_merged=self.n_merged + n_merged,
        )


def cell_index(grid: Grid, notes: Notes) -> Ints:
    """Return the cell, counted from the first bar, in which each note begins. `(M,)`"""
    return grid.cell_offsets[notes.bar] + notes.step - grid.lead_steps[notes.bar]


def bar_and_step(grid: Grid, cell: Ints) -> tuple[Ints, Ints]:
    """Return bar and step of each cell, the inverse of `cell_index`, in the shape of `cell`."""
    bar = grid.cell_offsets[:-1].searchsorted(cell, side="right") - 1
    return bar, cell - grid.cell_offsets[bar] + grid.lead_steps[bar]


def resolve_note_overlaps(grid: Grid, notes: Notes) -> Notes:
    """Return notes without overlaps within a part and pitch; see `song.resolve_overlaps`."""
    start = cell_index(grid, notes)
    columns = (notes.part, notes.pitch, notes.velocity, notes.timing)
    return _notes_from_cells(grid, start, start + notes.duration, *columns)[0]


def _ticks_to_timing(ticks: Ints, ticks_per_quarter: int) -> Ints:
    """Return ticks as the nearest 960ths of a quarter. `(M,)`"""
    tpq = ticks_per_quarter
    return (2 * ticks * TIMING_PER_QUARTER + tpq) // (2 * tpq)


def _cells_to_timing(grid: Grid, cell: Ints) -> Ints:
    """Return the position of each cell in its song, in 960ths of a quarter. `(M,)`"""
    if not len(grid):
        return np.zeros_like(cell)
    bar = np.minimum(grid.cell_offsets.searchsorted(cell, side="right") - 1, len(grid) - 1)
    inside = (cell - grid.cell_offsets[bar]) * (TIMING_PER_QUARTER // grid.steps_per_quarter)
    return grid.start_ticks[bar] * TIMING_PER_QUARTER // grid.ticks_per_quarter + inside


def _notes_from_cells(
    grid: Grid,
    start: Ints,
    stop: Ints,
    part: Ints,
    pitch: Ints,
    velocity: Ints,
    timing: Ints,
) -> tuple[Notes, int]:
    """Return valid notes from cells, and the number of those merged or shortened.

    Notes are at least a cell long, begin before the end of the grid and do not overlap.
    """
    if not len(grid) or not len(start):
        return Notes.concatenate([]), 0
    start = np.minimum(start, grid.cell_offsets[-1] - 1)
    duration = np.maximum(stop - start, 1)
    line = part * 128 + pitch
    keep, duration, n_merged = resolve_overlaps(start, duration, line)
    # Cells are ordered by bar and step, so this is the order of `Notes`.
    order = np.argsort(start * (int(line.max()) + 1) + line, kind="stable")
    order = order[keep[order]] if n_merged else order
    bar, step = bar_and_step(grid, start[order])
    notes = Notes(
        bar=bar,
        step=step,
        part=part[order],
        pitch=pitch[order],
        duration=duration[order],
        velocity=velocity[order],
        timing=timing[order],
    )
    return notes, n_merged
