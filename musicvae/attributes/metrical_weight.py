"""Metrical weights: the strength of each cell of a bar (Longuet-Higgins and Lee 1984)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from musicvae.arrays import Floats, Ints
from musicvae.representation.grid import beat_length, is_compound
from musicvae.representation.note_table import NoteTable

_N_LEVELS = 6  # below the beat


def metrical_weights(table: NoteTable, meters: Sequence[str]) -> Floats:
    """Return the metrical weight of every unmasked cell. `(cells,)`

    0 at a bar line, -1 in the middle of a bar of two halves, -2 on other beats, -3 halfway through
    a beat (or on its thirds), and so on. In 6/8, 9/8 and 12/8 a beat is a dotted quarter. `meters`:
    names of the table's meters 1, 2, ...; any other is taken for 4/4.
    """
    T = int(table.steps.max(initial=1))
    step = np.arange(T)
    bar_types, index = np.unique(
        np.stack([table.meter.ravel(), table.steps.ravel()]), axis=1, return_inverse=True
    )
    weights = [
        _bar_weights(step, steps, *_beat(meter, meters, table.steps_per_quarter))
        for meter, steps in bar_types.T.tolist()
    ]
    by_bar = np.stack(weights)[index.reshape(-1)]
    unmasked = (step >= table.lead_steps.reshape(-1, 1)) & (step < table.steps.reshape(-1, 1))
    return np.asarray(by_bar[unmasked], np.float64)


def _beat(meter: int, meters: Sequence[str], steps_per_quarter: int) -> tuple[float, int]:
    """Return the steps of a beat, and into how many parts it is divided."""
    name = meters[meter - 1] if 0 < meter <= len(meters) else "4/4"
    numerator, denominator = (int(n) for n in name.split("/"))
    beat_steps = beat_length(numerator, denominator) * steps_per_quarter
    return beat_steps, 3 if is_compound(numerator, denominator) else 2


def _bar_weights(step: Ints, steps: int, beat: float, division: int) -> Ints:
    weight = np.full(len(step), -3 - _N_LEVELS)
    size = beat / division
    for depth in range(_N_LEVELS - 1, -1, -1):
        weight[np.isclose(step % (size / 2**depth), 0)] = -3 - depth
    weight[np.isclose(step % beat, 0)] = -2
    if steps and np.isclose(steps / beat % 2, 0):
        weight[2 * step == steps] = -1
    weight[0] = 0
    return weight
