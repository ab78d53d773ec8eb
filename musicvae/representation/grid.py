"""Bar lines and cells, and their conversion from and to ticks.

A bar has as many steps as its meter says. A pickup bar is right-aligned in its full meter, and its
first `lead_steps` are masked. Cells are the unmasked steps of all bars, counted from the first.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, overload

import numpy as np

from musicvae.arrays import Bools, Floats, Ints
from musicvae.song import Song

STORED_STEPS_PER_QUARTER = 24
_MAX_NUMERATOR = 255  # of a time signature in a MIDI file


@dataclass(frozen=True, kw_only=True, eq=False)
class Grid:
    """Bars of a song and their subdivision; all arrays `(N,)` int64.

    `steps` counts the steps of the full bar, of which the first `lead_steps` are masked;
    `numerator` and `denominator` are its meter; `start_ticks` and `length_ticks` place it in time.
    """

    steps_per_quarter: int
    steps: Ints
    lead_steps: Ints
    numerator: Ints
    denominator: Ints
    start_ticks: Ints
    length_ticks: Ints
    ticks_per_quarter: int

    def __len__(self) -> int:
        return len(self.steps)

    @cached_property
    def unmasked_steps(self) -> Ints:
        """Number of unmasked steps of each bar. `(N,)`"""
        return self.steps - self.lead_steps

    @cached_property
    def cell_offsets(self) -> Ints:
        """First cell of each bar, and at the end the number of cells. `(N + 1,)`"""
        offsets = np.zeros(len(self) + 1, np.int64)
        np.cumsum(self.unmasked_steps, out=offsets[1:])
        return offsets

    @cached_property
    def ticks_per_cell(self) -> int:
        """Ticks of every cell if all are equal, whole and complete, else 0."""
        length, remainder = divmod(self.ticks_per_quarter, self.steps_per_quarter)
        if remainder or not len(self) or self.start_ticks[0] or (self.length_ticks % length).any():
            return 0
        return length


def grid_from_song(song: Song, steps_per_quarter: int) -> Grid:
    """Return the bars of a song's meter map: every meter change begins a bar.

    A single first bar that is shorter than the meter after it is a pickup of that meter. Played
    notes that ring on by less than a sixteenth note after the last bar line make no bar.
    """
    meter, end, tpq = song.meter, song.end_ticks, song.ticks_per_quarter
    starts, numerators, denominators = (
        column.tolist() for column in (meter.ticks, meter.numerator, meter.denominator)
    )
    full, count = [], []
    for start, stop, numerator, denominator in zip(
        starts, [*starts[1:], end], numerators, denominators, strict=True
    ):
        full.append(max(round(4 * tpq * numerator / denominator), 1))
        count.append(max(-(-(min(stop, end) - start) // full[-1]), 0))
    last = max((i for i, n in enumerate(count) if n), default=0)
    if count and count[last] > 1:
        count[last] -= _only_rings_on(song, starts[last] + (count[last] - 1) * full[last])
    start_ticks = np.concatenate(
        [np.arange(s, s + n * f, f) for s, n, f in zip(starts, count, full, strict=True)]
    )
    # A bar is cut short by the next meter change; the last bar of all keeps its full length.
    length_ticks = np.repeat(full, count)
    length_ticks[:-1] = start_ticks[1:] - start_ticks[:-1]
    meters = {name: getattr(meter, name).repeat(count) for name in ("numerator", "denominator")}
    is_pickup = np.zeros(len(start_ticks), bool)
    if len(start_ticks) > 1 and count[0] == 1:
        second = next(i for i in range(1, len(count)) if count[i])
        is_pickup[0] = length_ticks[0] < full[second]
        if is_pickup[0]:
            for column in meters.values():
                column[0] = column[1]
    return make_grid(
        steps_per_quarter,
        **meters,
        start_ticks=start_ticks,
        length_ticks=length_ticks,
        ticks_per_quarter=tpq,
        is_pickup=is_pickup,
    )


def header_of(song: Song) -> Song:
    """Return a song without its notes, with the end that gives it the bars it has with them."""
    grid = grid_from_song(song, 1)
    end = int(grid.start_ticks[-1] + grid.length_ticks[-1]) if len(grid) else 0
    return replace(song.without_notes(), end_ticks=min(song.end_ticks, end))


def _only_rings_on(song: Song, bar_line: int) -> bool:
    """Return whether all that comes after a bar line is the end of notes, soon and off the grid.

    A note on the stored grid, with onset and end, or one that begins later makes a bar.
    """
    tpq = song.ticks_per_quarter
    if not 0 < song.end_ticks - bar_line < tpq / 4:
        return False
    onset, stop = list[int](), list[int]()
    for part in song.parts:
        ends = part.onset_ticks + part.duration_ticks
        onset += part.onset_ticks[ends > bar_line].tolist()
        stop += ends[ends > bar_line].tolist()
    return bool(onset) and not any(
        a >= bar_line or (_is_on_step(a - bar_line, tpq) and _is_on_step(b - bar_line, tpq))
        for a, b in zip(onset, stop, strict=True)
    )


def _is_on_step(tick: int, ticks_per_quarter: int) -> bool:
    """Return whether a tick, counted from a bar line, is one of a step of the stored grid."""
    tpq, spq = ticks_per_quarter, STORED_STEPS_PER_QUARTER
    step = (2 * tick * spq + tpq) // (2 * tpq)
    return (2 * step * tpq + spq) // (2 * spq) == tick


def make_grid(steps_per_quarter: int, *, is_pickup: Bools, **bars: Any) -> Grid:
    """Return a grid from meters, start and length of its bars, the remaining fields of `Grid`.

    `is_pickup` `(N,)` marks bars that are right-aligned in their full meter.
    """
    spq, tpq = steps_per_quarter, bars["ticks_per_quarter"]
    sounding = np.maximum(-(-bars["length_ticks"] * spq // tpq), 1)
    steps, lead_steps = sounding, np.zeros_like(sounding)
    if is_pickup.any():
        full = np.ceil(4 * spq * bars["numerator"] / bars["denominator"]).astype(np.int64)
        steps = np.where(is_pickup, np.maximum(full, sounding), sounding)
        lead_steps = steps - sounding
    return Grid(steps_per_quarter=spq, steps=steps, lead_steps=lead_steps, **bars)


def change_resolution(grid: Grid, steps_per_quarter: int) -> Grid:
    """Return the same bars at another resolution."""
    names = ("numerator", "denominator", "start_ticks", "length_ticks", "ticks_per_quarter")
    bars = {name: getattr(grid, name) for name in names}
    return make_grid(steps_per_quarter, is_pickup=grid.lead_steps > 0, **bars)


def ticks_to_cells(grid: Grid, tick: Ints) -> Ints:
    """Return the nearest cell of each tick; half a step rounds up."""
    if not len(grid):
        return np.zeros_like(tick)
    if length := grid.ticks_per_cell:
        return np.minimum(np.maximum((tick + length // 2) // length, 0), grid.cell_offsets[-1])
    bar = np.maximum(grid.start_ticks.searchsorted(tick, side="right") - 1, 0)
    spq, tpq = grid.steps_per_quarter, grid.ticks_per_quarter
    inside = (2 * (tick - grid.start_ticks[bar]) * spq + tpq) // (2 * tpq)
    return grid.cell_offsets[bar] + np.minimum(np.maximum(inside, 0), grid.unmasked_steps[bar])


def cells_to_ticks(grid: Grid, cell: Ints) -> Ints:
    """Return the tick of each cell, the inverse of `ticks_to_cells`, at most the grid's end."""
    if not len(grid):
        return np.zeros_like(cell)
    offsets = grid.cell_offsets
    if length := grid.ticks_per_cell:
        return np.minimum(cell, offsets[-1]) * length
    bar = np.minimum(np.maximum(offsets.searchsorted(cell, side="right") - 1, 0), len(grid) - 1)
    spq, tpq = grid.steps_per_quarter, grid.ticks_per_quarter
    inside = (2 * (cell - offsets[bar]) * tpq + spq) // (2 * spq)
    return grid.start_ticks[bar] + np.minimum(inside, grid.length_ticks[bar])


