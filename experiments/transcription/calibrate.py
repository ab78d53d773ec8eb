"""Fit the weights of `musicvae/io/transcription/bars.py`, which choose the bars of a sung melody.

    python -m experiments.transcription.calibrate --songs 420 --plain 140

Uses validation tunes of `folk` and plain tunes, performed by `singing`, with some notes missed. Of
all bar hypotheses for a tune those are right whose bar lines have an F1 of .9 within 70 ms, if
their meter is compound where that of the tune is; for plain tunes their meter and tempo must be
right, too. A conditional logistic regression learns to choose them from their evidence. Prints the
weights, and the accuracy by cross-validation over tunes.
"""

from __future__ import annotations

import argparse
import zlib
from collections import Counter
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize

from experiments.downbeats.known_bars import Known, bar_lines, known
from experiments.transcription.plain_tunes import (
    PlainTune,
    bars_right,
    detected_notes,
    meter_name,
    plain_tunes,
    sing,
)
from experiments.transcription.singing import TIMBRES, barline_f1, perform
from musicvae.io.transcription.bars import bar_hypotheses
from musicvae.io.transcription.beats import track_pulses
from musicvae.io.transcription.rhythm import is_compound

RIGHT = 0.9
MISSED_SHARE, JITTER_S = 0.04, 0.01
_MAX_TERMS = 64


@dataclass(frozen=True)
class Case:
    """The hypotheses `(H,)` of a tune."""

    corpus: str
    evidence: np.ndarray
    """`(H, terms)`"""
    has_right_lines: np.ndarray
    is_right: np.ndarray
    """Lines, and what else is required."""


def main() -> None:
    """Perform tunes, collect hypotheses, fit and print the weights."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--songs", type=int, default=420, help="of folk")
    parser.add_argument("--plain", type=int, default=140, help="plain tunes")
    parser.add_argument("--strength", type=float, default=0.002, help="of weight decay")
    chosen = parser.parse_args()
    songs = [one for one in known("folk") if one.split == "valid"]
    step = max(1, len(songs) // chosen.songs)
    names: dict[str, int] = {}
    found = [
        folk_case(one, TIMBRES[i % len(TIMBRES)], names) for i, one in enumerate(songs[::step])
    ]
    cases = [case for case in found if case is not None]
    cases += [
        plain_case(tune, i, names) for i, tune in enumerate(plain_tunes("valid", chosen.plain))
    ]
    folds = [fit([c for i, c in enumerate(cases) if i % 5 != k], chosen.strength) for k in range(5)]
    for corpus in ("folk", "plain"):
        picked = [
            (case, int((case.evidence @ folds[i % 5]).argmax()))
            for i, case in enumerate(cases)
            if case.corpus == corpus
        ]
        reach = np.mean([case.has_right_lines.any() for case, _ in picked])
        lines = np.mean([case.has_right_lines[best] for case, best in picked])
        every = np.mean([case.is_right[best] for case, best in picked])
        print(f"{len(picked)} tunes of {corpus}: right bars among those tried {reach:.3f},", end="")
        print(f" chosen {lines:.3f}, of these with the right kind of meter {every:.3f}")
    weights = fit(cases, chosen.strength)
    for name, at in names.items():
        print(f'    "{name}": {weights[at]:.2f},')


def folk_case(one: Known, timbre: str, names: dict[str, int]) -> Case | None:
    """Return the hypotheses for a tune of `folk`; None if it is too short."""
    rng = np.random.default_rng(zlib.crc32(one.name.encode()))
    lines = bar_lines(one.song)
    sung = perform(one.song, np.array([tick for tick, _ in lines]), rng, timbre, 28.0)
    notes = detected_notes(sung, rng, MISSED_SHARE, JITTER_S)
    if len(notes.onset_s) < 10 or len(sung.lines) < 4:
        return None
    compound = is_compound(Counter(meter for _, meter in lines).most_common(1)[0][0])
    rows, has_right_lines, is_right = [], [], []
    for bars in bar_hypotheses(notes, track_pulses(notes.onset_s)):
        at = bars.cells_to_seconds(bars.path.lines)
        right = barline_f1(at[at <= sung.stop[-1] + 0.05], sung.lines) >= RIGHT
        rows.append(_row(bars.evidence, names))
        has_right_lines.append(right)
        is_right.append(right and is_compound(meter_name(bars)) == compound)
    return Case("folk", np.array(rows), np.array(has_right_lines), np.array(is_right))


def plain_case(tune: PlainTune, i: int, names: dict[str, int]) -> Case:
    """Return the hypotheses for the plain tune of a number."""
    rng = np.random.default_rng((1, i, 1))
    sung = sing(tune, TIMBRES[i % len(TIMBRES)], rng)
    notes = detected_notes(sung, rng, MISSED_SHARE / 2, JITTER_S)
    rows, has_right_lines, is_right = [], [], []
    for bars in bar_hypotheses(notes, track_pulses(notes.onset_s)):
        right = bars_right(bars, tune, sung)
        rows.append(_row(bars.evidence, names))
        has_right_lines.append(right["bars"])
        is_right.append(all(right.values()))
    return Case("plain", np.array(rows), np.array(has_right_lines), np.array(is_right))


def _row(evidence: dict[str, float], names: dict[str, int]) -> np.ndarray:
    """Return evidence as a row; `names` gives the column of each term, and learns new ones."""
    row = np.zeros(_MAX_TERMS)
    for name, value in evidence.items():
        row[names.setdefault(name, len(names))] = value
    return row


def fit(cases: list[Case], strength: float) -> np.ndarray:
    """Return the maximum-likelihood weights for choosing the right bars of each tune."""
    targets = [
        (case.evidence, case.is_right if case.is_right.any() else case.has_right_lines)
        for case in cases
    ]
    known_right = [(x, right) for x, right in targets if right.any()]

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        total, slope = 0.0, np.zeros(_MAX_TERMS)
        for x, right in known_right:
            odds = x @ weights
            chance = np.exp(odds - odds.max())
            chance /= chance.sum()
            among = np.where(right, chance, 0) / chance[right].sum()
            total -= np.log(chance[right].sum())
            slope += x.T @ (chance - among)
        n = len(known_right)
        return total / n + strength * weights @ weights / 2, slope / n + strength * weights

    return minimize(loss, np.zeros(_MAX_TERMS), jac=True, method="L-BFGS-B").x


if __name__ == "__main__":
    main()
