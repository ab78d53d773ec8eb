"""Floor 2: how tightly onsets lie on a grid, by how much the grid is shifted, and how it drifts.

Tightness is the resultant length of onset phase (Mardia and Jupp, Directional Statistics, 2000):
1 when all onsets share one phase of the grid, about 0 when they know nothing of it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from musicvae.song import Ints

Reals = NDArray[np.float64]

BINARY, TERNARY = 4, 3  # onsets a quarter that a grid expects: sixteenths, triplets of eighths
MAX_DRIFT = 0.015  # quarters a quarter: a tempo that is off by more is not a drift
_BINS = 36  # phases that the tracker tells apart in one period of the grid
_SLOPES = 5  # drifts that it tells apart, from -MAX_DRIFT to MAX_DRIFT
_SPREAD = 0.09  # of a period: how far onsets of a good player lie from the grid
_BEND = 1.5  # nats that a change of drift from one quarter to the next costs


def resultants(quarter: Reals) -> dict[int, complex]:
    """Mean phasor of onsets, in quarters, at 1, 2, 3, 4, 6, 8 and 12 a quarter."""
    if not len(quarter):
        return dict.fromkeys((1, 2, 3, 4, 6, 8, 12), 0j)
    z = np.empty((7, len(quarter)), np.complex128)
    one, two, three, four, six, eight, twelve = z
    np.exp(2j * np.pi * quarter, out=one)
    np.multiply(one, one, out=two)
    np.multiply(two, one, out=three)
    np.multiply(two, two, out=four)
    np.multiply(three, three, out=six)
    np.multiply(four, four, out=eight)
    np.multiply(six, six, out=twelve)
    return dict(zip((1, 2, 3, 4, 6, 8, 12), z.mean(1).tolist(), strict=True))


@dataclass(frozen=True, kw_only=True, eq=False)
class Drift:
    """A grid that moves: at quarter `i` of the file it lies `offset[i]` quarters late. `(Q,)`"""

    offset: Reals
    tightness: float
    """Resultant length of onset phase around the moving grid."""


def track(quarter: Reals, per_quarter: int) -> Drift:
    """Follow a grid of so many onsets a quarter whose phase moves slowly, by at most `MAX_DRIFT`.

    `quarter` are onsets in quarters of the file, sorted or not. The likeliest path of phase and
    drift is found exactly by dynamic programming, a step a quarter.
    """
    Q = int(quarter.max(initial=0)) + 1
    phase = (quarter * per_quarter) % 1
    cell = np.minimum((phase * _BINS).astype(np.int64), _BINS - 1)
    counts = np.bincount(quarter.astype(np.int64) * _BINS + cell, minlength=Q * _BINS)
    # Many notes at once tell little more than one.
    heard = np.sqrt(counts.reshape(Q, _BINS)) @ _KERNEL  # (Q, bins)
    moves = np.round(np.linspace(-1, 1, _SLOPES) * MAX_DRIFT * per_quarter * _BINS, 6)
    offset = _unwrapped(_best_path(heard, moves)) / _BINS / per_quarter
    at = np.interp(quarter, np.arange(Q) + 0.5, offset)
    around = np.exp(2j * np.pi * per_quarter * (quarter - at)).mean()
    # What is left of a constant shift goes into the path.
    offset = offset + np.angle(around) / (2 * np.pi * per_quarter)
    return Drift(offset=offset, tightness=float(abs(around)))


def _kernel() -> Reals:
    distance = np.abs(np.arange(_BINS)[:, None] - np.arange(_BINS)[None] + 0.5) / _BINS
    distance = np.minimum(distance % 1, 1 - distance % 1)
    density = np.exp(-0.5 * (distance / _SPREAD) ** 2) / (_SPREAD * np.sqrt(2 * np.pi))
    return np.log(0.15 + 0.85 * density)


_KERNEL = _kernel()


def _best_path(heard: Reals, moves: Reals) -> Ints:
    """The phase, in bins, of the best path at each quarter `(Q,)`; drifts are dithered to bins."""
    Q, S = len(heard), len(moves)
    bins = np.arange(_BINS)
    score = np.repeat(heard[0][:, None], S, 1)  # (bins, slopes)
    back = np.zeros((Q, _BINS, S), np.int8)
    bend = -_BEND * np.abs(np.arange(S)[:, None] - np.arange(S)[None])  # (from, to)
    for q in range(1, Q):
        step = (np.round(moves * q) - np.round(moves * (q - 1))).astype(np.int64)
        before = score[(bins[:, None] - step) % _BINS, np.arange(S)]  # by the slope taken
        options = before[:, :, None] + bend  # (bins, from, to)
        back[q] = options.argmax(1)
        score = options.max(1) + heard[q][:, None]
    path = np.zeros(Q, np.int64)
    at, slope = (int(i) for i in np.unravel_index(int(score.argmax()), score.shape))
    for q in range(Q - 1, 0, -1):
        path[q] = at
        slope = int(back[q, at, slope])
        at = (at - int(np.round(moves[slope] * q) - np.round(moves[slope] * (q - 1)))) % _BINS
    path[0] = at
    return path


def _unwrapped(path: Ints) -> Reals:
    """Bins as a continuous line."""
    jump = np.diff(path)
    jump = (jump + _BINS // 2) % _BINS - _BINS // 2
    line = path[0] + 0.5 + np.concatenate([[0], np.cumsum(jump)])
    return _smooth(line.astype(np.float64))


def _smooth(line: Reals, half: int = 4) -> Reals:
    """Means over nine quarters, straight on at both ends."""
    if len(line) < 2:
        return line
    head = 2 * line[0] - line[1 : half + 1][::-1] if len(line) > half else np.full(half, line[0])
    tail = (
        2 * line[-1] - line[-half - 1 : -1][::-1] if len(line) > half else np.full(half, line[-1])
    )
    padded = np.concatenate([head, line, tail])
    return np.convolve(padded, np.full(2 * half + 1, 1 / (2 * half + 1)), "valid")
