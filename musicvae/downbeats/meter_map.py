"""Meter maps from bar lines in cells: as notated, cleaned, shifted, or estimated.

A meter change is a tuple `(cell, numerator, denominator)`.
"""

from __future__ import annotations

import numpy as np

from musicvae.downbeats.decoding import BarPath
from musicvae.downbeats.features import CELLS_PER_QUARTER
from musicvae.downbeats.network import METERS
from musicvae.downbeats.quantization import GridEstimate
from musicvae.representation.grid import Grid, meter_of_length
from musicvae.song import MeterMap


def meter_map_from_changes(events: list[tuple[int, int, int]], tpq: int) -> MeterMap:
    """Return a meter map from meter changes, the first of which need not be at cell 0.

    Anything before the first change is a pickup of its meter, and whole bars of it.
    """
    if len(events) > 1 and events[1][0] - events[0][0] <= _cells(events[0]) < _cells(events[1]):
        events = events[1:]  # a pickup belongs to the meter after it
    first = events[0][0] % _cells(events[0])
    events = [(first, *events[0][1:]), *(event for event in events[1:] if event[0] > first)]
    at = [round(cell * tpq / CELLS_PER_QUARTER) for cell, _, _ in events]
    meters = [event[1:] for event in events]
    if at[0]:
        at, meters = [0, *at], [meter_of_length(at[0], tpq), *meters]
    numerators, denominators = np.array(meters, np.int64).T
    return MeterMap(ticks=np.array(at), numerator=numerators, denominator=denominators)


def _cells(event: tuple[int, int, int]) -> int:
    """Return the cells of a bar after a meter change."""
    return max(4 * CELLS_PER_QUARTER * event[1] // event[2], 1)


def meter_changes(path: BarPath, first_cell: int) -> list[tuple[int, int, int]]:
    """Return the meter changes of a path that starts at cell `first_cell` of the song."""
    change = np.append(True, np.diff(path.meters) != 0)
    cells, names = path.lines[change] + first_cell, [METERS[m] for m in path.meters[change]]
    pairs = [tuple(int(n) for n in name.split("/")) for name in names]
    return [(int(c), n, d) for c, (n, d) in zip(cells, pairs, strict=True)]


def snap_to_grid(meter: MeterMap, estimate: GridEstimate, tpq: int) -> list[tuple[int, int, int]]:
    """Return the changes of a notated meter map, rounded to cells in song time."""
    at = estimate.warp.forward(meter.ticks) * (CELLS_PER_QUARTER / tpq)
    cells = np.floor(at + 0.5).astype(np.int64)
    columns = (cells.tolist(), meter.numerator.tolist(), meter.denominator.tolist())
    return list(zip(*columns, strict=True))


def without_mid_bar_changes(meter: MeterMap, tpq: int) -> MeterMap | None:
    """Return a meter map without mid-bar changes, or None if there are none.

    A repeated signature is dropped, a different one is delayed until the next bar line.
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
    return MeterMap(ticks=ticks, numerator=numerators, denominator=denominators)


def shift_barlines(grid: Grid, shift: int) -> list[tuple[int, int, int]]:
    """Return the meter changes of notated bars moved by `shift` cells, whole bars only.

    The two halves of a bar split by a repeat are joined, since the split does not shift along.
    """
    scale = CELLS_PER_QUARTER / grid.ticks_per_quarter
    cells = np.floor(grid.start_ticks * scale + 0.5).astype(np.int64) + shift
    length, pairs = grid.length_ticks.tolist(), zip(grid.numerator, grid.denominator, strict=True)
    meters = [(int(n), int(d)) for n, d in pairs]
    events: list[tuple[int, int, int]] = []
    i = int(grid.lead_steps[0] > 0)
    while i < len(meters):
        halves = i + 2 < len(meters) and length[i] + length[i + 1] == length[i + 2]
        meter = meters[i + 2] if halves else meters[i]
        if not events or events[-1][1:] != meter:
            events.append((int(cells[i]), *meter))
        i += 1 + halves
    return events
