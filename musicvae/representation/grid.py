"""Floor 2: bar lines and cells, and their place in time: ticks <-> cells.

A bar has `steps` cells, as many as its meter says. In a pickup the first `lead` cells are masked:
the bar is right-aligned in its full meter. Cells are counted over unmasked ones only.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musicvae.song import Ints, Song

STORED_STEPS_PER_QUARTER = 24
_MAX_NUMERATOR = 255  # of a time signature in a MIDI file


@dataclass(frozen=True, kw_only=True, eq=False)
class Grid:
    """Bar lines and cells, one row a bar; all arrays `(N,)` int64.

    `steps` cells of the bar in full, of which the first `lead` are masked; `numerator` and
    `denominator` of its meter; `start_ticks` and `length_ticks` place the bar in its song.
    """

    steps_per_quarter: int
    steps: Ints
    lead: Ints
    numerator: Ints
    denominator: Ints
    start_ticks: Ints
    length_ticks: Ints
    ticks_per_quarter: int

    def __len__(self) -> int:
        return len(self.steps)

    @cached_property
    def open_steps(self) -> Ints:
        """Unmasked cells of each bar `(N,)`."""
        return self.steps - self.lead

    @cached_property
    def base(self) -> Ints:
        """Unmasked cells before each bar, and at the end their total `(N + 1,)`."""
        base = np.zeros(len(self) + 1, np.int64)
        np.cumsum(self.open_steps, out=base[1:])
        return base

    @cached_property
    def ticks_per_cell(self) -> int:
        """How long every cell is where all are whole ticks and none is cut short, else 0."""
        length, odd = divmod(self.ticks_per_quarter, self.steps_per_quarter)
        if odd or not len(self) or self.start_ticks[0] or (self.length_ticks % length).any():
            return 0
        return length


def grid_of(song: Song, steps_per_quarter: int) -> Grid:
    """Bars from the meter map: a change of meter begins a bar, wherever it falls.

    A single first bar shorter than the meter that follows is a pickup of that meter.
    """
    meter, end, tpq = song.meter, song.end_ticks, song.ticks_per_quarter
    begins, numerators, denominators = (c.tolist() for c in vars(meter).values())
    full, count = [], []
    for begin, until, n, d in zip(
        begins, [*begins[1:], end], numerators, denominators, strict=True
    ):
        full.append(max(round(4 * tpq * n / d), 1))
        count.append(max(-(-(min(until, end) - begin) // full[-1]), 0))
    start = np.concatenate(
        [np.arange(b, b + n * f, f) for b, n, f in zip(begins, count, full, strict=True)]
    )
    # A bar is cut short where the next meter begins; the last bar of all keeps its full length.
    length = np.repeat(full, count)
    length[:-1] = start[1:] - start[:-1]
    of_bar = {name: getattr(meter, name).repeat(count) for name in ("numerator", "denominator")}
    is_pickup = np.zeros(len(start), bool)
    if len(start) > 1 and count[0] == 1:
        second = next(i for i in range(1, len(count)) if count[i])
        is_pickup[0] = length[0] < full[second]
        if is_pickup[0]:
            for column in of_bar.values():
                column[0] = column[1]
    return with_cells(
        steps_per_quarter,
        **of_bar,
        start_ticks=start,
        length_ticks=length,
        ticks_per_quarter=tpq,
        is_pickup=is_pickup,
    )


def with_cells(steps_per_quarter: int, *, is_pickup: NDArray[np.bool_], **known: Any) -> Grid:
    """A grid from its bars' meters, lengths and places: how many cells, how many of them masked."""
    spq, tpq = steps_per_quarter, known["ticks_per_quarter"]
    sounding = np.maximum(-(-known["length_ticks"] * spq // tpq), 1)
    steps, lead = sounding, np.zeros_like(sounding)
    if is_pickup.any():
        full = np.ceil(4 * spq * known["numerator"] / known["denominator"]).astype(np.int64)
        steps = np.where(is_pickup, np.maximum(full, sounding), sounding)
        lead = steps - sounding
    return Grid(steps_per_quarter=spq, steps=steps, lead=lead, **known)


def rescaled(grid: Grid, steps_per_quarter: int) -> Grid:
    """The same bars in cells of another size."""
    names = ("numerator", "denominator", "start_ticks", "length_ticks")
    known = {name: getattr(grid, name) for name in (*names, "ticks_per_quarter")}
    return with_cells(steps_per_quarter, is_pickup=grid.lead > 0, **known)


def cell_of(grid: Grid, tick: Ints) -> Ints:
    """The nearest cell of each tick (half a step rounds up), counted from the first bar."""
    if not len(grid):
        return np.zeros_like(tick)
    if length := grid.ticks_per_cell:
        return np.minimum(np.maximum((tick + length // 2) // length, 0), grid.base[-1])
    bar = np.maximum(grid.start_ticks.searchsorted(tick, side="right") - 1, 0)
    spq, tpq = grid.steps_per_quarter, grid.ticks_per_quarter
    inside = (2 * (tick - grid.start_ticks[bar]) * spq + tpq) // (2 * tpq)
    return grid.base[bar] + np.minimum(np.maximum(inside, 0), grid.open_steps[bar])


def tick_of(grid: Grid, cell: Ints) -> Ints:
    """The tick of each cell, the inverse of `cell_of`; a cell past the end is the end."""
    if not len(grid):
        return np.zeros_like(cell)
    if length := grid.ticks_per_cell:
        return np.minimum(cell, grid.base[-1]) * length
    bar = np.minimum(np.maximum(grid.base.searchsorted(cell, side="right") - 1, 0), len(grid) - 1)
    spq, tpq = grid.steps_per_quarter, grid.ticks_per_quarter
    inside = (2 * (cell - grid.base[bar]) * tpq + spq) // (2 * spq)
    return grid.start_ticks[bar] + np.minimum(inside, grid.length_ticks[bar])


def rescale(old: Grid, new: Grid, cell: Ints) -> Ints:
    """Cells of one grid as the nearest cells of another over the same bars."""
    if not len(old):
        return np.zeros_like(cell)
    p, q = new.steps_per_quarter, old.steps_per_quarter
    if np.array_equal(old.base * p, new.base * q):  # every bar line falls on cells of both
        return np.minimum((2 * cell * p + q) // (2 * q), new.base[-1])
    bar = np.clip(np.searchsorted(old.base, cell, side="right") - 1, 0, len(old) - 1)
    inside = (2 * (cell - old.base[bar]) * p + q) // (2 * q)
    return new.base[bar] + np.clip(inside, 0, new.open_steps[bar])


def meter_lasting(ticks: int, tpq: int) -> tuple[int, int]:
    """The plainest meter that lasts so long, else the next longer one that MIDI can write."""
    for denominator in (4, 8, 16, 32, 64):
        numerator, rest = divmod(ticks * denominator, 4 * tpq)
        if not rest and 0 < numerator <= _MAX_NUMERATOR:
            return numerator, denominator
    for denominator in (64, 32, 16, 8, 4, 2, 1):
        numerator = -(-ticks * denominator // (4 * tpq))
        if numerator <= _MAX_NUMERATOR:
            return max(numerator, 1), denominator
    return _MAX_NUMERATOR, 1
