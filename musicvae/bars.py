"""Floor 2: Song <-> bars. Bar lines, pickups, quantising.

`Bars` is a song on a grid: every note knows its bar, its step inside the bar and its duration in
steps. The stored grid is 24 steps a quarter, on which 32nds and triplets are exact; `Bars.at`
goes to a preset's own grid and back.

Cells. A bar has `steps` cells, as many as its meter says. In a pickup the first `lead` cells are
masked: the bar is right-aligned in its full meter. Durations count unmasked cells only, across
bar lines, so a note tied over a bar line is simply longer than what is left of its bar.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musicvae.song import Ints, Key, Meter, Part, Song, Tempo, resolve_overlaps

STORED_STEPS_PER_QUARTER = 24


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

    @property
    def open_steps(self) -> Ints:
        """Unmasked cells of each bar `(N,)`."""
        return self.steps - self.lead

    @property
    def base(self) -> Ints:
        """Unmasked cells before each bar, and at the end their total `(N + 1,)`."""
        return np.concatenate([[0], np.cumsum(self.open_steps)])


@dataclass(frozen=True, kw_only=True, eq=False)
class Notes:
    """Notes on a grid, sorted by (bar, step, part, pitch); all arrays `(M,)` int64."""

    bar: Ints
    step: Ints
    part: Ints
    pitch: Ints
    duration: Ints
    velocity: Ints

    def __len__(self) -> int:
        return len(self.pitch)

    @classmethod
    def sorted(cls, **columns: Any) -> Notes:
        """Notes in their order from columns in any order."""
        arrays = {name: np.asarray(column, dtype=np.int64) for name, column in columns.items()}
        keys = (arrays["pitch"], arrays["part"], arrays["step"], arrays["bar"])
        order = np.lexsort(keys)
        return cls(**{name: array[order] for name, array in arrays.items()})

    def take(self, which: Any) -> Notes:
        """The notes at these indices, or under this mask, in the order given."""
        return Notes(**{f.name: getattr(self, f.name)[which] for f in fields(self)})

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
        grid = _grid_of(song, steps_per_quarter)
        columns = [
            np.concatenate([getattr(part, name) for part in song.parts] or [np.zeros(0, np.int64)])
            for name in ("onset_ticks", "duration_ticks", "pitch", "velocity")
        ]
        onset, duration, pitch, velocity = columns
        part = np.repeat(np.arange(len(song.parts)), [len(p) for p in song.parts])
        start, stop = _cell_of(grid, onset), _cell_of(grid, onset + duration)
        notes, merged = _settle(grid, start, stop, part, pitch, velocity)
        exact = (_tick_of(grid, start) == onset) & (_tick_of(grid, stop) == onset + duration)
        frame = replace(song, parts=tuple(_without_notes(p) for p in song.parts))
        return cls(frame=frame, grid=grid, notes=notes, moved=int((~exact).sum()), merged=merged)

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
        start = np.cumsum(length_ticks) - length_ticks
        actual = [
            _meter_lasting(int(n), int(d), int(length), ticks_per_quarter)
            for n, d, length in zip(numerator, denominator, length_ticks, strict=True)
        ]
        change = [i for i in range(len(start)) if i == 0 or actual[i] != actual[i - 1]]
        paced = [i for i in range(len(start)) if i == 0 or qpm[i] != qpm[i - 1]]
        frame = Song(
            ticks_per_quarter=ticks_per_quarter,
            parts=tuple(_without_notes(part) for part in parts),
            tempo=Tempo(ticks=start[paced], us_per_quarter=np.round(60e6 / qpm[paced])),
            meter=Meter(
                ticks=start[change],
                numerator=np.array([actual[i][0] for i in change], np.int64),
                denominator=np.array([actual[i][1] for i in change], np.int64),
            ),
            key=Key.none() if key is None else key,
            end_ticks=int(np.sum(length_ticks)),
        )
        return cls.from_song(frame, steps_per_quarter)

    def to_song(self) -> Song:
        """The song again: every note at its cell's tick, everything else as it was.

        The song keeps its length: notes are cut at its end, and those after it left out.
        """
        grid, end = self.grid, self.frame.end_ticks
        half_cell = grid.ticks_per_quarter // (2 * grid.steps_per_quarter)
        notes = self.notes
        notes = notes.take(_tick_of(grid, cells(grid, notes)) <= end + half_cell)
        start = cells(grid, notes)
        onset = np.minimum(_tick_of(grid, start), max(end - 1, 0))
        stop = np.minimum(_tick_of(grid, start + notes.duration), end)
        parts = []
        for index, part in enumerate(self.frame.parts):
            mine = notes.part == index
            length = np.maximum(stop[mine] - onset[mine], 1)
            parts.append(
                part.with_notes(onset[mine], length, notes.pitch[mine], notes.velocity[mine])
            )
        return replace(self.frame, parts=tuple(parts))

    def at(self, steps_per_quarter: int) -> Bars:
        """The same bars on another grid. To a multiple of this grid and back loses nothing."""
        if steps_per_quarter == self.grid.steps_per_quarter:
            return self
        old, notes = self.grid, self.notes
        grid = _rescaled(old, steps_per_quarter)
        start = cells(old, notes)
        new_start, new_stop = (
            _rescale(old, grid, start),
            _rescale(old, grid, start + notes.duration),
        )
        moved = (_rescale(grid, old, new_start) != start) | (
            _rescale(grid, old, new_stop) != start + notes.duration
        )
        settled, merged = _settle(
            grid, new_start, new_stop, notes.part, notes.pitch, notes.velocity
        )
        return replace(
            self,
            grid=grid,
            notes=settled,
            moved=self.moved + int(moved.sum()),
            merged=self.merged + merged,
        )


def cells(grid: Grid, notes: Notes) -> Ints:
    """The unmasked cell, counted from the first bar, where each note begins. `(M,)`"""
    return grid.base[notes.bar] + notes.step - grid.lead[notes.bar]


def places(grid: Grid, cell: Ints) -> tuple[Ints, Ints]:
    """Bar and step of each cell, the inverse of `cells`. Two arrays of the shape given."""
    bar = np.searchsorted(grid.base[:-1], cell, side="right") - 1
    return bar, cell - grid.base[bar] + grid.lead[bar]


# -- bar lines ------------------------------------------------------------------------------------


def _grid_of(song: Song, steps_per_quarter: int) -> Grid:
    """Bars from the meter map: a change of meter begins a bar, wherever it falls.

    A single first bar shorter than the meter that follows is a pickup of that meter.
    """
    meter, end, tpq = song.meter, song.end_ticks, song.ticks_per_quarter
    full = np.maximum(np.round(4 * tpq * meter.numerator / meter.denominator), 1).astype(np.int64)
    until = np.append(meter.ticks[1:], max(end, int(meter.ticks[-1])))
    until = np.minimum(until, end)
    count = np.maximum(-(-(until - meter.ticks) // full), 0)
    region = np.repeat(np.arange(len(full)), count)
    nth = np.arange(len(region)) - np.repeat(np.cumsum(count) - count, count)
    start = meter.ticks[region] + nth * full[region]
    length = full[region].copy()
    # A bar is cut short where the next meter begins; the last bar of all keeps its full length.
    length[:-1] = np.diff(start) if len(start) else length[:-1]
    meter_of = region.copy()
    if len(region) > 1 and count[0] == 1 and length[0] < full[region[1]]:
        meter_of[0] = region[1]
    numerator, denominator = meter.numerator[meter_of], meter.denominator[meter_of]
    return _with_cells(
        steps_per_quarter,
        numerator=numerator,
        denominator=denominator,
        start_ticks=start,
        length_ticks=length,
        ticks_per_quarter=tpq,
        is_pickup=meter_of != region,
    )


def _with_cells(steps_per_quarter: int, *, is_pickup: NDArray[np.bool_], **known: Any) -> Grid:
    spq, tpq = steps_per_quarter, known["ticks_per_quarter"]
    sounding = np.maximum(-(-known["length_ticks"] * spq // tpq), 1)
    full = np.ceil(4 * spq * known["numerator"] / known["denominator"]).astype(np.int64)
    steps = np.where(is_pickup, np.maximum(full, sounding), sounding)
    return Grid(steps_per_quarter=spq, steps=steps, lead=steps - sounding, **known)


def _rescaled(grid: Grid, steps_per_quarter: int) -> Grid:
    names = ("numerator", "denominator", "start_ticks", "length_ticks")
    known = {name: getattr(grid, name) for name in (*names, "ticks_per_quarter")}
    return _with_cells(steps_per_quarter, is_pickup=grid.lead > 0, **known)


# -- quantising -----------------------------------------------------------------------------------


def _cell_of(grid: Grid, tick: Ints) -> Ints:
    """The nearest cell of each tick (half a step rounds up), counted from the first bar."""
    if not len(grid):
        return np.zeros_like(tick)
    bar = np.clip(np.searchsorted(grid.start_ticks, tick, side="right") - 1, 0, None)
    spq, tpq = grid.steps_per_quarter, grid.ticks_per_quarter
    inside = (2 * (tick - grid.start_ticks[bar]) * spq + tpq) // (2 * tpq)
    return grid.base[bar] + np.clip(inside, 0, grid.open_steps[bar])


def _tick_of(grid: Grid, cell: Ints) -> Ints:
    """The tick of each cell, the inverse of `_cell_of`; a cell past the end is the end."""
    if not len(grid):
        return np.zeros_like(cell)
    bar = np.clip(np.searchsorted(grid.base, cell, side="right") - 1, 0, len(grid) - 1)
    spq, tpq = grid.steps_per_quarter, grid.ticks_per_quarter
    inside = (2 * (cell - grid.base[bar]) * tpq + spq) // (2 * spq)
    return grid.start_ticks[bar] + np.minimum(inside, grid.length_ticks[bar])


def _rescale(old: Grid, new: Grid, cell: Ints) -> Ints:
    """Cells of one grid as the nearest cells of another over the same bars."""
    if not len(old):
        return np.zeros_like(cell)
    bar = np.clip(np.searchsorted(old.base, cell, side="right") - 1, 0, len(old) - 1)
    p, q = new.steps_per_quarter, old.steps_per_quarter
    inside = (2 * (cell - old.base[bar]) * p + q) // (2 * q)
    return new.base[bar] + np.clip(inside, 0, new.open_steps[bar])


def _settle(
    grid: Grid, start: Ints, stop: Ints, part: Ints, pitch: Ints, velocity: Ints
) -> tuple[Notes, int]:
    """Notes from cells: at least one cell long, none beginning past the end, none overlapping."""
    if not len(grid) or not len(start):
        return Notes.concatenate([]), 0
    start = np.minimum(start, grid.base[-1] - 1)
    duration = np.maximum(stop - start, 1)
    keep, duration, merged = resolve_overlaps(start, duration, part * 128 + pitch)
    bar, step = places(grid, start[keep])
    notes = Notes.sorted(
        bar=bar,
        step=step,
        part=part[keep],
        pitch=pitch[keep],
        duration=duration[keep],
        velocity=velocity[keep],
    )
    return notes, merged


def _meter_lasting(numerator: int, denominator: int, ticks: int, tpq: int) -> tuple[int, int]:
    """The bar's meter if that is how long it lasts, else the plainest meter that lasts so long."""
    if 4 * tpq * numerator == ticks * denominator:
        return numerator, denominator
    for finer in (denominator, 4, 8, 16, 32, 64):
        if finer >= denominator and (ticks * finer) % (4 * tpq) == 0:
            return ticks * finer // (4 * tpq), finer
    return max(1, round(ticks * 64 / (4 * tpq))), 64


def _without_notes(part: Part) -> Part:
    return Part.empty(part.name, part.program, part.is_drum)
