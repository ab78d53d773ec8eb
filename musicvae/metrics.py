"""Floor 4: scores on arrays of notes."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from musicvae.windows import CARRY

Rows = NDArray[np.int64]


class F1(NamedTuple):
    """Precision, recall and their harmonic mean over notes."""

    precision: float
    recall: float
    f1: float


def note_f1(predicted: Rows, actual: Rows, *, parts: bool = True, durations: bool = False) -> F1:
    """Onset-and-pitch F1 over all notes of all windows (micro average).

    `predicted`, `actual`: `(M, 8)` rows `(window, bar, position, part, pitch, duration, velocity,
    timing)`.
    Carry-ins have no onset and do not count. `parts`: a note must be in the right part;
    `durations`: it must also last as long. Two empty sides score 1.
    """
    a, b = (_keys(rows, parts, durations) for rows in (predicted, actual))
    if not len(a) and not len(b):
        return F1(1.0, 1.0, 1.0)
    hits = len(np.intersect1d(a, b, assume_unique=False))
    precision, recall = hits / max(len(a), 1), hits / max(len(b), 1)
    return F1(precision, recall, 2 * hits / (len(a) + len(b)))


def windows_perfect(predicted: Rows, actual: Rows, n_windows: int) -> float:
    """Share of windows whose notes (onset, part, pitch, duration) are all right and no others."""
    a, b = (_keys(rows, True, True, unique=False) for rows in (predicted, actual))
    windows = (predicted[predicted[:, 2] != CARRY, 0], actual[actual[:, 2] != CARRY, 0])
    wrong = np.zeros(n_windows, bool)
    wrong[windows[0][~np.isin(a, b)]] = True
    wrong[windows[1][~np.isin(b, a)]] = True
    return float(1 - wrong.mean()) if n_windows else 1.0


def _keys(rows: Rows, parts: bool, durations: bool, unique: bool = True) -> NDArray[np.int64]:
    rows = rows[rows[:, 2] != CARRY]
    window, bar, position, part, pitch, duration = rows.T[:6]
    key = (window * 64 + bar) * 4096 + position
    key = (key * 64 + (part if parts else 0)) * 128 + pitch
    if durations:
        key = key * 1024 + np.minimum(duration, 1023)
    return np.unique(key) if unique else key
