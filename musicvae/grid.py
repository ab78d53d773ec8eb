"""Floor 2: bar lines and cells, and their place in time: ticks <-> cells.

A bar has `steps` cells, as many as its meter says. In a pickup the first `lead` cells are masked:
the bar is right-aligned in its full meter. Cells are counted over unmasked ones only.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
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


def grid_of(song: Song, steps_per_quarter: int) -> Grid:
    """Bars from the meter map: a change of meter begins a bar, wherever it falls.

    A single first bar shorter than the meter that follows is a pickup of that meter.
    """
    meter, end, tpq = song.meter, song.end_ticks, song.ticks_per_quarter
    begins, numerators, denominators = (c.tolist() for c in vars(meter).values())
    full = [
        max(round(4 * tpq * n / d), 1) for n, d in zip(numerators, denominators, strict=True)
    ]
    count = [
        max(-(-(min(until, end) - begin) // length), 0)
        for begin, until, length in zip(begins, [*begins[1:], end], full, strict=True)
    ]
    region = np.repeat(np.arange(len(full)), count)
    in_full = np.array(full, np.int64)[region]
    before = np.array([0, *accumulate(count[:-1])], np.int64)
    start = meter.ticks[region] + (np.arange(len(region)) - before[region]) * in_full
    # A bar is cut short where the next meter begins; the last bar of all keeps its full length.
    length = in_full.copy()
    length[:-1] = np.diff(start)
    meter_of = region
    if len(region) > 1 and count[0] == 1 and length[0] < in_full[1]:
        meter_of = region.copy()
        meter_of[0] = region[1]
    return with_cells(
        steps_per_quarter,
        numerator=meter.numerator[meter_of],
        denominator=meter.denominator[meter_of],
        start_ticks=start,
        length_ticks=length,
        ticks_per_quarter=tpq,
        is_pickup=meter_of != region,
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
    bar = np.maximum(grid.start_ticks.searchsorted(tick, side="right") - 1, 0)
    spq, tpq = grid.steps_per_quarter, grid.ticks_per_quarter
    inside = (2 * (tick - grid.start_ticks[bar]) * spq + tpq) // (2 * tpq)
    return grid.base[bar] + np.minimum(np.maximum(inside, 0), grid.open_steps[bar])


def tick_of(grid: Grid, cell: Ints) -> Ints:
    """The tick of each cell, the inverse of `cell_of`; a cell past the end is the end."""
    if not len(grid):
        return np.zeros_like(cell)
    bar = np.minimum(np.maximum(grid.base.searchsorted(cell, side="right") - 1, 0), len(grid) - 1)
    spq, tpq = grid.steps_per_quarter, grid.ticks_per_quarter
    inside = (2 * (cell - grid.base[bar]) * tpq + spq) // (2 * spq)
    return grid.start_ticks[bar] + np.minimum(inside, grid.length_ticks[bar])


def rescale(old: Grid, new: Grid, cell: Ints) -> Ints:
    """Cells of one grid as the nearest cells of another over the same bars."""
    if not len(old):
        return np.zeros_like(cell)
    bar = np.clip(np.searchsorted(old.base, cell, side="right") - 1, 0, len(old) - 1)
    p, q = new.steps_per_quarter, old.steps_per_quarter
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
