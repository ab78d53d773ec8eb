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

from musicvae.io.musicxml_writer.note_values import CELLS
from musicvae.representation.bars import Bars, Notes, places, settled
from musicvae.representation.grid import cell_of, tick_of
from musicvae.song import Ints, Song

_SIXTEENTH, _TRIPLET = CELLS // 4, CELLS // 6
_NEAR = 0.06  # of a cell: a tick of 480 a quarter
_FREE = 0.1  # of notes: songs with more than this off the grid are played freely


def to_paper(song: Song, bars: Bars) -> Bars:
    """`bars`, the song on the grid of `CELLS`, with its notes where they can be written."""
    grid, parts = bars.grid, song.parts
    if not len(grid) or not song.n_notes:
        return bars
    onset, duration, pitch, velocity = (
        np.concatenate([vars(part)[name] for part in parts])
        for name in ("onset_ticks", "duration_ticks", "pitch", "velocity")
    )
    n, ticks = len(onset), np.concatenate([onset, onset + duration])
    cell = cell_of(grid, ticks)
    late = (ticks - tick_of(grid, cell)).astype(np.float64) * (CELLS / song.ticks_per_quarter)
    apart = np.abs(late) > _NEAR
    if (apart[:n] | apart[n:]).mean() <= _FREE:
        return bars
    bar, step = places(grid, cell)
    size, loose = _chosen(bar, step, late, n)
    beat = step - step % CELLS
    nearest = beat + size * np.round((step - beat + late) / size).astype(np.int64)
    to = np.where(loose, np.clip(nearest, grid.lead[bar], grid.steps[bar]), step)
    at = grid.base[bar] + to - grid.lead[bar]
    start = np.minimum(at[:n], grid.base[-1] - 1)
    least = np.where(loose[:n] | loose[n:], size[:n], 1)
    bar, step = places(grid, start)
    notes = Notes.sorted(
        bar=bar,
        step=step,
        part=np.repeat(np.arange(len(parts)), [len(part) for part in parts]),
        pitch=pitch,
        duration=np.maximum(at[n:] - start, least),
        velocity=velocity,
        timing=np.zeros(n, np.int64),
    )
    return replace(bars, notes=settled(grid, notes))


def _chosen(
    bar: Ints, step: Ints, late: NDArray[np.float64], n: int
) -> tuple[Ints, NDArray[np.bool_]]:
    """For each place the size in cells of what it is written in, and whether it is off the grid.

    `late` is how much later it is than its cell, in cells; of all places the first `n` are where
    notes begin.
    """
    place = step % CELLS + late
    _, quarter = np.unique(np.stack([bar, step // CELLS]), axis=1, return_inverse=True)
    quarter = quarter.reshape(-1)
    errors = [
        np.bincount(quarter[:n], np.abs(place / size - np.round(place / size))[:n], len(quarter))
        for size in (_SIXTEENTH, _TRIPLET)
    ]
    size = np.where(errors[1] < errors[0], _TRIPLET, _SIXTEENTH)[quarter]
    off = np.abs(late) > _NEAR
    if off[:n].mean() > _FREE:  # then what is near the grid but not on it is so by chance
        off = late != 0
    among = np.bincount(quarter[:n], off[:n], len(quarter))[quarter] > 0
    readable = (step % _TRIPLET == 0) | (step % (_SIXTEENTH // 2) == 0)
    return size, off | (among & ~readable)
