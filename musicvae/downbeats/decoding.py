"""Viterbi decoding of bar lines: the best sequence of meters over the cells.

A path is a sequence of bars, each as long as its meter. Its score is the sum of the log-odds of its
bar lines and of the log-probabilities of its meters, less a cost for every meter change. The best
path is found exactly, by dynamic programming over (cell, meter).

Shapes: T cells, E eighths, M meters, K bar lines.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray

from musicvae.arrays import Floats32, Ints
from musicvae.downbeats.features import CELLS_PER_QUARTER
from musicvae.downbeats.network import CELLS_PER_EIGHTH, METERS

METER_CELLS = np.array(
    [4 * CELLS_PER_QUARTER * int(m.split("/")[0]) // int(m.split("/")[1]) for m in METERS]
)
METER_CHANGE_COST = 10.0  # nats
METER_WEIGHT = 0.04  # of a cell's meter log-probability relative to a bar line's log-odds
_BLOCK_CELLS = int(METER_CELLS.min())  # cells that do not depend on each other


@dataclass(frozen=True, kw_only=True, eq=False)
class BarPath:
    """Bar lines `(K,)` in cells, their meters as indices of `METERS`, and the score in nats."""

    lines: Ints
    meters: Ints
    score: float


class DownbeatScores:
    """Scores of the downbeat network over one song.

    Args:
        log_odds: of a bar line at each cell. `(T,)`
        meter_log_probs: of each meter at each eighth. `(E, M)`
    """

    def __init__(self, log_odds: Floats32, meter_log_probs: Floats32) -> None:
        self.log_odds = log_odds.astype(np.float64)
        self._meter_log_probs = meter_log_probs

    @cached_property
    def bar_scores(self) -> NDArray[np.float64]:
        """Weighted meter score of a bar of each meter beginning at each cell. `(T, M)`"""
        T, M = len(self), len(METERS)
        total = np.zeros((T + 1, M))
        logs = np.repeat(self._meter_log_probs, CELLS_PER_EIGHTH, axis=0)[:T]
        np.cumsum(logs, axis=0, out=total[1:])
        stop = np.minimum(np.arange(T)[:, None] + METER_CELLS, T)
        return METER_WEIGHT * (total[stop, np.arange(M)] - total[:T])

    def __len__(self) -> int:
        return len(self.log_odds)

    def mean_meter_log_prob(self, meters: Ints) -> float:
        """Return the mean log-probability over the song of meters `(K,)`, indices of `METERS`."""
        return float(self._meter_log_probs.mean(0)[meters].mean())

    def decode(self) -> BarPath:
        """Return the path with the highest score."""
        T, M = self.bar_scores.shape
        gain = self.log_odds[:, None] + self.bar_scores
        pad = int(METER_CELLS.max())
        best = np.full((T + pad, M), -np.inf)  # ends with the bar that begins at this cell
        flat = best.reshape(-1)
        column = np.arange(M)
        bar_ago = (
            np.arange(T)[:, None] + pad - METER_CELLS
        ) * M + column  # where the bar before ends
        opening = np.where(np.arange(pad)[:, None] < METER_CELLS, 0.0, -np.inf)
        for begin in range(0, T, _BLOCK_CELLS):
            end = min(begin + _BLOCK_CELLS, T)
            before = flat[bar_ago[begin:end]]  # (block, M), by meter before
            on = np.maximum(before, before.max(1, keepdims=True) - METER_CHANGE_COST)
            if begin < pad:
                on = np.maximum(on, opening[begin:end])
            np.add(gain[begin:end], on, out=best[begin + pad : end + pad])
        came = _predecessors(flat[bar_ago], opening)
        # The last bar line lies less than one bar before the end.
        late = np.arange(T)[:, None] >= T - METER_CELLS
        final = np.where(late, best[pad:], -np.inf)
        cell, meter = (int(i) for i in np.unravel_index(int(final.argmax()), final.shape))
        lines, meters, score = [], [], float(final[cell, meter])
        while True:
            lines.append(cell)
            meters.append(meter)
            before_meter = int(came[cell, meter])
            if before_meter < 0:
                break
            cell, meter = cell - int(METER_CELLS[before_meter]), before_meter
        return BarPath(lines=np.array(lines[::-1]), meters=np.array(meters[::-1]), score=score)

    def score(self, lines: Ints, meters: Ints) -> float:
        """Return the score of bar lines `(K,)` in cells, ignoring those outside the song."""
        inside = (lines >= 0) & (lines < len(self))
        at, meters = lines[inside], meters[inside]
        return float(self.log_odds[at].sum() + self.bar_scores[at, meters].sum())

    def score_shifts(self, lines: Ints, meters: Ints, shifts: Ints) -> NDArray[np.float64]:
        """Return the scores of bar lines `(K,)` moved by each of `shifts` cells. `(S,)`"""
        at = lines[:, None] + shifts  # (K, S)
        inside = (at >= 0) & (at < len(self))
        at = np.where(inside, at, 0)
        each = self.log_odds[at] + self.bar_scores[at, meters[:, None]]
        return np.where(inside, each, 0).sum(0)


def _predecessors(before: NDArray[np.float64], opening: NDArray[np.float64]) -> Ints:
    """Return the best previous meter of each cell and meter, -1 for the first bar. `(T, M)`

    `before` `(T, M)`: the best score of paths that end at this cell with a bar of each meter.
    """
    any_meter = before.argmax(1)
    other = before[np.arange(len(before)), any_meter, None] - METER_CHANGE_COST
    came = np.where(before >= other, np.arange(before.shape[1]), any_meter[:, None])
    on, first = np.maximum(before, other)[: len(opening)], opening[: len(before)]
    came[: len(opening)][first > on] = -1
    return came


@lru_cache(maxsize=1024)
def meter_index(numerator: int, denominator: int) -> int:
    """Return the index in `METERS` of a meter, else of the most common one as long, else -1."""
    name = f"{numerator}/{denominator}"
    if name in METERS:
        return METERS.index(name)
    cells = 4 * CELLS_PER_QUARTER * numerator / denominator
    same = np.flatnonzero(cells == METER_CELLS)
    return int(same[0]) if len(same) else -1
