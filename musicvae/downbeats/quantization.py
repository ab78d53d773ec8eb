"""Grid estimation: step, offset and drift of the grid that the onsets lie on, if there is one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from musicvae.arrays import Floats, Ints
from musicvae.downbeats.swing_ratio import estimate_swing, straightened
from musicvae.downbeats.tempo_drift import BINARY, TERNARY, TempoDrift, phase_coherence, track_drift
from musicvae.downbeats.time_warp import TimeWarp

MAX_TIGHTNESS_FOR_DRIFT = 0.8  # of a constant grid, above which no drift is searched
MIN_TIGHTNESS = 0.4  # of a constant grid
MIN_TIGHTNESS_DRUMS = 0.2  # the same for drums alone, which are usually played to a click
MIN_TIGHTNESS_DRIFT = 0.7  # of a drifting grid
_MIN_ONSETS, _MIN_QUARTERS = 32, 16  # shorter songs are taken to be on the grid
_MAX_DRIFT_QUARTERS = 10_000  # in longer songs no drift is searched
_MIN_OFFSET_QUARTERS = 1 / 80  # smaller offsets change no cell
_CELL_QUARTERS = 0.25


UNGRIDDED = "a performance without a grid"
UNGRIDDED_HINT = (
    "--allow-ungridded (in Python estimate_barlines(song, ungridded=True)) tracks its beats from "
    "the onsets, for bars with a tempo map"
)


@dataclass(frozen=True, kw_only=True)
class TrackedBars:
    """Bars of a performance as beat tracking found them: one meter from cell `first_cell` on."""

    first_cell: int
    numerator: int
    denominator: int
    log_likelihood: float
    """Of the onsets."""

    @property
    def meter_change(self) -> tuple[int, int, int]:
        """Cell, numerator and denominator, as in `meter_map`."""
        return self.first_cell, self.numerator, self.denominator

    def bar_lines(self, n_cells: int, first_cell: int) -> Ints:
        """Return the bar lines among `n_cells` cells from `first_cell` on, from 0. `(K,)`"""
        length = round(4 * self.numerator / self.denominator / _CELL_QUARTERS)
        return np.arange((self.first_cell - first_cell) % length, n_cells, length)


@dataclass(frozen=True, kw_only=True, eq=False)
class GridEstimate:
    """The estimated grid; `warp` maps the ticks of the file to it.

    `steps_per_quarter` is 4 or, where triplets or swing fit better, 12; `tightness` is that of the
    onsets at 4 and at 12 steps a quarter, ignoring drift.
    """

    steps_per_quarter: int
    tightness: dict[int, float]
    best_tightness: float
    """Tightness around the estimated grid."""
    drifts: bool
    is_metrical: bool
    warp: TimeWarp
    tracked: TrackedBars | None = None
    """Bars of a performance whose beats were tracked; the warp goes through its onsets."""

    @property
    def reject_reason(self) -> str:
        """Why the song has no usable bars, and what to do, in one line; empty if there is a grid.

        The same words wherever a performance is declined, so that reports count them together.
        """
        return "" if self.is_metrical else f"{UNGRIDDED}; {UNGRIDDED_HINT}"

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a user should know of the grid, one line each."""
        if self.tracked is not None:
            return (f"beats are tracked from the onsets of {UNGRIDDED}",)
        drifts = ("the tempo drifts away from the one stated in the file",) * self.drifts
        return (*drifts, *((UNGRIDDED,) * (not self.is_metrical)))


