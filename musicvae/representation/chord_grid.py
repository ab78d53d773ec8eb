"""Chords by quarter: a chord map on the bars of a grid, as models are conditioned on it."""

from __future__ import annotations

import numpy as np

from musicvae.arrays import Ints
from musicvae.chords import ChordMap, Progression
from musicvae.representation.grid import Grid
from musicvae.representation.key import estimate_diatonic_key

UNKNOWN = -1
"""Root, quality and bass of a quarter whose chord is not known."""


def quarter_chords(chords: ChordMap, grid: Grid, quarters_per_bar: int) -> Ints:
    """Return the chord at the middle of each quarter of each bar. `(N, quarters_per_bar, 3)`

    A chord is `(root, quality, bass)`: pitch classes, and an index of `QUALITIES`. All three are
    `UNKNOWN` before the first entry of the map, past the end of the bar, and in what is masked
    before a pickup.
    """
    quarter = np.arange(quarters_per_bar)[:, None] * grid.steps_per_quarter
    step = quarter + np.arange(grid.steps_per_quarter)
    there = (step >= grid.lead_steps[:, None, None]) & (step < grid.steps[:, None, None])
    n_there, first = there.sum(-1), there.argmax(-1)  # (N, quarters)
    middle = quarter[:, 0] + first + n_there / 2 - grid.lead_steps[:, None]  # steps into the bar
    ticks_per_step = grid.ticks_per_quarter / grid.steps_per_quarter
    ticks = grid.start_ticks[:, None] + (middle * ticks_per_step).astype(np.int64)
    entry = np.where(n_there > 0, chords.entry_at(ticks), UNKNOWN)
    table = np.full((len(chords) + 1, 3), UNKNOWN, np.int64)  # the last row: unknown
    has_chord = chords.quality > 0
    table[:-1] = np.stack(
        [7 * chords.root % 12 * has_chord, chords.quality, 7 * chords.bass % 12 * has_chord], 1
    )
    return table[entry]


def transpose_quarters(chords: Ints, semitones: Ints | int) -> Ints:
    """Return chords by quarter `(..., 3)` with roots and basses moved up by `semitones`."""
    has_root = chords[..., 1:2] > 0
    moved = (chords + np.multiply.outer(semitones, np.array([1, 0, 1]))) % 12
    is_pitch = np.array([True, False, True])
    return np.where(has_root & is_pitch, moved, chords)


def repeat_progression(progression: Progression, grid: Grid) -> ChordMap:
    """Return a progression as the chord map of a song, repeated to its end.

    It begins with the first full bar. The chords of a bar share it equally, as far as that is a
    whole number of eighths; else those that come first last longer, by whole quarters.
    """
    entries = []
    is_pickup = bool(len(grid) and grid.lead_steps[0])
    eighth, quarter = grid.ticks_per_quarter / 2, grid.ticks_per_quarter
    bounds = zip(grid.start_ticks.tolist(), grid.length_ticks.tolist(), strict=True)
    for bar, (start, length) in enumerate(list(bounds)[is_pickup:]):
        chords = progression[bar % len(progression)]
        begins = [length * i / len(chords) for i in range(len(chords))]
        if any(begin % eighth for begin in begins):
            begins = [-(-begin // quarter) * quarter for begin in begins]
        entries += [(start + int(t), c) for t, c in zip(begins, chords, strict=True) if t < length]
    return ChordMap.from_chords(entries).simplified()


def progression_key(progression: Progression) -> int:
    """Return the tonic, -6..5, of the major scale that has most of the tones of a progression."""
    shares = np.zeros(12)
    for chords in progression:
        for chord in chords:
            tones = list(chord.pitch_classes)
            shares[tones] += 1 / (len(chords) * max(len(tones), 1))
    return estimate_diatonic_key(np.arange(12), shares)
