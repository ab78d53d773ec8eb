"""Floor 4: can a classifier tell two sets of windows apart by their features? Logistic regression
by Newton's method, and the area under its receiver operating characteristic on songs held out.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from musicvae.song import Ints

Floats = NDArray[np.float64]
_FOLDS = 5
_RIDGE = 1.0


def auc(scores: Floats, positive: NDArray[np.bool_]) -> float:
    """The chance that a positive has a higher score than a negative, ties counting half."""
    n_pos, n_neg = int(positive.sum()), int((~positive).sum())
    if not n_pos or not n_neg:
        return float("nan")
    _, place, count = np.unique(scores, return_inverse=True, return_counts=True)
    rank = (np.cumsum(count) - (count - 1) / 2)[place]
    return float((rank[positive].sum() - n_pos * (n_pos + 1) / 2) / (n_pos * n_neg))


def logistic(x: Floats, y: NDArray[np.bool_], ridge: float = _RIDGE) -> Floats:
    """Weights `(F + 1,)`, the constant last, that are likeliest for labels `y` of rows `x` `(n, F)`
    with a Gaussian prior: the minimum of the loss plus `ridge / 2` times their squares.
    """
    design = np.column_stack([x, np.ones(len(x))])
    weights = np.zeros(design.shape[1])
    penalty = np.diag(np.append(np.full(x.shape[1], ridge), 1e-6))
    for _ in range(50):
        p = _sigmoid(design @ weights)
        slope = design.T @ (y - p) - penalty @ weights
        curve = (design * (p * (1 - p))[:, None]).T @ design + penalty
        step = np.linalg.solve(curve, slope)
        # Far from the minimum a whole step may overshoot.
        step *= min(1.0, 5.0 / max(np.abs(step).max(), 1e-12))
        weights = weights + step
        if np.abs(step).max() < 1e-8:
            break
    return weights


def told_apart(a: Floats, b: Floats, songs_a: Ints, songs_b: Ints, *, seed: int = 0) -> float:
    """Cross-validated AUC of rows `a` `(n, F)` against `b` `(m, F)`: .5 cannot be told, 1 always.

    Five folds by song: all windows of a number in `songs_a` and `songs_b` are on one side, so that
    no song is known by its other windows. Features are standardised; where one is missing the mean
    stands for it, and a column of its own says so. The mean over folds; nan with one song alone.
    """
    x, y = np.concatenate([a, b]), np.arange(len(a) + len(b)) < len(a)
    every, of_row = np.unique(np.concatenate([songs_a, songs_b]), return_inverse=True)
    fold = np.random.default_rng(seed).permutation(len(every)) % min(_FOLDS, len(every))
    areas = []
    for nth in range(int(fold.max(initial=0)) + 1):
        out = fold[of_row] == nth
        if y[out].all() or not y[out].any() or y[~out].all() or not y[~out].any():
            continue
        learned, judged = _standardised(x[~out], x[out])
        weights = logistic(learned, y[~out])
        areas.append(auc(judged @ weights[:-1] + weights[-1], y[out]))
    return float(np.mean(areas)) if areas else float("nan")


def _standardised(x: Floats, other: Floats) -> tuple[Floats, Floats]:
    """Both with zero mean and unit variance by what `x` is, nothing missing."""
    there = np.isfinite(x)
    count = np.maximum(there.sum(0), 1)
    mean = np.where(there, x, 0).sum(0) / count
    spread = np.sqrt((np.where(there, x - mean, 0) ** 2).sum(0) / count)
    sparse = ~there.all(0)

    def scaled(rows: Floats) -> Floats:
        z = np.where(np.isfinite(rows), (rows - mean) / np.maximum(spread, 1e-9), 0)
        return np.column_stack([np.clip(z, -10, 10), ~np.isfinite(rows)[:, sparse]])

    return scaled(x), scaled(other)


def _sigmoid(x: Floats) -> Floats:
    return 0.5 * (1 + np.tanh(x / 2))
