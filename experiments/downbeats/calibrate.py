"""Fit how far stated bar lines are to be believed: the weights in `musicvae/downbeats/decision.py`.

    python experiments/downbeats/calibrate.py --songs 150

Validation songs (never the test split), whole and damaged as in `experiments/downbeats/evaluate.py`. For each
the outcome of believing the file, of believing it shifted and of believing the ear is known; three
logistic regressions learn which is right from what `choose.Case` sees. A whole song counts as much
as several damaged ones, since files are mostly right, and a mistake counts by how much F1 it costs.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from sys import path as import_path

import numpy as np
from sklearn.linear_model import LogisticRegression

import_path.insert(0, str(Path(__file__).resolve().parents[1] / "benchmarks"))
from bar_lines import chosen, found_lines, scores
from known_bars import CORPORA, DAMAGES, Known, spoilt

from musicvae.downbeats import decision
from musicvae.downbeats.barlines import Attempt

WHOLE = 26.0  # damaged songs that a whole one counts for
CERTAIN = 0.15  # weight of a song whatever is chosen, beside the F1 that a mistake costs


@dataclass
class Outcome:
    """What was seen of one song, and the F1 of each choice: as stated, shifted, inferred."""

    corpus: str
    damage: str
    stated: dict[str, float]
    shifted: dict[str, float] | None
    found: dict[str, float]
    f1: tuple[float, float, float]


def outcome(job: tuple[Known, str]) -> Outcome | None:
    """One song with one damage."""
    one, damage = job
    worse = spoilt(one, damage)
    if worse is None:
        return None
    song, truths = worse
    tried = Attempt.of(song)
    case = tried.case
    if case.absurd or case.too_short or not len(case.stated.lines):
        return None
    shift, score = decision.best_shift(case)
    choices = (
        decision.Choice.as_stated(1.0),
        decision.Choice(source="shifted", confidence=1.0, reason="", shift=shift),
        decision.Choice(source="inferred", confidence=1.0, reason="", path=case.free),
    )
    f1 = [scores(song, found_lines(tried.as_chosen(c)), truths)[0] for c in choices]
    return Outcome(
        corpus=one.corpus,
        damage=damage,
        stated=case.evidence_stated(case.stated),
        shifted=case.evidence(case.stated.lines + shift, score) if shift else None,
        found=case.evidence_found(shifted=False),
        f1=(f1[0], f1[1], f1[2]),
    )


def fitted(rows: list[dict[str, float]], right: list[bool], weight: list[float]) -> str:
    """The weights of one regression, as they stand in the code."""
    names = [name for name in rows[0] if name != "always"]
    X = np.array([[row[name] for name in names] for row in rows])
    model = LogisticRegression(C=3, max_iter=5000).fit(X, right, sample_weight=weight)
    found = {"always": float(model.intercept_[0]), **dict(zip(names, model.coef_[0], strict=True))}
    return "{" + ", ".join(f'"{name}": {value:.2f}' for name, value in found.items()) + "}"


def main() -> None:
    """Try all choices on all songs, fit, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--songs", type=int, default=150, help="at most so many of each corpus")
    parser.add_argument("--whole", type=float, default=WHOLE, help="what a whole song counts for")
    args = parser.parse_args()
    songs = chosen("valid", args.songs, list(CORPORA))
    jobs = [(one, damage) for one in songs for damage in DAMAGES]
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
        as_stated, shifted, inferred = one.f1
        whole = one.damage == DAMAGES[0]
        best = max(shifted, inferred)
        counts = (
            args.whole * (abs(as_stated - best) + CERTAIN)
            if whole
            else abs(as_stated - best) + 0.05
        )
        add("STATED", one.stated, as_stated >= best - 0.02, counts)
        if one.shifted:
            add("SHIFTED", one.shifted, shifted >= inferred, abs(shifted - inferred) + 0.01)
            add("FOUND", one.found | {"shifted": 1.0}, shifted > 0.9, 1.0)
        add("FOUND", one.found, inferred > 0.9, 1.0)
    for kind in ("STATED", "SHIFTED", "FOUND"):
        print(f"{kind} = {fitted(rows[kind], right[kind], weight[kind])}")


if __name__ == "__main__":
    main()
