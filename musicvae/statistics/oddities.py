"""Floor 4: windows in which nothing happens."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from musicvae.tables import PART, PITCH, WINDOW, Table

_MEMBER = np.random.default_rng(1).integers(1, 2**63, 128).astype(np.uint64)


def empty(table: Table) -> NDArray[np.bool_]:
    """Which windows have no onset. `(W,)`"""
    return np.bincount(table.rows[table.onsets, WINDOW], minlength=len(table)) == 0


def stuck(table: Table) -> NDArray[np.bool_]:
    """Which windows have onsets, but of each part always of the same pitches. `(W,)`

    A window with a single note is one of them. Drums count only where there is nothing else.
    """
    R, part = len(table.kinds), table.rows[:, PART]
    which = table.onsets & (~table.is_drums[part] | bool(table.is_drums.all()))
    rows, size = table.rows[which], table.n_cells + 1
    line = rows[:, WINDOW] * R + rows[:, PART]
    moment, nth = np.unique(line * size + table.start[which], return_inverse=True)
    sound = np.zeros(len(moment), np.uint64)  # the sum of a random number for each pitch
    np.add.at(sound, nth, _MEMBER[np.clip(rows[:, PITCH], 0, 127)])
    moves = (np.diff(moment // size) == 0) & (np.diff(sound.view(np.int64)) != 0)
    moving = np.bincount(moment[1:][moves] // size // R, minlength=len(table)) > 0
    return (np.bincount(rows[:, WINDOW], minlength=len(table)) > 0) & ~moving