def estimate_grid(
    onset_quarters: Floats, ticks_per_quarter: int, *, drums_alone: bool, in_place: bool = False
) -> GridEstimate:
    """Estimate the grid of onsets `(M,)`, in quarters of the file and in ascending order.

    Notes that stay `in_place` are on the grid of the file: the warp is none, and swing counts only
    as a reason why a file that fits no straight grid has one.
    """
    R = phase_coherence(onset_quarters)
    strength = {k: abs(R[k]) for k in R}
    at4, at12 = strength[4], max(strength[12], strength[3])
    steady = max(at4, at12, strength[8])
    ternary = at12 > at4 + 0.05
    fit, drift = steady, None
    if steady < MAX_TIGHTNESS_FOR_DRIFT and 1 < onset_quarters[-1:].sum() < _MAX_DRIFT_QUARTERS:
        found = {k: track_drift(onset_quarters, k) for k in (BINARY, TERNARY)}
        k = TERNARY if found[TERNARY].tightness > found[BINARY].tightness + 0.05 else BINARY
        if found[k].tightness > max(steady + 0.15, 0.6):
            drift, fit, ternary = found[k], found[k].tightness, k == TERNARY
    few = 1 + np.count_nonzero(np.diff(np.round(onset_quarters * 16))) < _MIN_ONSETS
    short = few or onset_quarters[-1] - onset_quarters[0] < _MIN_QUARTERS
    limit = MIN_TIGHTNESS_DRUMS if drums_alone else MIN_TIGHTNESS_DRIFT if drift else MIN_TIGHTNESS
    warp, tpq = TimeWarp.shift(0), ticks_per_quarter
    if drift is not None:
        warp = _drifting_warp(drift, onset_quarters, tpq, ternary)
    swing = None
    if not (in_place and (short or fit >= limit)):
        swing = estimate_swing(warp.forward(onset_quarters * tpq) / tpq)
    if swing is not None:
        fit, ternary = max(fit, swing.tightness), False
        warp = straightened(warp, swing, onset_quarters[0] * tpq, tpq)
    elif drift is None:
        offset = _constant_offset(onset_quarters, R, ternary)
        warp = _constant_warp(offset, onset_quarters, tpq)
    return GridEstimate(
        steps_per_quarter=12 if ternary else 4,
        tightness={4: at4, 12: at12},
        best_tightness=fit,
        drifts=drift is not None,
        is_metrical=bool(short or fit >= limit),
        warp=TimeWarp.shift(0) if in_place else warp,
    )


def _constant_offset(onset_quarters: Floats, R: dict[int, complex], ternary: bool) -> float:
    """Return the offset of the grid in quarters, within a cell, positive if late."""
    if ternary:
        k = 12 if abs(R[12]) >= abs(R[3]) else 3
    else:
        k = 4 if abs(R[4]) >= 0.6 * abs(R[8]) else 8
    offset = float(np.angle(R[k])) / (2 * np.pi * k)
    return offset if k == 4 else _resolve_offset(onset_quarters, offset)


def _resolve_offset(onset_quarters: Floats, offset: float) -> float:
    """Return the offset, among those a finer grid allows in a cell, where long notes begin."""
    options = (
        offset + np.array([0, 1, -1, 1.5]) / 12 + _CELL_QUARTERS / 2
    ) % _CELL_QUARTERS - _CELL_QUARTERS / 2
    weight = np.diff(onset_quarters, append=onset_quarters[-1:] + 1)
    fits = [
        sum(float((weight * np.cos(2 * np.pi * k * (onset_quarters - o))).sum()) for k in (1, 2, 4))
        for o in options
    ]
    # Keep the first option, nearest to no offset, unless another is clearly better.
    best = int(np.argmax(fits))
    return float(options[best if fits[best] > fits[0] + 0.1 * weight.sum() else 0])


def _constant_warp(offset: float, onset_quarters: Floats, tpq: int) -> TimeWarp:
    if abs(offset) < _MIN_OFFSET_QUARTERS:
        return TimeWarp.shift(0)
    earlier = round(offset * tpq)
    if _is_early(onset_quarters, offset):
        at = np.array([0.0, _CELL_QUARTERS * tpq])
        return TimeWarp(file_ticks=at, song_ticks=at - [0, earlier])
    return TimeWarp.shift(-earlier)


def _is_early(onset_quarters: Floats, offset: float) -> bool:
    """Return whether the file begins with a note less than half a cell ahead of the grid.

    It is meant to be at the origin of the grid. It cannot move earlier, and moved a cell later it
    would be a pickup: the time before the first notes on the grid is compressed instead.
    """
    return bool(onset_quarters[0] - offset < -_MIN_OFFSET_QUARTERS)


def _drifting_warp(drift: TempoDrift, onset_quarters: Floats, tpq: int, ternary: bool) -> TimeWarp:
    offset = drift.offset_quarters
    if ternary:
        offset = offset + _resolve_offset(
            onset_quarters - np.interp(onset_quarters, _quarter_centers(offset), offset), 0.0
        )
    offset = offset - _CELL_QUARTERS * np.round(offset[0] / _CELL_QUARTERS)
    at = _quarter_centers(offset)
    if _is_early(onset_quarters, float(offset[0])):
        at, offset = np.append(0.0, at), np.append(0.0, offset)
    return TimeWarp(file_ticks=at * tpq, song_ticks=(at - offset) * tpq)


def _quarter_centers(offset: Floats) -> Floats:
    return np.arange(0.5, len(offset))
