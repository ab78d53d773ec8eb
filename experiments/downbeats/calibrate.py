"""Fit the weights of `musicvae/downbeats/decision.py`, which select bar lines.

    python -m experiments.downbeats.calibrate --songs 150

Uses validation songs, unchanged and corrupted as in `evaluate`. For each the outcome of keeping the
notated bar lines, of shifting them and of using the estimated ones is known; three logistic
regressions learn which is right from the features of `decision.Evidence`. An unchanged song counts
as much as several corrupted ones, since most files are right, and a mistake counts by its loss of
F1.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

import numpy as np
from sklearn.linear_model import LogisticRegression

from experiments.downbeats.evaluate import found_lines, sample_songs, scores
from experiments.downbeats.known_bars import CORPORA, CORRUPTIONS, Known, corrupt_known
from musicvae.downbeats import decision
from musicvae.downbeats.barlines import Candidate

UNCHANGED_WEIGHT = 26.0  # of an unchanged song, relative to a corrupted one
MIN_WEIGHT = 0.15  # of a song, in addition to the loss of F1 by a mistake


@dataclass
class Outcome:
    """Features of one song, and the F1 of each choice: as notated, shifted, estimated."""

    corpus: str
    corruption: str
    notated: dict[str, float]
    shifted: dict[str, float] | None
    estimated: dict[str, float]
    f1: tuple[float, float, float]


def outcome(job: tuple[Known, str]) -> Outcome | None:
    """Return the outcome of one song with one corruption."""
    one, corruption = job
    corrupted = corrupt_known(one, corruption)
    if corrupted is None:
        return None
    song, truths = corrupted
    candidate = Candidate.from_song(song)
    evidence = candidate.evidence
    if evidence.implausible or evidence.too_short or not len(evidence.notated.lines):
        return None
    shift, score = decision.best_shift(evidence)
    choices = (
        decision.BarlineChoice.as_notated(1.0),
        decision.BarlineChoice(source="shifted", confidence=1.0, reason="", shift=shift),
        decision.BarlineChoice(
            source="inferred", confidence=1.0, reason="", path=evidence.best_path
        ),
    )
    f1 = [scores(song, found_lines(candidate.apply(c)), truths)[0] for c in choices]
    return Outcome(
        corpus=one.corpus,
        corruption=corruption,
        notated=evidence.notated_features(evidence.notated),
        shifted=evidence.features(evidence.notated.lines + shift, score) if shift else None,
        estimated=evidence.estimated_features(shifted=False),
        f1=(f1[0], f1[1], f1[2]),
    )


def fit_weights(rows: list[dict[str, float]], right: list[bool], weight: list[float]) -> str:
    """Return the weights of one regression as source code."""
    names = [name for name in rows[0] if name != "bias"]
    X = np.array([[row[name] for name in names] for row in rows])
    model = LogisticRegression(C=3, max_iter=5000).fit(X, right, sample_weight=weight)
    found = {"bias": float(model.intercept_[0]), **dict(zip(names, model.coef_[0], strict=True))}
    return "{" + ", ".join(f'"{name}": {value:.2f}' for name, value in found.items()) + "}"


def main() -> None:
    """Try all choices on all songs, fit and print the weights."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--songs", type=int, default=150, help="maximum number of each corpus")
    parser.add_argument("--unchanged-weight", type=float, default=UNCHANGED_WEIGHT)
    args = parser.parse_args()
    songs = sample_songs("valid", args.songs, list(CORPORA))
    jobs = [(one, corruption) for one in songs for corruption in CORRUPTIONS]
    with ProcessPoolExecutor() as pool:
        outcomes = [o for o in pool.map(outcome, jobs, chunksize=8) if o]
    rows: dict[str, list[dict[str, float]]] = defaultdict(list)
    right: dict[str, list[bool]] = defaultdict(list)
    weight: dict[str, list[float]] = defaultdict(list)

    def add(kind: str, row: dict[str, float], is_right: bool, counts: float) -> None:
        rows[kind].append(row)
        right[kind].append(is_right)
        weight[kind].append(counts)

    for one in outcomes:
        notated, shifted, estimated = one.f1
        unchanged = one.corruption == CORRUPTIONS[0]
        best = max(shifted, estimated)
        counts = (
            args.unchanged_weight * (abs(notated - best) + MIN_WEIGHT)
            if unchanged
            else abs(notated - best) + 0.05
        )
        add("NOTATED_WEIGHTS", one.notated, notated >= best - 0.02, counts)
        if one.shifted:
            add(
                "SHIFTED_WEIGHTS",
                one.shifted,
                shifted >= estimated,
                abs(shifted - estimated) + 0.01,
            )
            add("ESTIMATED_WEIGHTS", one.estimated | {"shifted": 1.0}, shifted > 0.9, 1.0)
        add("ESTIMATED_WEIGHTS", one.estimated, estimated > 0.9, 1.0)
    for kind in ("NOTATED_WEIGHTS", "SHIFTED_WEIGHTS", "ESTIMATED_WEIGHTS"):
        print(f"{kind} = {fit_weights(rows[kind], right[kind], weight[kind])}")


if __name__ == "__main__":
    main()
