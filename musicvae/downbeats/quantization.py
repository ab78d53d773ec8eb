"""Floor 2: the grid that onsets lie on: its step, its phase, its drift, or that there is none."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from musicvae.downbeats.tempo_drift import BINARY, TERNARY, Drift, Reals, resultants, track
from musicvae.downbeats.time_warp import Warp

STEADY = 0.8  # tightness from which on nothing can be gained by letting the grid drift
LOOSE = 0.4  # tightness of a steady grid below which there is none
LOOSE_DRUMS = 0.2  # the same for drums alone, which are played to a click or not at all
LOOSE_DRIFT = 0.7  # tightness around a drifting grid below which there is none
_MIN_ONSETS, _MIN_QUARTERS = 32, 16  # less than this is too little to judge
_LONGEST_QUARTERS = 10_000  # a longer piece is not searched for a drift
_NEGLIGIBLE = 1 / 80  # of a quarter: a smaller shift changes no cell
_CELL = 0.25  # quarters


@dataclass(frozen=True, kw_only=True, eq=False)
class GridFit:
    """What grid was found; `warp` takes the file's ticks onto it.

    `steps_per_quarter` is 4 or, where triplets or swing are tighter, 12; `tightness` of onsets at
    4 and at 12 steps a quarter, without regard to drift.
    """

    steps_per_quarter: int
    tightness: dict[int, float]
    fit: float
    """Tightness around the grid that was chosen."""
    drifts: bool
    gridded: bool
    warp: Warp

    @property
    def decline(self) -> str:
        """Why there is nothing to learn bars from, empty if there is a grid."""
        return "" if self.gridded else f"a performance without a grid (tightness {self.fit:.2f})"


def fit_grid(onset_quarters: Reals, ticks_per_quarter: int, *, drums_alone: bool) -> GridFit:
    """The grid of these onsets, in quarters of the file and in rising order."""
    R = resultants(onset_quarters)
    strength = {k: abs(R[k]) for k in R}
    at4, at12 = strength[4], max(strength[12], strength[3])
    steady = max(at4, at12, strength[8])
    ternary = at12 > at4 + 0.05
    fit, drift = steady, None
    if steady < STEADY and 1 < onset_quarters[-1:].sum() < _LONGEST_QUARTERS:
        found = {k: track(onset_quarters, k) for k in (BINARY, TERNARY)}
        k = TERNARY if found[TERNARY].tightness > found[BINARY].tightness + 0.05 else BINARY
        if found[k].tightness > max(steady + 0.15, 0.6):
            drift, fit, ternary = found[k], found[k].tightness, k == TERNARY
    few = 1 + np.count_nonzero(np.diff(np.round(onset_quarters * 16))) < _MIN_ONSETS
    short = few or onset_quarters[-1] - onset_quarters[0] < _MIN_QUARTERS
    limit = LOOSE_DRUMS if drums_alone else LOOSE_DRIFT if drift else LOOSE
    if drift is None:
        offset = _steady_offset(onset_quarters, R, ternary)
        warp = _shift(offset, onset_quarters, ticks_per_quarter)
    else:
        warp = _moving(drift, onset_quarters, ticks_per_quarter, ternary)
    return GridFit(
        steps_per_quarter=12 if ternary else 4,
        tightness={4: at4, 12: at12},
        fit=fit,
        drifts=drift is not None,
        gridded=bool(short or fit >= limit),
        warp=warp,
    )


def _steady_offset(quarter: Reals, R: dict[int, complex], ternary: bool) -> float:
    """By how many quarters, within a cell, the grid lies late."""
    if ternary:
        k = 12 if abs(R[12]) >= abs(R[3]) else 3
    else:
        k = 4 if abs(R[4]) >= 0.6 * abs(R[8]) else 8
    offset = float(np.angle(R[k])) / (2 * np.pi * k)
    return offset if k == 4 else _chosen(quarter, offset)


def _chosen(quarter: Reals, offset: float) -> float:
    """The offset, of those that a finer grid allows within a cell, on which long notes begin."""
    options = (offset + np.array([0, 1, -1, 1.5]) / 12 + _CELL / 2) % _CELL - _CELL / 2
    weight = np.diff(quarter, append=quarter[-1:] + 1)
    fits = [
        sum(float((weight * np.cos(2 * np.pi * k * (quarter - o))).sum()) for k in (1, 2, 4))
        for o in options
    ]
    # The first one, nearest to no offset at all, wins unless another is clearly better.
    best = int(np.argmax(fits))
    return float(options[best if fits[best] > fits[0] + 0.1 * weight.sum() else 0])


def _shift(offset: float, quarter: Reals, tpq: int) -> Warp:
    if abs(offset) < _NEGLIGIBLE:
        return Warp.shift(0)
    earlier = round(offset * tpq)
    if _is_early(quarter, offset):
        at = np.array([0.0, _CELL * tpq])
        return Warp(file_ticks=at, song_ticks=at - [0, earlier])
    return Warp.shift(-earlier)


def _is_early(quarter: Reals, offset: float) -> bool:
    """Whether the file begins with a note that is ahead of the grid, less than half a cell.

    It is meant to be at the grid's zero. There is no room to move earlier, and a cell later it
    would be a pickup: the time up to the first notes that are in time is squeezed instead.
    """
    return bool(quarter[0] - offset < -_NEGLIGIBLE)


def _moving(drift: Drift, quarter: Reals, tpq: int, ternary: bool) -> Warp:
    offset = drift.offset
    if ternary:
        offset = offset + _chosen(quarter - np.interp(quarter, _middles(offset), offset), 0.0)
    offset = offset - _CELL * np.round(offset[0] / _CELL)
    at = _middles(offset)
    if _is_early(quarter, float(offset[0])):
        at, offset = np.append(0.0, at), np.append(0.0, offset)
    return Warp(file_ticks=at * tpq, song_ticks=(at - offset) * tpq)


def _middles(offset: Reals) -> Reals:
    return np.arange(0.5, len(offset))
