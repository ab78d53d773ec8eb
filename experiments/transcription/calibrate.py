"""Fit the weights of `musicvae/io/transcription/bars.py`, which choose the bars of a sung melody.

    python -m experiments.transcription.calibrate --songs 420

Uses validation tunes of `folk`, performed by `singing`, with some notes missed. Of all bar
hypotheses for a tune those are right whose bar lines have an F1 of .9 within 70 ms; a conditional
logistic regression learns to choose them from their evidence. Prints the weights, and the accuracy
by cross-validation over tunes.
"""

from __future__ import annotations

import argparse
import zlib

import numpy as np
from scipy.optimize import minimize

from experiments.downbeats.known_bars import Known, bar_lines, known
from experiments.transcription.singing import TIMBRES, barline_f1, perform
from musicvae.io.transcription.bars import NoteSequence, bar_hypotheses
from musicvae.io.transcription.beats import track_pulses

RIGHT = 0.9
MISSED_SHARE, JITTER_S = 0.04, 0.01
Case = tuple[np.ndarray, np.ndarray]


def main() -> None:
    """Perform tunes, collect hypotheses, fit and print the weights."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--songs", type=int, default=420)
    parser.add_argument("--strength", type=float, default=0.005, help="of weight decay")
    chosen = parser.parse_args()
    songs = [one for one in known("folk") if one.split == "valid"]
    step = max(1, len(songs) // chosen.songs)
    cases, names = [], {}
    for i, one in enumerate(songs[::step]):
        found = hypotheses(one, TIMBRES[i % len(TIMBRES)], names)
        if found is not None:
            cases.append(found)
    cases = [(np.pad(x, ((0, 0), (0, len(names) - x.shape[1]))), f1) for x, f1 in cases]
    reach = np.mean([f1.max() >= RIGHT for _, f1 in cases])
    folds = [fit([c for i, c in enumerate(cases) if i % 5 != k], chosen.strength) for k in range(5)]
    right = np.mean([selected_f1(x, folds[i % 5], f1) >= RIGHT for i, (x, f1) in enumerate(cases)])
    print(f"{len(cases)} tunes; right bars among those tried {reach:.3f}, chosen {right:.3f}")
    for name, weight in zip(names, fit(cases, chosen.strength), strict=True):
        print(f'    "{name}": {weight:.2f},')


def hypotheses(one: Known, timbre: str, names: dict[str, int]) -> Case | None:
    """Return the evidence for all bar hypotheses of a tune, and their F1; None if too short."""
    rng = np.random.default_rng(zlib.crc32(one.name.encode()))
    lines = np.array([tick for tick, _ in bar_lines(one.song)])
    sung = perform(one.song, lines, rng, timbre, 28.0)
    detected = rng.uniform(size=len(sung.onset)) > MISSED_SHARE
    if detected.sum() < 10 or len(sung.lines) < 4:
        return None
    onset = np.maximum.accumulate(sung.onset + rng.normal(0, JITTER_S, len(sung.onset)))[detected]
    line = NoteSequence(
        onset_s=onset + np.arange(len(onset)) * 1e-6,
        end_s=sung.stop[detected],
        pitch=sung.pitch[detected],
        velocity=np.full(len(onset), 80),
    )
    rows, f1 = [], []
    for bars in bar_hypotheses(line, track_pulses(line.onset_s)):
        at = bars.cells_to_seconds(bars.path.lines)
        f1.append(barline_f1(at[at <= sung.stop[-1] + 0.05], sung.lines))
        row = np.zeros(64)
        for name, value in bars.evidence.items():
            row[names.setdefault(name, len(names))] = value
        rows.append(row)
    return np.array(rows)[:, : len(names)], np.array(f1)


def fit(cases: list[Case], strength: float) -> np.ndarray:
    """Return the maximum-likelihood weights for choosing the right bars of each tune."""
    size = cases[0][0].shape[1]
    known_right = [(x, f1 >= RIGHT) for x, f1 in cases if (f1 >= RIGHT).any()]

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        total, slope = 0.0, np.zeros(size)
        for x, right in known_right:
            odds = x @ weights
            chance = np.exp(odds - odds.max())
            chance /= chance.sum()
            among = np.where(right, chance, 0) / chance[right].sum()
            total -= np.log(chance[right].sum())
            slope += x.T @ (chance - among)
        n = len(known_right)
        return total / n + strength * weights @ weights / 2, slope / n + strength * weights

    return minimize(loss, np.zeros(size), jac=True, method="L-BFGS-B").x


def selected_f1(x: np.ndarray, weights: np.ndarray, f1: np.ndarray) -> float:
    """Return the F1 of the bars chosen by these weights."""
    return float(f1[int((x @ weights).argmax())])


if __name__ == "__main__":
    main()
