"""Floor 3: bars <-> piano rolls, both directions exact on the grid.

A roll is `(bars N, parts R, planes C, steps T, pitches P)` uint8. Plane 0 is 1 where a note
starts, plane 1 is 1 where it goes on sounding, plane 2 holds the velocity at the onset, plane 3
the microtiming there, 128 for a note right on its cell (`Notes.timing`, exact to 127/960): with
onset and sustain apart, repeated notes survive. Cells past a bar's end, or before a pickup, are 0.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from musicvae.representation.bars import Bars, Notes, cells, places
from musicvae.representation.grid import Grid

ONSET, SUSTAIN, VELOCITY, TIMING = 0, 1, 2, 3
PLANES = ("onset", "sustain", "velocity", "timing")
_ON_TIME = 128


def to_roll(bars: Bars, *, steps: int | None = None) -> NDArray[np.uint8]:
    """The roll of `bars`, over all 128 pitches and `steps` cells a bar (the longest bar's).

    Returns `(N, R, C, T, P)` uint8. The inverse is `from_roll`.
    """
    grid, notes = bars.grid, bars.notes
    T = steps if steps is not None else int(grid.steps.max(initial=1))
    roll = np.zeros((len(grid), len(bars.frame.parts), len(PLANES), T, 128), np.uint8)
    start = cells(grid, notes)
    rest = notes.duration - 1
    note = np.repeat(np.arange(len(notes)), rest)
    sounding = np.arange(len(note)) - np.repeat(np.cumsum(rest) - rest, rest) + 1
    cell = start[note] + sounding
    inside = cell < grid.base[-1]
    note, (bar, step) = note[inside], places(grid, cell[inside])
    fits = step < T
    note, bar, step = note[fits], bar[fits], step[fits]
    roll[bar, notes.part[note], SUSTAIN, step, notes.pitch[note]] = 1
    on = notes.take(notes.step < T)
    roll[on.bar, on.part, ONSET, on.step, on.pitch] = 1
    roll[on.bar, on.part, VELOCITY, on.step, on.pitch] = on.velocity
    timing = np.clip(on.timing, 1 - _ON_TIME, _ON_TIME - 1) + _ON_TIME
    roll[on.bar, on.part, TIMING, on.step, on.pitch] = timing
    return roll


def from_roll(roll: NDArray[np.uint8], grid: Grid) -> tuple[Notes, int]:
    """Notes from a roll over `grid`, and the number of sustained runs without an onset.

    Such a run has nothing to extend, so it is dropped; `to_roll` of whole songs makes none.
    """
    line = _unmasked(roll, grid)  # (cells, R, C, P)
    on, held = line[:, :, ONSET] > 0, line[:, :, SUSTAIN] > 0
    held &= ~on
    # A run ends where the next cell is not held: find for each cell the next one of that kind.
    total = len(line)
    after = np.where(held, total, np.arange(total)[:, None, None])
    next_break = np.minimum.accumulate(after[::-1], axis=0)[::-1]  # (cells, R, P)
    next_break = np.concatenate([next_break, np.full((1, *next_break.shape[1:]), total)])
    cell, part, pitch = np.nonzero(on)
    duration = next_break[cell + 1, part, pitch] - cell
    bar, step = places(grid, cell)
    velocity = line[cell, part, VELOCITY, pitch]
    timing = line[cell, part, TIMING, pitch].astype(np.int64) - _ON_TIME
    orphan = held & ~np.concatenate([np.zeros((1, *held.shape[1:]), bool), (on | held)[:-1]])
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


def _unmasked(roll: NDArray[np.uint8], grid: Grid) -> NDArray[np.uint8]:
    """The roll as one line of unmasked cells `(cells, R, C, P)`."""
    T = roll.shape[3]
    step = np.arange(T)
    open_ = (step >= grid.lead[:, None]) & (step < grid.steps[:, None])  # (N, T)
    return roll.transpose(0, 3, 1, 2, 4)[open_]
