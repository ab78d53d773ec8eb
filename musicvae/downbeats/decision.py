"""Floor 2: whether to believe the bar lines that a file states, by what the music says of them.

Scores are sums of log-odds over bar lines (`meters.Hearing`); what counts is how much is lost by
believing the file instead of one's ears. How much may be lost is a matter of odds, by logistic
regression on songs whose bars are known, damaged as files are (`experiments/downbeats/calibrate.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from musicvae.downbeats.decoding import LENGTHS, Hearing, Path, meter_index
from musicvae.downbeats.features import CELLS_PER_QUARTER
from musicvae.representation.grid import Grid
from musicvae.song import Ints

CLEAR = 0.9  # share of stated bar lines that, if heard, settles the matter at once
FEWEST_ONSETS = 12  # fewer say nothing of bars
DOUBTFUL = 0.2  # probability below which the ear does not overrule a file
SHORTEST = 6  # cells: no music is written in bars shorter than 3/8
TIDIER = 0.2  # nats a bar that a meter map must gain by leaving out what falls within a bar
TIE = 4.0  # nats within which two shifts are as good as each other
_FARTHEST = 2  # bars by which a stated meter map may be shifted
_MOST_LOSS = 20.0  # nats a bar: a greater loss says no more

# Of bars as stated and of bars shifted, what each thing adds to the log-odds that they are right.
STATED = {
    "always": 7.75,
    "loss": -0.11,
    "total": -1.92,
    "nested": 3.24,
    "nested loss": -0.16,
    "weak": -4.00,
    "weak total": 1.07,
    "weak nested": -3.36,
    "drums": 3.12,
    "late": -1.85,
    "changes": 1.03,
    "clear": -0.22,
    "heard": 0.30,
}
SHIFTED = {
    "always": 1.28,
    "loss": -0.45,
    "total": -0.29,
    "nested": 0.89,
    "nested loss": 0.00,
    "weak": -0.77,
    "weak total": -0.08,
    "weak nested": -1.00,
    "drums": -0.46,
    "late": 0.67,
    "changes": -0.27,
    "clear": 0.05,
    "heard": -0.53,
}
# Of what is chosen against the file.
FOUND = {"always": 0.69, "clear": 0.61, "bars": -0.30, "shifted": -1.39}


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
    """The ear against the bar lines that a file states."""

    hearing: Hearing
    stated: Stated
    absurd: bool
    """Most stated bars are shorter than any that music is written in."""
    weak: bool
    """The file says 4/4 and no more, which is also what it says that nobody told the meter."""
    drums: bool
    """There are no tones, which say most about bars."""
    late: bool
    """The grid of the notes is not the file's own."""
    changes: int
    """Changes of meter that the file states: someone wrote them."""
    onsets: int
    """Different times at which notes begin."""

    @cached_property
    def free(self) -> Path:
        """The best bar lines, whatever the file says."""
        return self.hearing.best()

    @cached_property
    def heard(self) -> float:
        """The share of stated bar lines where one is heard rather than not."""
        inside = self.stated.lines[self.stated.within(self.hearing)]
        return float(np.mean(self.hearing.odds[inside] > 0)) if len(inside) > 1 else 0.0

    @cached_property
    def clear(self) -> float:
        """How sure the ear is: mean log-odds of its bar lines."""
        return float(self.hearing.odds[self.free.lines].mean())

    @property
    def too_short(self) -> bool:
        """Whether there is nothing to compare."""
        nothing = not self.stated.within(self.hearing).any() and not self.absurd
        return nothing or self.onsets < FEWEST_ONSETS or len(self.free.lines) < 2

    def evidence(self, lines: Ints, score: float) -> dict[str, float]:
        """What speaks for and against bar lines with this score."""
        bars = len(self.free.lines)
        loss = max((self.free.score - score) / bars, 0.0)
        nested, capped = _nested(lines, self.free.lines), min(loss, _MOST_LOSS)
        total = float(np.log1p(loss * bars))
        return {
            "always": 1.0,
            "loss": capped,
            "total": total,
            "nested": nested,
            "nested loss": nested * capped,
            "weak": self.weak,
            "weak total": self.weak * total,
            "weak nested": self.weak * nested,
            "drums": self.drums,
            "late": self.late,
            "changes": float(np.log1p(self.changes)),
            "clear": self.clear,
            "heard": self.heard,
        }

    def evidence_stated(self, stated: Stated) -> dict[str, float]:
        """The evidence for bar lines as they are stated."""
        score = self.hearing.score(stated.lines, stated.meters)
        return self.evidence(stated.lines[stated.within(self.hearing)], score)

    def evidence_found(self, *, shifted: bool) -> dict[str, float]:
        """What speaks for bar lines that are chosen against the file."""
        bars = float(np.log(len(self.free.lines)))
        return {"always": 1.0, "clear": self.clear, "bars": bars, "shifted": shifted}


def choose(case: Case, tidied: Stated | None) -> Choice:
    """Believe the file, believe it moved, or believe the ear.

    `tidied` are the stated bars without the changes of meter that fall within a bar, if there are
    such changes.
    """
    if case.heard >= CLEAR and not case.absurd:
        return Choice.as_stated(case.heard)
    if case.too_short:
        return Choice.as_stated(0.5, "too short to judge")
    believed = None if case.absurd else _believed(case, tidied)
    if believed is not None:
        return believed
    sure = _sure(_odds(FOUND, case.evidence_found(shifted=False)))
    if sure < DOUBTFUL and not case.absurd:
        return Choice.as_stated(sure, "the music fits neither the stated meter nor another")
    reason = "the music does not fit the stated meter"
    return Choice(source="inferred", confidence=sure, reason=reason, path=case.free)


def _believed(case: Case, tidied: Stated | None) -> Choice | None:
    """The stated bars in one form or another, if they are to be believed."""
    seen = case.evidence_stated(case.stated)
    odds = _odds(STATED, seen)
    if tidied is not None:
        seen_tidy = case.evidence_stated(tidied)
        tidy_odds = _odds(STATED, seen_tidy)
        if seen_tidy["loss"] < seen["loss"] - TIDIER and tidy_odds > max(odds, 0.0):
            reason = "a change of meter within a bar is left out"
            return Choice(source="tidied", confidence=_sure(tidy_odds), reason=reason)
    if odds > 0:
        return Choice.as_stated(_sure(odds))
    if seen["nested"] and not case.weak:
        # Whether two bars are one no one can hear: a meter that someone wrote decides it.
        return Choice.as_stated(_sure(_odds(FOUND, case.evidence_found(shifted=False))))
    shift, score = best_shift(case)
    if not shift or _odds(SHIFTED, case.evidence(case.stated.lines + shift, score)) <= 0:
        return None
    late = f"{abs(shift) / CELLS_PER_QUARTER:g} quarters {'early' if shift > 0 else 'late'}"
    sure = _sure(_odds(FOUND, case.evidence_found(shifted=True)))
    reason = f"the stated bar lines lie {late}"
    return Choice(source="shifted", confidence=sure, reason=reason, shift=shift)


def is_absurd(grid: Grid) -> bool:
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


def best_shift(case: Case) -> tuple[int, float]:
    """The shift in cells that makes the most of the stated meters, and its score."""
    hearing, stated = case.hearing, case.stated
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


def _odds(weights: dict[str, float], evidence: dict[str, float]) -> float:
    return sum(weight * float(evidence[name]) for name, weight in weights.items())


def _sure(odds: float) -> float:
    return float(1 / (1 + np.exp(-odds)))
