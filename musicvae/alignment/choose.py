"""Floor 2: whether to believe the bar lines that a file states, by what the music says of them.

Scores are sums of log-odds over bar lines (`meters.Hearing`); what counts is how much is lost by
believing the file instead of one's ears. How much may be lost is a matter of odds, by logistic
regression on songs whose bars are known, damaged as files are (`scripts/calibrate_bar_lines.py`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from musicvae.alignment.features import CELLS_PER_QUARTER
from musicvae.alignment.meters import LENGTHS, Hearing, Path, meter_index
from musicvae.grid import Grid
from musicvae.song import Ints

CLEAR = 0.9  # share of stated bar lines that, if heard, settles the matter at once
SHORTEST = 6  # cells: no music is written in bars shorter than 3/8
TIDIER = 0.2  # nats a bar that a meter map must gain by leaving out what falls within a bar
TIE = 4.0  # nats within which two shifts are as good as each other
_FARTHEST = 2  # bars by which a stated meter map may be shifted
_MOST_LOSS = 20.0  # nats a bar: a greater loss says no more

# Of bars as stated and of bars shifted, what each thing adds to the log-odds that they are right.
STATED = {
    "always": 1.82, "loss": -0.15, "total": -0.57, "nested": 0.74, "nested loss": 0.04,
    "weak": 1.55, "weak nested": -1.75, "drums": 1.12, "clear": 0.08, "heard": 0.94,
}  # fmt: skip
SHIFTED = {
    "always": 2.3, "loss": -0.13, "total": -0.82, "nested": 1.78, "nested loss": 0.12,
    "weak": 0.07, "weak nested": -0.71, "drums": 0.03, "clear": -0.12, "heard": 0.0,
}  # fmt: skip
# Of what is chosen against the file.
FOUND = {"always": 0.76, "clear": 0.57, "bars": -0.21, "shifted": 0.17}


@dataclass(frozen=True, kw_only=True, eq=False)
class Choice:
    """Which bar lines to use, and why.

    `source` is `stated`; `tidied`, without changes of meter within a bar; `shifted` by so many
    cells; or `inferred`: then `path` has them, in cells from where hearing began. `confidence` is
    the probability that they are right.
    """

    source: str
    confidence: float
    reason: str
    shift: int = 0
    path: Path | None = None

    @classmethod
    def as_stated(cls, confidence: float, reason: str = "as the file states") -> Choice:
        """The file is believed."""
        return cls(source="stated", confidence=confidence, reason=reason)


@dataclass(frozen=True, kw_only=True, eq=False)
class Stated:
    """Bar lines that a file states `(K,)`, in cells from where hearing began; meters as indices.

    Only bars that stand beside another of their length: a lone bar, cut short at a repeat, is
    believed without asking.
    """

    lines: Ints
    meters: Ints

    @classmethod
    def of(cls, grid: Grid, first: int) -> Stated:
        """From a grid in the song's own time."""
        scale = CELLS_PER_QUARTER / grid.ticks_per_quarter
        lines = np.floor(grid.start_ticks * scale + 0.5).astype(np.int64) - first
        pairs = zip(grid.numerator.tolist(), grid.denominator.tolist(), strict=True)
        meters = np.array([meter_index(*pair) for pair in pairs], np.int64)
        alike = np.diff(grid.length_ticks) == 0
        regular = np.zeros(len(grid), bool)
        regular[1:] = alike
        regular[:-1] |= alike
        regular &= meters >= 0
        return cls(lines=lines[regular], meters=meters[regular])

    def within(self, hearing: Hearing) -> NDArray[np.bool_]:
        """Which of the bar lines lie where something was heard. `(K,)`"""
        return (self.lines >= 0) & (self.lines < len(hearing))


@dataclass(frozen=True, kw_only=True, eq=False)
class Case:
    """The ear's best path against bar lines that are stated, as stated or shifted."""

    hearing: Hearing
    free: Path
    weak: bool
    """The file says 4/4 and no more, which is also what it says that nobody told the meter."""
    drums: bool
    """There are no tones, which say most about bars."""
    heard: float

    def loss(self, score: float) -> float:
        """Nats a bar that are lost by bar lines of this score."""
        return max((self.free.score - score) / len(self.free.lines), 0.0)

    def odds(self, weights: dict[str, float], loss: float, lines: Ints) -> float:
        """Log-odds that bar lines with this loss are the right ones."""
        nested, capped = _nested(lines, self.free.lines), min(loss, _MOST_LOSS)
        evidence = {
            "always": 1.0,
            "loss": capped,
            "total": np.log1p(loss * len(self.free.lines)),
            "nested": nested,
            "nested loss": nested * capped,
            "weak": self.weak,
            "weak nested": self.weak * nested,
            "drums": self.drums,
            "clear": self.clear,
            "heard": self.heard,
        }
        return sum(weight * float(evidence[name]) for name, weight in weights.items())

    @property
    def clear(self) -> float:
        """How sure the ear is: mean log-odds of its bar lines."""
        return float(self.hearing.odds[self.free.lines].mean())

    def found(self, *, shifted: bool) -> float:
        """The probability that bar lines chosen against the file are right."""
        evidence = {
            "always": 1.0,
            "clear": self.clear,
            "bars": np.log(len(self.free.lines)),
            "shifted": shifted,
        }
        return _sure(sum(weight * float(evidence[name]) for name, weight in FOUND.items()))


