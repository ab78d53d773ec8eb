"""Floor 3: what is played off the grid -> places that can be read.

Where notes begin and end, each place by itself, goes to the nearest sixteenth of its quarter, or
to the nearest sixteenth triplet if these suit better what begins in that quarter. What stands on
the grid stays, however much around it is played freely. A song of which no more than a tenth is off
the grid stays on the grid of 24 cells a quarter: what is off there is a tick, or a quintuplet.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from musicvae.arrays import Ints
from musicvae.io.musicxml_writer.note_values import CELLS_PER_QUARTER
from musicvae.representation.bars import Bars, Notes, bar_and_step, resolve_note_overlaps
from musicvae.representation.grid import ticks_to_cells, cells_to_ticks
from musicvae.song import Song

_SIXTEENTH_CELLS, _TRIPLET_CELLS = CELLS_PER_QUARTER // 4, CELLS_PER_QUARTER // 6
_MAX_OFFSET_CELLS = 0.06  # of a cell: a tick of 480 a quarter
_LOOSE_FRACTION = 0.1  # of notes: songs with more than this off the grid are played freely


def quantize_free_timing(song: Song, bars: Bars) -> Bars:
    """`bars`, the song on the grid of `CELLS`, with its notes where they can be written."""
    grid, parts = bars.grid, song.parts
    if not len(grid) or not song.n_notes:
        return bars
    onset, duration, pitch, velocity = (
        np.concatenate([vars(part)[name] for part in parts])
        for name in ("onset_ticks", "duration_ticks", "pitch", "velocity")
    )
    n, ticks = len(onset), np.concatenate([onset, onset + duration])
    cell = ticks_to_cells(grid, ticks)
    late = (ticks - cells_to_ticks(grid, cell)).astype(np.float64) * (CELLS_PER_QUARTER / song.ticks_per_quarter)
    apart = np.abs(late) > _MAX_OFFSET_CELLS
    if (apart[:n] | apart[n:]).mean() <= _LOOSE_FRACTION:
        return bars
    bar, step = bar_and_step(grid, cell)
    size, loose = _choose_subdivision(bar, step, late, n)
    beat = step - step % CELLS_PER_QUARTER
    nearest = beat + size * np.round((step - beat + late) / size).astype(np.int64)
    to = np.where(loose, np.clip(nearest, grid.lead_steps[bar], grid.steps[bar]), step)
    at = grid.cell_offsets[bar] + to - grid.lead_steps[bar]
    start = np.minimum(at[:n], grid.cell_offsets[-1] - 1)
    least = np.where(loose[:n] | loose[n:], size[:n], 1)
    bar, step = bar_and_step(grid, start)
    notes = Notes.sorted(
        bar=bar,
        step=step,
        part=np.repeat(np.arange(len(parts)), [len(part) for part in parts]),
        pitch=pitch,
        duration=np.maximum(at[n:] - start, least),
        velocity=velocity,
        timing=np.zeros(n, np.int64),
    )
    return replace(bars, notes=resolve_note_overlaps(grid, notes))


def _choose_subdivision(
    bar: Ints, step: Ints, offset_cells: NDArray[np.float64], n_onsets: int
) -> tuple[Ints, NDArray[np.bool_]]:
    """For each place the size in cells of what it is written in, and whether it is off the grid.

    `late` is how much later it is than its cell, in cells; of all places the first `n` are where
    notes begin.
    """
    place = step % CELLS_PER_QUARTER + offset_cells
    _, quarter = np.unique(np.stack([bar, step // CELLS_PER_QUARTER]), axis=1, return_inverse=True)
    quarter = quarter.reshape(-1)
    errors = [
        np.bincount(quarter[:n_onsets], np.abs(place / size - np.round(place / size))[:n_onsets], len(quarter))
        for size in (_SIXTEENTH_CELLS, _TRIPLET_CELLS)
    ]
    size = np.where(errors[1] < errors[0], _TRIPLET_CELLS, _SIXTEENTH_CELLS)[quarter]
    off = np.abs(offset_cells) > _MAX_OFFSET_CELLS
    if off[:n_onsets].mean() > _LOOSE_FRACTION:  # then what is near the grid but not on it is so by chance
        off = offset_cells != 0
    among = np.bincount(quarter[:n_onsets], off[:n_onsets], len(quarter))[quarter] > 0
    readable = (step % _TRIPLET_CELLS == 0) | (step % (_SIXTEENTH_CELLS // 2) == 0)
    return size, off | (among & ~readable)
