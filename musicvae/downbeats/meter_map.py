"""Floor 2: meter maps from bars in cells: as stated, tidied, shifted, or as they were heard.

A change of meter is `(cell, numerator, denominator)`.
"""

from __future__ import annotations

import numpy as np

from musicvae.downbeats.decoding import Path
from musicvae.downbeats.features import CELLS_PER_QUARTER
from musicvae.downbeats.network import METERS
from musicvae.downbeats.quantization import GridFit
from musicvae.representation.grid import Grid, meter_lasting
from musicvae.song import Meter


def meter_of(events: list[tuple[int, int, int]], tpq: int) -> Meter:
    """A meter map from events (cell, numerator, denominator), the first of them perhaps not at 0.

    What comes before the first event is a pickup of its meter, whole bars after it.
    """
    if len(events) > 1 and events[1][0] - events[0][0] <= _cells(events[0]) < _cells(events[1]):
        events = events[1:]  # a pickup follows from the meter after it
    first = events[0][0] % _cells(events[0])
    events = [(first, *events[0][1:]), *(event for event in events[1:] if event[0] > first)]
    at = [round(cell * tpq / CELLS_PER_QUARTER) for cell, _, _ in events]
    meters = [event[1:] for event in events]
    if at[0]:
        at, meters = [0, *at], [meter_lasting(at[0], tpq), *meters]
    numerators, denominators = np.array(meters, np.int64).T
    return Meter(ticks=np.array(at), numerator=numerators, denominator=denominators)


def _cells(event: tuple[int, int, int]) -> int:
    """Cells of a bar from a change of meter."""
    return max(4 * CELLS_PER_QUARTER * event[1] // event[2], 1)


def changes_of(path: Path, first: int) -> list[tuple[int, int, int]]:
    """The changes of meter of a path."""
    change = np.append(True, np.diff(path.meters) != 0)
    cells, names = path.lines[change] + first, [METERS[m] for m in path.meters[change]]
    pairs = [tuple(int(n) for n in name.split("/")) for name in names]
    return [(int(c), n, d) for c, (n, d) in zip(cells, pairs, strict=True)]


def snapped(meter: Meter, fit: GridFit, tpq: int) -> list[tuple[int, int, int]]:
    """The changes of a stated meter map on the nearest cells of the song's own time."""
    at = fit.warp.forward(meter.ticks) * (CELLS_PER_QUARTER / tpq)
    cells = np.floor(at + 0.5).astype(np.int64)
    columns = (cells.tolist(), meter.numerator.tolist(), meter.denominator.tolist())
    return list(zip(*columns, strict=True))


def tidied(meter: Meter, tpq: int) -> Meter | None:
    """A meter map without changes within a bar: the same meter is left out, another one waits.

    None if there are no such changes.
    """
    columns = (meter.ticks.tolist(), meter.numerator.tolist(), meter.denominator.tolist())
    kept: list[list[int]] = []
    for tick, numerator, denominator in zip(*columns, strict=True):
        if kept:
            begin, *before = kept[-1]
            full = max(4 * tpq * before[0] // before[1], 1)
            rest = -(tick - begin) % full
            if rest and before == [numerator, denominator]:
                continue
            tick += rest
            if tick == begin:
                kept.pop()
        kept.append([tick, numerator, denominator])
    if len(kept) == len(columns[0]) and [k[0] for k in kept] == columns[0]:
        return None
    ticks, numerators, denominators = np.array(kept, np.int64).T
    return Meter(ticks=ticks, numerator=numerators, denominator=denominators)


def shifted(grid: Grid, shift: int) -> list[tuple[int, int, int]]:
    """The changes of meter of stated bars moved by so many cells, whole bars alone.

    A bar that was cut in two at a repeat is whole again: where the cut belongs, no one knows now.
    """
    scale = CELLS_PER_QUARTER / grid.ticks_per_quarter
    cells = np.floor(grid.start_ticks * scale + 0.5).astype(np.int64) + shift
    length, pairs = grid.length_ticks.tolist(), zip(grid.numerator, grid.denominator, strict=True)
    meters = [(int(n), int(d)) for n, d in pairs]
    events: list[tuple[int, int, int]] = []
    i = int(grid.lead[0] > 0)
    while i < len(meters):
        halves = i + 2 < len(meters) and length[i] + length[i + 1] == length[i + 2]
        meter = meters[i + 2] if halves else meters[i]
        if not events or events[-1][1:] != meter:
            events.append((int(cells[i]), *meter))
        i += 1 + halves
    return events