def choose(
    hearing: Hearing, grid: Grid, tidied: Grid | None, first: int, *, weak: bool, drums: bool
) -> Choice:
    """Believe the file, believe it moved, or believe the ear.

    `grid` has the bars that the file states; `tidied`, if it is not the same, those without the
    changes of meter that fall within a bar. Hearing began at cell `first`. For `weak` and `drums`
    see `Case`.
    """
    stated = Stated.of(grid, first)
    absurd, inside = _is_absurd(grid), stated.lines[stated.within(hearing)]
    heard = float(np.mean(hearing.odds[inside] > 0)) if len(inside) > 1 else 0.0
    if heard >= CLEAR and not absurd:
        return Choice.as_stated(heard)
    case = Case(hearing=hearing, free=hearing.best(), weak=weak, drums=drums, heard=heard)
    if len(case.free.lines) < 2 or not (absurd or len(inside)):
        return Choice.as_stated(0.5, "too short to judge")
    believed = None if absurd else _believed(case, stated, inside, tidied, first)
    if believed is not None:
        return believed
    reason = "the music does not fit the stated meter"
    sure = case.found(shifted=False)
    return Choice(source="inferred", confidence=sure, reason=reason, path=case.free)


def _believed(
    case: Case, stated: Stated, inside: Ints, tidied: Grid | None, first: int
) -> Choice | None:
    """The stated bars in one form or another, if they are to be believed."""
    loss = case.loss(case.hearing.score(stated.lines, stated.meters))
    odds = case.odds(STATED, loss, inside)
    if tidied is not None:
        other = Stated.of(tidied, first)
        tidy_loss = case.loss(case.hearing.score(other.lines, other.meters))
        tidy_odds = case.odds(STATED, tidy_loss, other.lines[other.within(case.hearing)])
        if tidy_loss < loss - TIDIER and tidy_odds > max(odds, 0.0):
            reason = "a change of meter within a bar is left out"
            return Choice(source="tidied", confidence=_sure(tidy_odds), reason=reason)
    if odds > 0:
        return Choice.as_stated(_sure(odds))
    shift, score = _best_shift(case.hearing, stated)
    if not shift or case.odds(SHIFTED, case.loss(score), stated.lines + shift) <= 0:
        return None
    late = f"{abs(shift) / CELLS_PER_QUARTER:g} quarters {'early' if shift > 0 else 'late'}"
    sure = case.found(shifted=True)
    reason = f"the stated bar lines lie {late}"
    return Choice(source="shifted", confidence=sure, reason=reason, shift=shift)


def _is_absurd(grid: Grid) -> bool:
    """Whether most bars are shorter than any that music is written in."""
    cells = grid.length_ticks * (CELLS_PER_QUARTER / grid.ticks_per_quarter)
    return bool(np.mean(cells < SHORTEST) > 0.5)


def _nested(stated: Ints, free: Ints) -> bool:
    """Whether one of the two has every line of the other, and about twice as many."""
    if not len(stated) or not len(free):
        return False
    few, many = sorted((len(stated), len(free)))
    if not 1.5 <= many / few <= 2.5:
        return False
    return len(np.intersect1d(stated, free)) >= 0.9 * few


def _best_shift(hearing: Hearing, stated: Stated) -> tuple[int, float]:
    """The shift in cells that makes the most of the stated meters, and its score."""
    # Bars of the first meter go on before the first bar line, where a shift makes room for them.
    length = int(LENGTHS[stated.meters].max())
    lead = stated.lines[0] - np.arange(_FARTHEST, 0, -1) * LENGTHS[stated.meters[0]]
    lines = np.concatenate([lead, stated.lines])
    meters = np.concatenate([np.full(_FARTHEST, stated.meters[0]), stated.meters])
    shifts = np.arange(-length, _FARTHEST * length + 1)
    scores = hearing.shifted(lines, meters, shifts)
    # Of shifts that are as good the nearest: a whole bar more or less changes next to nothing.
    good = np.flatnonzero(scores > scores.max() - TIE)
    best = int(good[np.abs(shifts[good]).argmin()])
    return int(shifts[best]), float(scores[best])


def _sure(odds: float) -> float:
    return float(1 / (1 + np.exp(-odds)))
