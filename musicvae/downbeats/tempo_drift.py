"""Phase coherence of onsets with a grid, and tracking of a grid whose tempo drifts.

Tightness is the resultant length of onset phases (Mardia and Jupp, Directional Statistics, 2000):
1 if all onsets share one phase of the grid, about 0 if they are independent of it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from musicvae.arrays import Floats, Ints

BINARY, TERNARY = 4, 3  # grid points a quarter: sixteenths, eighth triplets
MAX_DRIFT = 0.015  # quarters a quarter; larger tempo errors are not tracked
_N_PHASE_BINS = 36  # in one period of the grid
_N_DRIFTS = 5  # from -MAX_DRIFT to MAX_DRIFT
_PHASE_STD = 0.09  # of onsets around the grid, as a share of its period
_DRIFT_CHANGE_COST = 1.5  # nats, from one quarter to the next


def phase_coherence(onset_quarters: Floats) -> dict[int, complex]:
    """Return the mean phasor of onsets, in quarters, at 1, 2, 3, 4, 6, 8 and 12 a quarter."""
    if not len(onset_quarters):
        return dict.fromkeys((1, 2, 3, 4, 6, 8, 12), 0j)
    z = np.empty((7, len(onset_quarters)), np.complex128)
    one, two, three, four, six, eight, twelve = z
    np.exp(2j * np.pi * onset_quarters, out=one)
    np.multiply(one, one, out=two)
    np.multiply(two, one, out=three)
    np.multiply(two, two, out=four)
    np.multiply(three, three, out=six)
    np.multiply(four, four, out=eight)
    np.multiply(six, six, out=twelve)
    return dict(zip((1, 2, 3, 4, 6, 8, 12), z.mean(1).tolist(), strict=True))


@dataclass(frozen=True, kw_only=True, eq=False)
class TempoDrift:
    """A drifting grid: at quarter `i` of the file it is `offset_quarters[i]` late. `(Q,)`"""

    offset_quarters: Floats
    tightness: float
    """Resultant length of onset phases around the drifting grid."""


def track_drift(onset_quarters: Floats, per_quarter: int) -> TempoDrift:
    """Track a grid of `per_quarter` points a quarter whose phase drifts by at most `MAX_DRIFT`.

    `onset_quarters`: `(M,)` in quarters of the file, in any order. The most likely path of phase
    and drift is found exactly by dynamic programming, one step a quarter.
    """
    Q = int(onset_quarters.max(initial=0)) + 1
    phase = (onset_quarters * per_quarter) % 1
    cell = np.minimum((phase * _N_PHASE_BINS).astype(np.int64), _N_PHASE_BINS - 1)
    counts = np.bincount(
        onset_quarters.astype(np.int64) * _N_PHASE_BINS + cell, minlength=Q * _N_PHASE_BINS
    )
    # Simultaneous notes carry little more information than one.
    log_likelihood = np.sqrt(counts.reshape(Q, _N_PHASE_BINS)) @ _PHASE_LOG_LIKELIHOOD  # (Q, bins)
    moves = np.round(np.linspace(-1, 1, _N_DRIFTS) * MAX_DRIFT * per_quarter * _N_PHASE_BINS, 6)
    offset = _unwrap(_best_path(log_likelihood, moves)) / _N_PHASE_BINS / per_quarter
    at = np.interp(onset_quarters, np.arange(Q) + 0.5, offset)
    around = np.exp(2j * np.pi * per_quarter * (onset_quarters - at)).mean()
    # Add the remaining constant offset.
    offset = offset + np.angle(around) / (2 * np.pi * per_quarter)
    return TempoDrift(offset_quarters=offset, tightness=float(abs(around)))


def _phase_log_likelihood() -> Floats:
    distance = (
        np.abs(np.arange(_N_PHASE_BINS)[:, None] - np.arange(_N_PHASE_BINS)[None] + 0.5)
        / _N_PHASE_BINS
    )
    distance = np.minimum(distance % 1, 1 - distance % 1)
    density = np.exp(-0.5 * (distance / _PHASE_STD) ** 2) / (_PHASE_STD * np.sqrt(2 * np.pi))
    return np.log(0.15 + 0.85 * density)


_PHASE_LOG_LIKELIHOOD = _phase_log_likelihood()


def _best_path(log_likelihood: Floats, moves: Floats) -> Ints:
    """Return the phase bin of the best path at each quarter `(Q,)`; drifts are dithered to bins."""
    Q, S = len(log_likelihood), len(moves)
    bins = np.arange(_N_PHASE_BINS)
    score = np.repeat(log_likelihood[0][:, None], S, 1)  # (bins, slopes)
    back = np.zeros((Q, _N_PHASE_BINS, S), np.int8)
    bend = -_DRIFT_CHANGE_COST * np.abs(np.arange(S)[:, None] - np.arange(S)[None])  # (from, to)
    for q in range(1, Q):
        step = (np.round(moves * q) - np.round(moves * (q - 1))).astype(np.int64)
        before = score[(bins[:, None] - step) % _N_PHASE_BINS, np.arange(S)]  # by the slope taken
        options = before[:, :, None] + bend  # (bins, from, to)
        back[q] = options.argmax(1)
        score = options.max(1) + log_likelihood[q][:, None]
    path = np.zeros(Q, np.int64)
    at, slope = (int(i) for i in np.unravel_index(int(score.argmax()), score.shape))
    for q in range(Q - 1, 0, -1):
        path[q] = at
        slope = int(back[q, at, slope])
        at = (
            at - int(np.round(moves[slope] * q) - np.round(moves[slope] * (q - 1)))
        ) % _N_PHASE_BINS
    path[0] = at
    return path


def _unwrap(path: Ints) -> Floats:
    """Return phase bins as a continuous, smoothed curve. `(Q,)`"""
    jump = np.diff(path)
    jump = (jump + _N_PHASE_BINS // 2) % _N_PHASE_BINS - _N_PHASE_BINS // 2
    line = path[0] + 0.5 + np.concatenate([[0], np.cumsum(jump)])
    return _smooth(line.astype(np.float64))


def _smooth(line: Floats, half: int = 4) -> Floats:
    """Return the moving average over nine quarters, extrapolated at both ends."""
    if len(line) < 2:
        return line
    head = 2 * line[0] - line[1 : half + 1][::-1] if len(line) > half else np.full(half, line[0])
    tail = (
        2 * line[-1] - line[-half - 1 : -1][::-1] if len(line) > half else np.full(half, line[-1])
    )
    padded = np.concatenate([head, line, tail])
    return np.convolve(padded, np.full(2 * half + 1, 1 / (2 * half + 1)), "valid")
