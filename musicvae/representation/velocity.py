"""Rule-based velocities for notes without any, from their place in meter, phrase and chord.

Strong beats are a little louder, the top line stands out, and phrases of four bars swell and fall.
"""

from __future__ import annotations

import numpy as np

from musicvae.arrays import Bools, Floats, Ints
from musicvae.representation.bars import Notes
from musicvae.representation.grid import Grid, beat_length

_PHRASE_BARS = 4
_DEFAULT_VELOCITY = 76


def metrical_accents(grid: Grid, notes: Notes, song: Ints | None = None) -> Ints:
    """Return how much louder than its surroundings each note is, in MIDI velocity. `(M,)`

    Notes of several songs over the same bars may be mixed if `song` `(M,)` numbers their songs.
    """
    step, bar = notes.step, notes.bar
    numerator, denominator = grid.numerator[bar], grid.denominator[bar]
    # Only eighths form compound beats here; in 6/16 every sixteenth is a beat.
    beat = np.where(denominator == 8, beat_length(numerator, denominator), 4.0 / denominator)
    on_beat = np.isclose(step % (beat * grid.steps_per_quarter), 0)
    mid_bar = (numerator % 2 == 0) & np.isclose(step * 2, grid.steps[bar])
    strength = np.where(step == 0, 9, np.where(mid_bar & on_beat, 5, np.where(on_beat, 2, -5)))
    phrase = (bar % _PHRASE_BARS + step / np.maximum(grid.steps[bar], 1)) / _PHRASE_BARS
    swell = np.round(6 * np.sin(np.pi * phrase)) - 3
    return (strength + swell + 3 * _is_top_note(notes, song)).astype(np.int64)


def bar_velocities(n_bars: int, n_parts: int, notes: Notes) -> Floats:
    """Return the mean velocity of each part in each bar `(N, R)`; silent bars get the part's."""
    total, count = np.zeros((2, n_bars, n_parts))
    np.add.at(total, (notes.bar, notes.part), notes.velocity)
    np.add.at(count, (notes.bar, notes.part), 1)
    overall = total.sum(0) / np.maximum(count.sum(0), 1)
    overall[count.sum(0) == 0] = _DEFAULT_VELOCITY
    return np.where(count > 0, total / np.maximum(count, 1), overall)


def metrical_velocities(
    grid: Grid, notes: Notes, mean_velocity: Floats, song: Ints | None = None
) -> Ints:
    """Return velocities `(M,)`: the mean of each bar and part `(N, R)` plus metrical accents."""
    if not len(notes):
        return notes.velocity
    accents = metrical_accents(grid, notes, song)
    mean = mean_velocity[np.minimum(notes.bar, len(mean_velocity) - 1), notes.part]
    return np.clip(np.round(mean + accents), 1, 127).astype(np.int64)


def _is_top_note(notes: Notes, song: Ints | None) -> Bools:
    """Return whether each note is the highest of those that start with it. `(M,)`"""
    moment = notes.bar * 4096 + notes.step
    if song is not None:
        moment = moment + song * (1 + int(moment.max(initial=0)))
    order = np.lexsort((notes.pitch, moment))
    is_highest = np.append(np.diff(moment[order]) != 0, True)[: len(order)]
    top = np.zeros(len(notes), bool)
    top[order[is_highest]] = True
    return top
