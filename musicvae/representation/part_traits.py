"""Traits of a part that a model may be told: kind, family of programs, register and resolution.

They are side information, some ten bits for each part of a song.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from musicvae.arrays import Ints
from musicvae.representation.bars import (
    TIMING_PER_QUARTER,
    Bars,
    Notes,
    cell_index,
    resolve_note_overlaps,
)
from musicvae.song import Part

TRAITS = ("kind", "family", "register", "resolution")
"""Columns of traits `(..., 4)`; 0 is unknown in each."""
KIND, FAMILY, REGISTER, RESOLUTION = range(4)
LINE, CHORDS, DRUMS = 1, 2, 3
"""Kinds: one note at a time, several, a drum kit."""
RESOLUTIONS = (4, 8, 12, 24)
"""Steps per quarter to which the onsets of a part keep."""
SIZES = (4, 18, 9, len(RESOLUTIONS) + 1)
"""Number of values of each trait, with unknown."""

_DRUM_FAMILY = 17  # the families of General MIDI are 1 to 16
_LOWEST, _SEMITONES_PER_REGISTER = 24, 10
_MIN_POLYPHONIC_SHARE = 0.1  # of notes that begin while another sounds, for chords
_MIN_ON_GRID = 0.97  # of onsets, for a resolution
_MIN_EXACT = 0.5  # of onsets exactly on the stored grid, for what is not played freely


def part_traits(bars: Bars, notes: Notes, part: Part) -> Ints:
    """Return the traits of a part with `notes` on the bars of a song. `(4,)`"""
    if not len(notes):
        return np.zeros(len(TRAITS), np.int64)
    kind = DRUMS if part.is_drum else CHORDS if is_polyphonic(bars, notes) else LINE
    register = (int(np.median(notes.pitch)) - _LOWEST) // _SEMITONES_PER_REGISTER
    return np.array(
        [
            kind,
            _DRUM_FAMILY if part.is_drum else 1 + part.program // 8,
            0 if part.is_drum else 1 + min(max(register, 0), SIZES[REGISTER] - 2),
            1 + RESOLUTIONS.index(find_resolution(bars, notes)),
        ]
    )


def is_polyphonic(bars: Bars, notes: Notes) -> bool:
    """Return whether more than a few notes begin while another sounds."""
    start = cell_index(bars.grid, notes)
    order = np.argsort(start, kind="stable")
    stop = np.maximum.accumulate((start + notes.duration)[order])
    overlaps = start[order][1:] < stop[:-1]
    return bool(overlaps.mean() > _MIN_POLYPHONIC_SHARE) if len(overlaps) else False


def find_resolution(bars: Bars, notes: Notes) -> int:
    """Return the coarsest of `RESOLUTIONS` that has nearly all onsets of notes on the stored grid.

    What is played freely has 4: how far it is from the grid is its microtiming.
    """
    steps = bars.grid.steps_per_quarter
    for resolution in (4, 12, 8):
        if steps % resolution == 0:
            share = float((notes.step % (steps // resolution) == 0).mean())
            if share >= _MIN_ON_GRID:
                return resolution
    return RESOLUTIONS[-1] if float((notes.timing == 0).mean()) >= _MIN_EXACT else RESOLUTIONS[0]


def snap_to_resolution(bars: Bars, notes: Notes, resolution: int) -> Notes:
    """Return notes of a song on `bars` with onsets at the nearest steps of a resolution.

    What they were moved by is in their timing. They end where they did, if that is after their
    onset.
    """
    steps = bars.grid.steps_per_quarter
    if steps % resolution or steps == resolution:
        return notes
    grid, stride = bars.grid, steps // resolution
    step = np.maximum(notes.step, -(-grid.lead_steps[notes.bar] // stride) * stride)
    step = (step + stride // 2) // stride * stride
    is_late = step >= grid.steps[notes.bar]  # the downbeat of the next bar, if there is one
    bar = np.where(is_late & (notes.bar + 1 < len(grid)), notes.bar + 1, notes.bar)
    last = (grid.steps[notes.bar] - 1) // stride * stride
    step = np.where(is_late, np.where(bar > notes.bar, 0, last), step)
    start = cell_index(grid, notes)
    moved = replace(notes, bar=bar, step=step)
    by = start - cell_index(grid, moved)
    moved = replace(
        moved,
        timing=notes.timing + by * (TIMING_PER_QUARTER // steps),
        duration=np.maximum(notes.duration + by, 1),
    )
    return resolve_note_overlaps(grid, moved)


def allowed_steps(steps_per_quarter: int) -> Ints:
    """Return for each value of the resolution the steps of a quarter that may have onsets.

    `(5, steps_per_quarter)` of 0 and 1; all steps where it is unknown or does not divide the grid.
    """
    step = np.arange(steps_per_quarter)
    rows = [np.ones(steps_per_quarter, np.int64)]
    for resolution in RESOLUTIONS:
        stride = steps_per_quarter // resolution if steps_per_quarter % resolution == 0 else 1
        rows.append((step % max(stride, 1) == 0).astype(np.int64))
    return np.stack(rows)
