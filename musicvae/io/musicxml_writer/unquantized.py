"""Quantization of free timing to note values that can be written.

Onsets and ends off the grid move to the nearest sixteenth of their quarter, or to the nearest
sixteenth triplet if that fits the onsets in that quarter better. Those on the grid stay. Songs with
at most a tenth of their notes off the grid stay on the grid of 24 cells per quarter: there, offsets
are single ticks or quintuplets.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from musicvae.arrays import Ints
from musicvae.io.musicxml_writer.note_values import CELLS_PER_QUARTER
from musicvae.representation.bars import Bars, Notes, bar_and_step, resolve_note_overlaps
from musicvae.representation.grid import cells_to_ticks, ticks_to_cells
from musicvae.song import Song

_SIXTEENTH_CELLS, _TRIPLET_CELLS = CELLS_PER_QUARTER // 4, CELLS_PER_QUARTER // 6
_MAX_OFFSET_CELLS = 0.06  # offset that counts as on the grid: a tick at 480 per quarter
_LOOSE_FRACTION = 0.1  # share of notes off the grid above which timing is free


def quantize_free_timing(song: Song, bars: Bars) -> Bars:
    """Return `bars`, the song on the grid of `CELLS_PER_QUARTER`, with free timing quantized."""
    grid, parts = bars.grid, song.parts
    if not len(grid) or not song.n_notes:
        return bars
    onset, duration, pitch, velocity = (
        np.concatenate([vars(part)[name] for part in parts])
        for name in ("onset_ticks", "duration_ticks", "pitch", "velocity")
    )
    n, ticks = len(onset), np.concatenate([onset, onset + duration])
    cell = ticks_to_cells(grid, ticks)
    offset_ticks = (ticks - cells_to_ticks(grid, cell)).astype(np.float64)
    offset_cells = offset_ticks * (CELLS_PER_QUARTER / song.ticks_per_quarter)
    is_off = np.abs(offset_cells) > _MAX_OFFSET_CELLS
    if (is_off[:n] | is_off[n:]).mean() <= _LOOSE_FRACTION:
        return bars
    bar, step = bar_and_step(grid, cell)
    size, moves = _choose_subdivision(bar, step, offset_cells, n)
    quarter = step - step % CELLS_PER_QUARTER
    nearest = quarter + size * np.round((step - quarter + offset_cells) / size).astype(np.int64)
    nearest = np.clip(nearest, grid.lead_steps[bar], grid.steps[bar])
    target = grid.cell_offsets[bar] + np.where(moves, nearest, step) - grid.lead_steps[bar]
    start = np.minimum(target[:n], grid.cell_offsets[-1] - 1)
    min_duration = np.where(moves[:n] | moves[n:], size[:n], 1)
    bar, step = bar_and_step(grid, start)
    notes = Notes.sorted(
        bar=bar,
        step=step,
        part=np.repeat(np.arange(len(parts)), [len(part) for part in parts]),
        pitch=pitch,
        duration=np.maximum(target[n:] - start, min_duration),
        velocity=velocity,
        timing=np.zeros(n, np.int64),
    )
    return replace(bars, notes=resolve_note_overlaps(grid, notes))


def _choose_subdivision(
    bar: Ints, step: Ints, offset_cells: NDArray[np.float64], n_onsets: int
) -> tuple[Ints, NDArray[np.bool_]]:
    """Return the size of the subdivision of each position in cells, and whether the position moves.

    Positions `(2M,)` are onsets, the first `n_onsets`, and ends; `offset_cells` is their distance
    from their grid cell.
    """
    position = step % CELLS_PER_QUARTER + offset_cells
    _, quarter = np.unique(np.stack([bar, step // CELLS_PER_QUARTER]), axis=1, return_inverse=True)
    quarter = quarter.reshape(-1)
    of_onsets = quarter[:n_onsets]
    errors = [
        np.bincount(
            of_onsets,
            np.abs(position / size - np.round(position / size))[:n_onsets],
            len(quarter),
        )
        for size in (_SIXTEENTH_CELLS, _TRIPLET_CELLS)
    ]
    size = np.where(errors[1] < errors[0], _TRIPLET_CELLS, _SIXTEENTH_CELLS)[quarter]
    is_off = np.abs(offset_cells) > _MAX_OFFSET_CELLS
    if is_off[:n_onsets].mean() > _LOOSE_FRACTION:  # then small offsets are accidental, too
        is_off = offset_cells != 0
    in_free_quarter = np.bincount(of_onsets, is_off[:n_onsets], len(quarter))[quarter] > 0
    is_writable = (step % _TRIPLET_CELLS == 0) | (step % (_SIXTEENTH_CELLS // 2) == 0)
    return size, is_off | (in_free_quarter & ~is_writable)
