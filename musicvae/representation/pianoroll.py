"""Bars <-> piano rolls, exact on the grid in both directions.

A roll is `(bars N, parts R, planes C, steps T, pitches P)` uint8. Plane 0 is 1 where a note starts,
plane 1 is 1 where it is sustained, plane 2 holds the velocity at the onset and plane 3 the
microtiming, 128 for an onset on its cell (`Notes.timing`, exact to 127/960). With onset and sustain
apart, repeated notes survive. Steps outside a bar or masked in a pickup are 0.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from musicvae.arrays import ragged_range
from musicvae.representation.bars import Bars, Notes, bar_and_step, cell_index
from musicvae.representation.grid import Grid

ONSET, SUSTAIN, VELOCITY, TIMING = 0, 1, 2, 3
PLANES = ("onset", "sustain", "velocity", "timing")
_ZERO_TIMING = 128


def to_roll(bars: Bars, *, steps: int | None = None) -> NDArray[np.uint8]:
    """Return the roll of `bars` over all 128 pitches, `(N, R, C, T, P)` uint8.

    `steps` is T, by default the steps of the longest bar; later ones are cut off. The inverse is
    `from_roll`.
    """
    grid, notes = bars.grid, bars.notes
    T = steps if steps is not None else int(grid.steps.max(initial=1))
    roll = np.zeros((len(grid), len(bars.header.parts), len(PLANES), T, 128), np.uint8)
    n_sustained = notes.duration - 1
    note = np.repeat(np.arange(len(notes)), n_sustained)
    cell = ragged_range(n_sustained, cell_index(grid, notes) + 1)
    inside = cell < grid.cell_offsets[-1]
    note, (bar, step) = note[inside], bar_and_step(grid, cell[inside])
    fits = step < T
    note, bar, step = note[fits], bar[fits], step[fits]
    roll[bar, notes.part[note], SUSTAIN, step, notes.pitch[note]] = 1
    on = notes.select(notes.step < T)
    roll[on.bar, on.part, ONSET, on.step, on.pitch] = 1
    roll[on.bar, on.part, VELOCITY, on.step, on.pitch] = on.velocity
    timing = np.clip(on.timing, 1 - _ZERO_TIMING, _ZERO_TIMING - 1) + _ZERO_TIMING
    roll[on.bar, on.part, TIMING, on.step, on.pitch] = timing
    return roll


def from_roll(roll: NDArray[np.uint8], grid: Grid) -> tuple[Notes, int]:
    """Return the notes of a roll `(N, R, C, T, P)` over `grid`, and the number of orphans.

    Orphans are sustained runs without an onset, which are dropped; rolls of whole songs made by
    `to_roll` have none.
    """
    cells = _flatten_cells(roll, grid)  # (cells, R, C, P)
    onset, sustain = cells[:, :, ONSET] > 0, cells[:, :, SUSTAIN] > 0
    sustain &= ~onset
    # A note ends at the next cell that is not sustained: find that cell for each one.
    total = len(cells)
    after = np.where(sustain, total, np.arange(total)[:, None, None])
    next_break = np.minimum.accumulate(after[::-1], axis=0)[::-1]  # (cells, R, P)
    next_break = np.concatenate([next_break, np.full((1, *next_break.shape[1:]), total)])
    cell, part, pitch = np.nonzero(onset)
    duration = next_break[cell + 1, part, pitch] - cell
    bar, step = bar_and_step(grid, cell)
    velocity = cells[cell, part, VELOCITY, pitch]
    timing = cells[cell, part, TIMING, pitch].astype(np.int64) - _ZERO_TIMING
    sounding = np.concatenate([np.zeros((1, *sustain.shape[1:]), bool), (onset | sustain)[:-1]])
    orphan = sustain & ~sounding
    notes = Notes.sorted(
        bar=bar,
        step=step,
        part=part,
        pitch=pitch,
        duration=duration,
        velocity=velocity,
        timing=timing,
    )
    return notes, int(orphan.sum())


def _flatten_cells(roll: NDArray[np.uint8], grid: Grid) -> NDArray[np.uint8]:
    """Return the unmasked steps of a roll as `(cells, R, C, P)`."""
    step = np.arange(roll.shape[3])
    is_cell = (step >= grid.lead_steps[:, None]) & (step < grid.steps[:, None])  # (N, T)
    return roll.transpose(0, 3, 1, 2, 4)[is_cell]
