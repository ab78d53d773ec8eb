"""Floor 4: how strong each cell of a bar is: bar line, half bar, beat, and so on by halves."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from musicvae.representation.note_table import Table

_LEVELS = 6


def weights_of(table: Table, meters: Sequence[str]) -> NDArray[np.float64]:
    """The level of every open cell: 0 at a bar line, -1 in the middle of a bar of two halves, -2 on
    other beats, -3 in the middle of a beat (or on its thirds), and so on. `(cells,)`

    These are the weights of Longuet-Higgins and Lee (1984), counted from the bar line. In 6/8, 9/8
    and 12/8 a beat is a dotted quarter.
    """
    T = int(table.steps.max(initial=1))
    step = np.arange(T)
    keys, index = np.unique(
        np.stack([table.meter.ravel(), table.steps.ravel()]), axis=1, return_inverse=True
    )
    kinds = [
        _levels(step, steps, *_beat(meter, meters, table.steps_per_quarter))
        for meter, steps in keys.T.tolist()
    ]
    every = np.stack(kinds)[index.reshape(-1)]
    open_ = (step >= table.lead.reshape(-1, 1)) & (step < table.steps.reshape(-1, 1))
    return np.asarray(every[open_], np.float64)


def _beat(meter: int, meters: Sequence[str], quarter: int) -> tuple[float, int]:
    """Cells of a beat, and into how many parts it falls first."""
    name = meters[meter - 1] if 0 < meter <= len(meters) else "4/4"
    numerator, denominator = (int(n) for n in name.split("/"))
    if denominator >= 8 and numerator % 3 == 0:
        return 12 * quarter / denominator, 3
    return 4 * quarter / denominator, 2


def _levels(step: NDArray[np.int64], steps: int, beat: float, division: int) -> NDArray[np.int64]:
    level = np.full(len(step), -3 - _LEVELS)
    size = beat / division
    for depth in range(_LEVELS - 1, -1, -1):
        level[np.isclose(step % (size / 2**depth), 0)] = -3 - depth
    level[np.isclose(step % beat, 0)] = -2
    if steps and np.isclose(steps / beat % 2, 0):
        level[2 * step == steps] = -1
    level[0] = 0
    return level
