"""Floor 2: whether to believe the bar lines that a file states, by what the music says of them.

Scores are sums of log-odds over bar lines (`meters.Hearing`); what counts is how much is lost for
each bar by believing the file instead of one's ears. Files are mostly right, so they are believed
unless that loss is large; a stated meter that is only shifted is preferred to another meter.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from musicvae.alignment.features import CELLS_PER_QUARTER
from musicvae.alignment.meters import LENGTHS, Hearing, Path, meter_index
from musicvae.grid import Grid
from musicvae.song import Ints

TRUST = 2.5  # nats a bar that believing the file may cost
TRUST_SHIFTED = 1.5  # the same for believing its meters but not their place
TRUST_LEVEL = 6.0  # the same where file and ear differ only in whether two bars are one
TIDIER = 0.2  # nats a bar that a meter map must gain by leaving out what falls within a bar
TIE = 4.0  # nats within which two shifts are as good as each other
CLEAR = 0.9  # share of stated bar lines that, if heard, settles the matter at once
SHORTEST = 6  # cells: no music is written in bars shorter than 3/8
_FARTHEST = 2  # bars by which a stated meter map may be shifted


@dataclass(frozen=True, kw_only=True, eq=False)
class Choice:
    """Which bar lines to use: the `stated` ones, these `shifted` by so many cells, or `inferred`.

    `lines` `(K,)` in cells from where hearing began and `meters` `(K,)`, indices of `METERS`, are
    there only if they are inferred. `confidence` is the probability that the bar lines are right.
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


def choose(hearing: Hearing, grid: Grid, tidied: Grid | None, first: int) -> Choice:
    """Believe the file, believe it moved, or believe the ear.

    `grid` has the bars that the file states; `tidied`, if it is not the same, those without the
    changes of meter that fall within a bar. Hearing began at cell `first`.
    """
    stated = Stated.of(grid, first)
    absurd = _is_absurd(grid)
    if not absurd and (heard := _share_heard(hearing, stated)) >= CLEAR:
        return Choice.as_stated(heard)
    free = hearing.best()
    bars = len(free.lines)
    if bars < 2 or not (absurd or stated.within(hearing).any()):
        return Choice.as_stated(0.5, "too short to judge")

    def loss(score: float) -> float:
        return (free.score - score) / bars

    lost = loss(hearing.score(stated.lines, stated.meters))
    if tidied is not None and not absurd:
        better = Stated.of(tidied, first)
        tidy_lost = loss(hearing.score(better.lines, better.meters))
        if tidy_lost < lost - TIDIER and tidy_lost < _limit(better, better.lines, free, TRUST):
            reason = "a change of meter within a bar is left out"
            return Choice(source="tidied", confidence=_sure(lost), reason=reason)
    limit = _limit(stated, stated.lines[stated.within(hearing)], free, TRUST)
    if not absurd and lost < limit:
        return Choice.as_stated(_sure(limit - lost))
    shift, score = _best_shift(hearing, stated)
    if not absurd and loss(score) < _limit(stated, stated.lines + shift, free, TRUST_SHIFTED):
        late = f"{abs(shift) / CELLS_PER_QUARTER:g} quarters {'early' if shift > 0 else 'late'}"
        reason = f"the stated bar lines lie {late}"
        return Choice(source="shifted", confidence=_sure(lost), reason=reason, shift=shift)
    reason = "the music does not fit the stated meter"
    return Choice(source="inferred", confidence=_sure(lost), reason=reason, path=free)


def _share_heard(hearing: Hearing, stated: Stated) -> float:
    """The share of stated bar lines at which one begins rather than not; 0 if there are none."""
    lines = stated.lines[stated.within(hearing)]
    return float(np.mean(hearing.odds[lines] > 0)) if len(lines) > 1 else 0.0


def _limit(stated: Stated, lines: Ints, free: Path, limit: float) -> float:
    """How much may be lost by these bar lines."""
    return TRUST_LEVEL if _nested(lines, free.lines) else limit


def _is_absurd(grid: Grid) -> bool:
    """Whether most bars are shorter than any that music is written in."""
    cells = grid.length_ticks * (CELLS_PER_QUARTER / grid.ticks_per_quarter)
    return bool(np.count_nonzero(cells < SHORTEST) > 0.5 * len(cells))


def _nested(stated: Ints, free: Ints) -> bool:
    """Whether one of the two has every line of the other, and about twice as many."""
    if not len(stated) or not len(free):
        return False
    common = len(np.intersect1d(stated, free))
    few, many = sorted((len(stated), len(free)))
    return common >= 0.9 * few and 1.5 <= many / few <= 2.5


def _best_shift(hearing: Hearing, stated: Stated) -> tuple[int, float]:
    """The shift in cells that makes the most of the stated meters, and its score."""
    length = int(LENGTHS[stated.meters].max(initial=0))
    if not length:
        return 0, -np.inf
    # Bars of the first meter go on before the first bar line, where a shift makes room for them.
    lead = stated.lines[0] - np.arange(_FARTHEST, 0, -1) * LENGTHS[stated.meters[0]]
    lines = np.concatenate([lead, stated.lines])
    meters = np.concatenate([np.full(_FARTHEST, stated.meters[0]), stated.meters])
    shifts = np.arange(-length, _FARTHEST * length + 1)
    scores = hearing.shifted(lines, meters, shifts)
    # Of shifts that are as good the nearest: a whole bar more or less changes next to nothing.
    good = np.flatnonzero(scores > scores.max() - TIE)
    best = int(good[np.abs(shifts[good]).argmin()])
    return int(shifts[best]), float(scores[best])


def _sure(margin: float) -> float:
    return float(1 / (1 + np.exp(-margin)))
