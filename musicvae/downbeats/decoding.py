"""Floor 2: bar lines from what the network heard: the best sequence of meters over the cells.

A path is a row of bars, each as long as its meter. Its score is the sum of the log-odds of its bar
lines and of the log-probabilities of its meters, less a price for every change of meter. The best
path is found exactly, by dynamic programming over (cell, meter).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray

from musicvae.downbeats.features import CELLS_PER_QUARTER, Floats
from musicvae.downbeats.network import HEARD_AT_ONCE, METERS
from musicvae.song import Ints

LENGTHS = np.array(
    [4 * CELLS_PER_QUARTER * int(m.split("/")[0]) // int(m.split("/")[1]) for m in METERS]
)
CHANGE = 5.0  # nats that a change of meter costs
METER_WEIGHT = 0.04  # of a cell's meter log-probability beside a bar line's log-odds
_BLOCK = int(LENGTHS.min())  # cells that cannot depend on one another


@dataclass(frozen=True, kw_only=True, eq=False)
class Path:
    """Bar lines `(K,)` in cells, the meter of each as an index of `METERS`, and the score."""

    lines: Ints
    meters: Ints
    score: float


class Hearing:
    """What the network heard of one piece, ready to score any bar lines."""

    def __init__(self, line_odds: Floats, meter_logs: Floats) -> None:
        self.odds = line_odds.astype(np.float64)
        self._meter_logs = meter_logs

    @cached_property
    def bar_scores(self) -> NDArray[np.float64]:
        """What a bar of each meter beginning at each cell adds to its line's log-odds. `(T, M)`"""
        T, M = len(self), len(METERS)
        total = np.zeros((T + 1, M))
        logs = np.repeat(self._meter_logs, HEARD_AT_ONCE, axis=0)[:T]
        np.cumsum(logs, axis=0, out=total[1:])
        stop = np.minimum(np.arange(T)[:, None] + LENGTHS, T)
        return METER_WEIGHT * (total[stop, np.arange(M)] - total[:T])

    def __len__(self) -> int:
        return len(self.odds)

    def meter_logs(self, meters: Ints) -> float:
        """Mean log-probability over the piece of these meters `(K,)`, as indices of `METERS`."""
        return float(self._meter_logs.mean(0)[meters].mean())

    def best(self) -> Path:
        """The best path of all."""
        T, M = self.bar_scores.shape
        gain = self.odds[:, None] + self.bar_scores
        pad = int(LENGTHS.max())
        best = np.full((T + pad, M), -np.inf)  # ends with the bar that begins at this cell
        flat = best.reshape(-1)
        column = np.arange(M)
        bar_ago = (np.arange(T)[:, None] + pad - LENGTHS) * M + column  # where the bar before ends
        opening = np.where(np.arange(pad)[:, None] < LENGTHS, 0.0, -np.inf)
        for begin in range(0, T, _BLOCK):
            end = min(begin + _BLOCK, T)
            before = flat[bar_ago[begin:end]]  # (block, M), by meter before
            on = np.maximum(before, before.max(1, keepdims=True) - CHANGE)
            if begin < pad:
                on = np.maximum(on, opening[begin:end])
            np.add(gain[begin:end], on, out=best[begin + pad : end + pad])
        came = _came(flat[bar_ago], opening)
        # The last bar line lies less than one bar before the end.
        late = np.arange(T)[:, None] >= T - LENGTHS
        final = np.where(late, best[pad:], -np.inf)
        cell, meter = (int(i) for i in np.unravel_index(int(final.argmax()), final.shape))
        lines, meters, score = [], [], float(final[cell, meter])
        while True:
            lines.append(cell)
            meters.append(meter)
            before_meter = int(came[cell, meter])
            if before_meter < 0:
                break
            cell, meter = cell - int(LENGTHS[before_meter]), before_meter
        return Path(lines=np.array(lines[::-1]), meters=np.array(meters[::-1]), score=score)

    def score(self, lines: Ints, meters: Ints) -> float:
        """The score of any bar lines `(K,)` in cells, those outside the piece left out."""
        inside = (lines >= 0) & (lines < len(self))
        at, meters = lines[inside], meters[inside]
        return float(self.odds[at].sum() + self.bar_scores[at, meters].sum())

    def shifted(self, lines: Ints, meters: Ints, shifts: Ints) -> NDArray[np.float64]:
        """The score of the same bar lines moved by each of `shifts` `(S,)` cells."""
        at = lines[:, None] + shifts  # (K, S)
        inside = (at >= 0) & (at < len(self))
        at = np.where(inside, at, 0)
        each = self.odds[at] + self.bar_scores[at, meters[:, None]]
        return np.where(inside, each, 0).sum(0)


def _came(before: NDArray[np.float64], opening: NDArray[np.float64]) -> Ints:
    """By which meter each cell and meter is reached best, -1 if nothing comes before it. `(T, M)`

    `before` `(T, M)` is the best there is up to this cell by a last bar of each meter.
    """
    any_meter = before.argmax(1)
    other = before[np.arange(len(before)), any_meter, None] - CHANGE
    came = np.where(before >= other, np.arange(before.shape[1]), any_meter[:, None])
    on, first = np.maximum(before, other)[: len(opening)], opening[: len(before)]
    came[: len(opening)][first > on] = -1
    return came


@lru_cache(maxsize=1024)
def meter_index(numerator: int, denominator: int) -> int:
    """The place in `METERS` of this meter, else of the likeliest one that lasts as long, or -1."""
    name = f"{numerator}/{denominator}"
    if name in METERS:
        return METERS.index(name)
    cells = 4 * CELLS_PER_QUARTER * numerator / denominator
    same = np.flatnonzero(cells == LENGTHS)
    return int(same[0]) if len(same) else -1
