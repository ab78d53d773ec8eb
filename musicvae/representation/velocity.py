"""Floor 4: velocities for notes that have none, from where they stand.

Generated notes are played as a musician would play them at sight: strong beats a little louder,
the top line above the rest, phrases of four bars that swell and fall.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from musicvae.representation.bars import Notes
from musicvae.representation.grid import Grid
from musicvae.song import Ints

_PHRASE_BARS = 4


def accents(grid: Grid, notes: Notes, song: Ints | None = None) -> Ints:
    """How much louder than its surroundings each note is, in MIDI velocity. `(M,)`

    Notes of several songs over the same bars may come together: `song` `(M,)` tells them apart.
    """
    quarter = Fraction(grid.steps_per_quarter)
    step, bar = notes.step, notes.bar
    numerator, denominator = grid.numerator[bar], grid.denominator[bar]
    compound = (denominator == 8) & (numerator % 3 == 0)
    beat = np.where(compound, float(quarter * 3 / 2), 4.0 * float(quarter) / denominator)
    on_beat = np.isclose(step % beat, 0)
    middle = (numerator % 2 == 0) & np.isclose(step * 2, grid.steps[bar])
    strength = np.where(step == 0, 9, np.where(middle & on_beat, 5, np.where(on_beat, 2, -5)))
    phrase = (bar % _PHRASE_BARS + step / np.maximum(grid.steps[bar], 1)) / _PHRASE_BARS
    swell = np.round(6 * np.sin(np.pi * phrase)) - 3
    return (strength + swell + 3 * _is_top(notes, song)).astype(np.int64)


def bar_levels(n_bars: int, n_parts: int, notes: Notes) -> NDArray[np.float64]:
    """Mean velocity of each part in each bar `(N, parts)`; silent bars take the part's mean."""
    total, count = np.zeros((2, n_bars, n_parts))
    np.add.at(total, (notes.bar, notes.part), notes.velocity)
    np.add.at(count, (notes.bar, notes.part), 1)
    overall = total.sum(0) / np.maximum(count.sum(0), 1)
    overall[count.sum(0) == 0] = 76
    return np.where(count > 0, total / np.maximum(count, 1), overall)


def played(grid: Grid, notes: Notes, levels: NDArray[np.float64], song: Ints | None = None) -> Ints:
    """Velocities around the level of each bar and part `(N, parts)`, with `accents`. `(M,)`"""
    if not len(notes):
        return notes.velocity
    accent = accents(grid, notes, song)
    level = levels[np.minimum(notes.bar, len(levels) - 1), notes.part]
    return np.clip(np.round(level + accent), 1, 127).astype(np.int64)


def _is_top(notes: Notes, song: Ints | None) -> NDArray[np.bool_]:
    """Whether a note is the highest of those that start with it."""
    place = notes.bar * 4096 + notes.step
    if song is not None:
        place = place + song * (1 + int(place.max(initial=0)))
    order = np.lexsort((notes.pitch, place))
    highest = np.append(np.diff(place[order]) != 0, True)[: len(order)]
    top = np.zeros(len(notes), bool)
    top[order[highest]] = True
    return top