def convert_cells(old: Grid, new: Grid, cell: Ints) -> Ints:
    """Return cells of one grid as the nearest cells of another over the same bars."""
    if not len(old):
        return np.zeros_like(cell)
    p, q = new.steps_per_quarter, old.steps_per_quarter
    if np.array_equal(old.cell_offsets * p, new.cell_offsets * q):  # all bar lines coincide
        return np.minimum((2 * cell * p + q) // (2 * q), new.cell_offsets[-1])
    bar = np.clip(np.searchsorted(old.cell_offsets, cell, side="right") - 1, 0, len(old) - 1)
    inside = (2 * (cell - old.cell_offsets[bar]) * p + q) // (2 * q)
    return new.cell_offsets[bar] + np.clip(inside, 0, new.unmasked_steps[bar])


def meter_of_length(length_ticks: int, ticks_per_quarter: int) -> tuple[int, int]:
    """Return the simplest meter of a bar's length, else the next longer one MIDI can express."""
    for denominator in (4, 8, 16, 32, 64):
        numerator, remainder = divmod(length_ticks * denominator, 4 * ticks_per_quarter)
        if not remainder and 0 < numerator <= _MAX_NUMERATOR:
            return numerator, denominator
    for denominator in (64, 32, 16, 8, 4, 2, 1):
        numerator = -(-length_ticks * denominator // (4 * ticks_per_quarter))
        if numerator <= _MAX_NUMERATOR:
            return max(numerator, 1), denominator
    return _MAX_NUMERATOR, 1


@overload
def is_compound(numerator: int, denominator: int) -> bool: ...
@overload
def is_compound(numerator: Ints, denominator: Ints) -> Bools: ...
def is_compound(numerator: Any, denominator: Any) -> Any:
    """Return whether beats are divided in three: 3/8, 6/8, 9/8, 12/8, 6/16 and the like."""
    return (denominator >= 8) & (numerator % 3 == 0)


@overload
def beat_length(numerator: int, denominator: int) -> float: ...
@overload
def beat_length(numerator: Ints, denominator: Ints) -> Floats: ...
def beat_length(numerator: Any, denominator: Any) -> Any:
    """Return the length of a meter's beat in quarters: 1.5 in 6/8, 1 in 4/4, 2 in 2/2.

    Compound meters have dotted beats (`is_compound`); in all others the denominator is the beat.
    """
    return (4 + 8 * is_compound(numerator, denominator)) / denominator
