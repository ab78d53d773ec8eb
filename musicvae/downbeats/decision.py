"""Bar-line selection: keep the notated bar lines, shift them, or use the estimated ones.

Scores are sums of log-odds over bar lines (`decoding.DownbeatScores`). The main evidence is the
score difference between the notated and the estimated bar lines; how large it may be follows from
logistic regressions on songs with known bar lines, corrupted in the ways of real files.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from musicvae.arrays import Ints
from musicvae.downbeats.decoding import METER_CELLS, BarPath, DownbeatScores, meter_index
from musicvae.downbeats.features import CELLS_PER_QUARTER
from musicvae.downbeats.network import METERS
from musicvae.downbeats.repetition import Repetition
from musicvae.representation.grid import Grid

MIN_AGREEMENT = 0.9  # share of notated bar lines scored as such above which they are kept at once
MIN_ONSETS = 12  # shorter songs are not judged
MIN_CONFIDENCE = 0.2  # probability below which an estimate does not replace the notated bar lines
STATED_LOG_ODDS = -0.55  # above which notated bars are kept if the file states a meter on its grid
MAX_OVERRULED = 0.9  # confidence of an estimate up to which a loop at the notated bars is kept
LOOP_CONFIDENCE = 0.9  # of the notated bars of a loop
NEW_LOOP_CONFIDENCE = 0.7  # of bars against the notated ones
ODD_CELLS = (10, 14, 20, 28)  # of 5/8, 7/8, 5/4 and 7/4
RARE_CELLS = (*ODD_CELLS, 18, 24, 32)  # and of 9/8, 12/8, 3/2, 4/2: stated on purpose
MIN_REGULAR = 0.9  # share of equally long bars in a loop
MIN_BAR_CELLS = 6  # shorter bars than 3/8 are implausible
MIN_CLEANING_GAIN_NATS = 0.2  # per bar, to drop the mid-bar changes of a meter map
TIE_NATS = 4.0  # two shifts whose scores differ by less are equally good
_MAX_SHIFT_BARS = 2
_MAX_LOSS_NATS = 20.0  # per bar; greater losses are clipped

# Contribution of each feature to the log-odds that bar lines are correct: as notated, and shifted.
NOTATED_WEIGHTS = {
    "bias": 7.75,
    "loss": -0.11,
    "total loss": -1.92,
    "nested": 3.24,
    "nested, loss": -0.16,
    "default signature": -4.00,
    "default signature, total loss": 1.07,
    "default signature, nested": -3.36,
    "drums only": 3.12,
    "off grid": -1.85,
    "changes": 1.03,
    "clarity": -0.22,
    "agreement": 0.30,
}
SHIFTED_WEIGHTS = {
    "bias": 1.28,
    "loss": -0.45,
    "total loss": -0.29,
    "nested": 0.89,
    "nested, loss": 0.00,
    "default signature": -0.77,
    "default signature, total loss": -0.08,
    "default signature, nested": -1.00,
    "drums only": -0.46,
    "off grid": 0.67,
    "changes": -0.27,
    "clarity": 0.05,
    "agreement": -0.53,
}
# The same for bar lines chosen against the notated ones.
ESTIMATED_WEIGHTS = {"bias": 0.69, "clarity": 0.61, "bars": -0.30, "shifted": -1.39}


@dataclass(frozen=True, kw_only=True, eq=False)
class BarlineChoice:
    """The selected bar lines.

    `source` is `stated`, as notated; `tidied`, without mid-bar meter changes; `shifted` by `shift`
    cells; or `inferred`, with the estimated `path` in cells from the first scored one.
    `confidence` is the probability that they are correct.
    """

    source: str
    confidence: float
    reason: str
    shift: int = 0
    path: BarPath | None = None

    @classmethod
    def as_notated(cls, confidence: float, reason: str = "as notated") -> BarlineChoice:
        """Keep the notated bar lines."""
        return cls(source="stated", confidence=confidence, reason=reason)


@dataclass(frozen=True, kw_only=True, eq=False)
class NotatedBars:
    """Notated bar lines `(K,)`, in cells from the first scored one, with indices into `METERS`.

    Only bars next to another of their length: a single odd bar, such as one cut short at a repeat,
    is kept without a check.
    """

    lines: Ints
    meters: Ints

    @classmethod
    def from_grid(cls, grid: Grid, first_cell: int) -> NotatedBars:
        """Return the regular bars of a grid in song time."""
        scale = CELLS_PER_QUARTER / grid.ticks_per_quarter
        lines = np.floor(grid.start_ticks * scale + 0.5).astype(np.int64) - first_cell
        pairs = zip(grid.numerator.tolist(), grid.denominator.tolist(), strict=True)
        meters = np.array([meter_index(*pair) for pair in pairs], np.int64)
        same_length = np.diff(grid.length_ticks) == 0
        regular = np.zeros(len(grid), bool)
        regular[1:] = same_length
        regular[:-1] |= same_length
        regular &= meters >= 0
        return cls(lines=lines[regular], meters=meters[regular])

    def in_range(self, scores: DownbeatScores) -> NDArray[np.bool_]:
        """Mask of the bar lines that lie within the scored cells. `(K,)`"""
        return (self.lines >= 0) & (self.lines < len(scores))


@dataclass(frozen=True, kw_only=True, eq=False)
class Evidence:
    """Downbeat scores of a song beside its notated bar lines."""

    scores: DownbeatScores
    notated: NotatedBars
    implausible: bool
    """Most notated bars are shorter than any in real scores."""
    default_signature: bool
    """The only signature is 4/4, which is also what software writes for an unknown meter."""
    drums_only: bool
    """There are no pitched notes, which are most informative about bars."""
    off_grid: bool
    """The onsets do not lie on the grid of the file."""
    n_meter_changes: int
    n_onsets: int
    """Different onset times."""
    repetition: Repetition
    """Of the notes, in cells from the first scored one."""
    bar_grid: Grid
    """The notated bars."""
    first_cell: int
    """The first scored cell of the song."""

    @cached_property
    def best_path(self) -> BarPath:
        """The best-scored bar lines, regardless of the notated ones."""
        return self.scores.decode()

    @cached_property
    def agreement(self) -> float:
        """Share of notated bar lines with positive log-odds."""
        inside = self.notated.lines[self.notated.in_range(self.scores)]
        return float(np.mean(self.scores.log_odds[inside] > 0)) if len(inside) > 1 else 0.0

    @cached_property
    def clarity(self) -> float:
        """Mean log-odds of the bar lines of `best_path`."""
        return float(self.scores.log_odds[self.best_path.lines].mean())

    @property
    def too_short(self) -> bool:
        """Whether there is too little to compare."""
        nothing = not self.notated.in_range(self.scores).any() and not self.implausible
        return nothing or self.n_onsets < MIN_ONSETS or len(self.best_path.lines) < 2

    @cached_property
    def bar_cells(self) -> int:
        """Length of nearly all notated bars, 0 if several lengths are common."""
        grid = self.bar_grid
        lengths, counts = np.unique(grid.length_ticks, return_counts=True)
        most = int(counts.argmax())
        if counts[most] < MIN_REGULAR * len(grid):
            return 0
        return round(int(lengths[most]) * CELLS_PER_QUARTER / grid.ticks_per_quarter)

    @cached_property
    def lead_cells(self) -> int:
        """Cells from the bar line before the first note to the first note."""
        scale = CELLS_PER_QUARTER / self.bar_grid.ticks_per_quarter
        first = self.first_cell + self.repetition.first_cell
        lead = first - np.floor(self.bar_grid.start_ticks * scale + 0.5)
        return int(lead[lead >= 0].min(initial=first))

    @cached_property
    def is_loop(self) -> bool:
        """Whether the music repeats at the notated bars, from the notated beginning of one.

        An exact loop in a file on its own grid may begin anywhere in a bar.
        """
        if not self.bar_cells or self.implausible:
            return False
        if self.lead_cells == 0:
            return self.repetition.loops_at(self.bar_cells)
        return not self.off_grid and self.repetition.loops_exactly_at(self.bar_cells)

    @property
    def states_rare_meter(self) -> bool:
        """Whether the notated meter is one that is only written on purpose, such as 5/4."""
        return self.bar_cells in RARE_CELLS and not self.off_grid

    def features(self, lines: Ints, score: float) -> dict[str, float]:
        """Return the features of bar lines with this score, for `NOTATED_WEIGHTS` and others."""
        bars = len(self.best_path.lines)
        loss = max((self.best_path.score - score) / bars, 0.0)
        nested, capped = _nested(lines, self.best_path.lines), min(loss, _MAX_LOSS_NATS)
        total = float(np.log1p(loss * bars))
        return {
            "bias": 1.0,
            "loss": capped,
            "total loss": total,
            "nested": nested,
            "nested, loss": nested * capped,
            "default signature": self.default_signature,
            "default signature, total loss": self.default_signature * total,
            "default signature, nested": self.default_signature * nested,
            "drums only": self.drums_only,
            "off grid": self.off_grid,
            "changes": float(np.log1p(self.n_meter_changes)),
            "clarity": self.clarity,
            "agreement": self.agreement,
        }

    def notated_features(self, notated: NotatedBars) -> dict[str, float]:
        """Return the features of notated bar lines."""
        score = self.scores.score(notated.lines, notated.meters)
        return self.features(notated.lines[notated.in_range(self.scores)], score)

    def estimated_features(self, *, shifted: bool) -> dict[str, float]:
        """Return the features of bar lines chosen against the notated ones."""
        bars = float(np.log(len(self.best_path.lines)))
        return {"bias": 1.0, "clarity": self.clarity, "bars": bars, "shifted": shifted}


def select_barlines(evidence: Evidence, cleaned: NotatedBars | None) -> BarlineChoice:
    """Choose the notated bar lines, shifted ones, or the estimated ones.

    `cleaned`: the notated bars without mid-bar meter changes, None if there are no such changes.
    """
    if evidence.agreement >= MIN_AGREEMENT and not evidence.implausible:
        return BarlineChoice.as_notated(evidence.agreement)
    if evidence.too_short:
        return BarlineChoice.as_notated(0.5, "too short to judge")
    return _prefer_loop(evidence, _best_choice(evidence, cleaned), cleaned)


def _prefer_loop(
    evidence: Evidence, choice: BarlineChoice, cleaned: NotatedBars | None
) -> BarlineChoice:
    """Return the notated bars if the music loops at them, else the bars of an exact loop.

    The downbeat network says little about loops. The default 4/4 is overruled by a loop in five or
    seven even where the network does not object.
    """
    believed = choice.source in ("stated", "tidied")
    if believed and not evidence.default_signature:
        return choice
    bar = evidence.repetition.exact_bar
    if believed:
        wrong = bar in ODD_CELLS and not evidence.is_loop
        return _loop_choice(evidence, bar) if wrong else choice
    doubtful = choice.confidence < MAX_OVERRULED
    if (doubtful or bar) and evidence.is_loop:
        source = "stated" if cleaned is None else "tidied"
        reason = "the music repeats at the notated bars"
        return BarlineChoice(source=source, confidence=LOOP_CONFIDENCE, reason=reason)
    if bar:
        return _loop_choice(evidence, bar)
    if choice.source == "inferred" and doubtful and evidence.states_rare_meter:
        reason = "no software writes this meter by default"
        return BarlineChoice.as_notated(1 - choice.confidence, reason)
    return choice


def _loop_choice(evidence: Evidence, bar: int) -> BarlineChoice:
    """Return bars of so many cells from the beginning of a loop on."""
    meter = METERS.index("4/4")
    if METER_CELLS[meter] != bar:
        meter = max(
            np.flatnonzero(bar == METER_CELLS).tolist(),
            key=lambda meter: evidence.scores.mean_meter_log_prob(np.array([meter])),
        )
    lines = np.arange(evidence.repetition.start(bar) % bar, len(evidence.scores), bar)
    meters = np.full(len(lines), meter)
    return BarlineChoice(
        source="inferred",
        confidence=NEW_LOOP_CONFIDENCE,
        reason=f"the music repeats every {bar / CELLS_PER_QUARTER:g} quarters",
        path=BarPath(lines=lines, meters=meters, score=evidence.scores.score(lines, meters)),
    )


def _best_choice(evidence: Evidence, cleaned: NotatedBars | None) -> BarlineChoice:
    """Return the choice that the downbeat scores alone suggest."""
    accepted = None if evidence.implausible else _accept_notated(evidence, cleaned)
    if accepted is not None:
        return accepted
    confidence = _sigmoid(_log_odds(ESTIMATED_WEIGHTS, evidence.estimated_features(shifted=False)))
    if confidence < MIN_CONFIDENCE and not evidence.implausible:
        reason = "the music fits neither the notated meter nor another"
        return BarlineChoice.as_notated(confidence, reason)
    reason, path = "the music does not fit the notated meter", evidence.best_path
    return BarlineChoice(source="inferred", confidence=confidence, reason=reason, path=path)


def _accept_notated(evidence: Evidence, cleaned: NotatedBars | None) -> BarlineChoice | None:
    """Return the notated bars as they are, cleaned or shifted; None if none is accepted."""
    features = evidence.notated_features(evidence.notated)
    odds = _log_odds(NOTATED_WEIGHTS, features)
    if cleaned is not None:
        cleaned_features = evidence.notated_features(cleaned)
        cleaned_odds = _log_odds(NOTATED_WEIGHTS, cleaned_features)
        gain = features["loss"] - MIN_CLEANING_GAIN_NATS
        if cleaned_features["loss"] < gain and cleaned_odds > max(odds, 0.0):
            reason = "a mid-bar meter change is left out"
            return BarlineChoice(source="tidied", confidence=_sigmoid(cleaned_odds), reason=reason)
    states_bars = not evidence.default_signature and not evidence.off_grid
    if odds > (STATED_LOG_ODDS if states_bars else 0.0):
        return BarlineChoice.as_notated(_sigmoid(odds))
    if features["nested"] and not evidence.default_signature:
        # Whether two bars are one cannot be inferred from the notes: trust an explicit meter.
        unshifted = evidence.estimated_features(shifted=False)
        return BarlineChoice.as_notated(_sigmoid(_log_odds(ESTIMATED_WEIGHTS, unshifted)))
    shift, score = best_shift(evidence)
    if not shift:
        return None
    shifted = evidence.features(evidence.notated.lines + shift, score)
    if _log_odds(SHIFTED_WEIGHTS, shifted) <= 0:
        return None
    offset = f"{abs(shift) / CELLS_PER_QUARTER:g} quarters {'early' if shift > 0 else 'late'}"
    return BarlineChoice(
        source="shifted",
        confidence=_sigmoid(
            _log_odds(ESTIMATED_WEIGHTS, evidence.estimated_features(shifted=True))
        ),
        reason=f"the notated bar lines are {offset}",
        shift=shift,
    )


def is_implausible(grid: Grid) -> bool:
    """Return whether most bars are shorter than `MIN_BAR_CELLS`."""
    cells = grid.length_ticks * (CELLS_PER_QUARTER / grid.ticks_per_quarter)
    return bool(np.mean(cells < MIN_BAR_CELLS) > 0.5)


def _nested(a: Ints, b: Ints) -> bool:
    """Return whether one set has every bar line of the other, and about twice as many."""
    if not len(a) or not len(b):
        return False
    few, many = sorted((len(a), len(b)))
    if not 1.5 <= many / few <= 2.5:
        return False
    return len(np.intersect1d(a, b)) >= 0.9 * few


def best_shift(evidence: Evidence) -> tuple[int, float]:
    """Return the shift in cells under which the notated bars score best, and that score."""
    notated = evidence.notated
    # The first meter continues before the first bar line, where a shift makes room for more bars.
    length = int(METER_CELLS[notated.meters].max())
    first_meter = notated.meters[0]
    lead = notated.lines[0] - np.arange(_MAX_SHIFT_BARS, 0, -1) * METER_CELLS[first_meter]
    lines = np.concatenate([lead, notated.lines])
    meters = np.concatenate([np.full(_MAX_SHIFT_BARS, first_meter), notated.meters])
    shifts = np.arange(-length, _MAX_SHIFT_BARS * length + 1)
    scores = evidence.scores.score_shifts(lines, meters, shifts)
    # Of equally good shifts the smallest: a whole bar more or less changes next to nothing.
    good = np.flatnonzero(scores > scores.max() - TIE_NATS)
    best = int(good[np.abs(shifts[good]).argmin()])
    return int(shifts[best]), float(scores[best])


def _log_odds(weights: dict[str, float], features: dict[str, float]) -> float:
    return sum(weight * float(features[name]) for name, weight in weights.items())


def _sigmoid(log_odds: float) -> float:
    return float(1 / (1 + np.exp(-log_odds)))
