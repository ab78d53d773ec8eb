"""Floor 5: a linear-Gaussian prior over paths of latents, fitted in closed form.

A song of many windows is a path `(W, Z)`. The prior is a vector autoregression of order one around
means that know the meter, whether a window is the first, a middle or the last one of its song, and
the key that was taken off (a song in a high key lies low when it is moved to the common one):
`z[w] - m[w] = A (z[w-1] - m[w-1]) + noise`, with noise of its own for first and last windows. It is
fitted on frozen encodings, so adding it to a checkpoint changes nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
FIRST, MIDDLE, LAST = 0, 1, 2
_SHRINK = 20.0  # windows that a mean must have before it counts as much as the one it refines
_RIDGE = 0.05


@dataclass(frozen=True, kw_only=True, eq=False)
class Path:
    """The posteriors of consecutive windows of one song."""

    mu: Floats  # (W, Z)
    sigma: Floats  # (W, Z)
    meter: NDArray[np.int64]  # (W,)
    place: NDArray[np.int64]  # (W,) FIRST, MIDDLE or LAST
    key: int  # semitones taken off its pitches


@dataclass(frozen=True, kw_only=True, eq=False)
class PathPrior:
    """`mean` `(meters, 3, Z)`; `by_key` `(Z,)`, how means move with each semitone of the key;
    `step` A `(Z, Z)`; `factor` `(3, Z, Z)`, lower triangular square roots of the covariances of a
    path's first deviation, of the noise within, and of the noise of its end.
    """

    mean: Floats
    by_key: Floats
    step: Floats
    factor: Floats

    @classmethod
    def fit(
        cls, paths: Sequence[Path], n_meters: int, *, seed: int = 0, draws: int = 4
    ) -> PathPrior:
        """Fit to posteriors. Several draws from each are used, so that the prior covers what the
        decoder has learned from, not only the means.
        """
        rng = np.random.default_rng(seed)
        mean = _means(paths, n_meters)
        by_key = _slope(paths, mean)
        deviations, before, after, ends = [], [], [], []
        for path in paths:
            for _ in range(draws):
                z = path.mu + path.sigma * rng.standard_normal(path.mu.shape)
                d = z - mean[path.meter, path.place] - path.key * by_key
                deviations.append(d)
                before.append(d[:-1])
                after.append(d[1:])
                ends.append(path.place[1:] == LAST)
        every, x, y = (np.concatenate(each) for each in (deviations, before, after))
        begins = np.concatenate(
            [np.repeat(p.place[None] == FIRST, draws, 0).ravel() for p in paths]
        )
        total = _covariance(every)
        if len(x):
            Z = x.shape[1]
            step = np.linalg.solve(x.T @ x + _RIDGE * len(x) * np.eye(Z), x.T @ y).T
            rest = y - x @ step.T
            noise = _covariance(rest)
            last = _covariance(rest[np.concatenate(ends)], noise)
        else:
            step, noise, last = np.zeros_like(total), total, total
        factors = (_factor(each) for each in (_covariance(every[begins], total), noise, last))
        return cls(
            mean=mean.astype(np.float32),
            by_key=by_key.astype(np.float32),
            step=step.astype(np.float32),
            factor=np.stack(list(factors)),
        )

    def sample(
        self,
        n: int,
        meters: NDArray[np.int64],
        *,
        keys: NDArray[np.int64] | None = None,
        temperature: float = 1.0,
        rng: np.random.Generator,
    ) -> Floats:
        """`n` paths over windows of these meters `(W,)`, first to last, for songs that will be
        moved to these `keys` `(n,)`, all 0 if not given. Returns `(n, W, Z)`.
        """
        W, Z = len(meters), self.step.shape[0]
        place = np.full(W, MIDDLE)
        place[-1:] = LAST
        place[:1] = FIRST
        path = np.zeros((n, W, Z), np.float32)
        for w in range(W):
            noise = rng.standard_normal((n, Z)).astype(np.float32) * np.float32(temperature)
            path[:, w] = noise @ self.factor[place[w]].T
            if w:
                path[:, w] += path[:, w - 1] @ self.step.T
        moved = np.zeros(n) if keys is None else keys
        centre = self.mean[meters, place] + moved[:, None, None] * self.by_key
        return np.asarray(path + centre, np.float32)

    def tensors(self) -> dict[str, Floats]:
        """What a checkpoint keeps; `PathPrior(**tensors)` is the inverse."""
        return dict(vars(self))


def _covariance(
    rows: NDArray[np.float64], towards: NDArray[np.float64] | None = None
) -> NDArray[np.float64]:
    """Second moments of rows; of few rows, drawn `towards` those of many."""
    found = rows.T @ rows
    if towards is None:
        return found / max(len(rows), 1) + 1e-4 * np.eye(rows.shape[1])
    weight = rows.shape[1]
    return (found + weight * towards) / (len(rows) + weight)


def _means(paths: Sequence[Path], n_meters: int) -> NDArray[np.float64]:
    """Means by meter and place, each drawn towards the coarser mean it refines. `(M, 3, Z)`"""
    mu = np.concatenate([path.mu for path in paths])
    meter = np.concatenate([path.meter for path in paths])
    place = np.concatenate([path.place for path in paths])
    overall = mu.mean(0, dtype=np.float64)
    mean = np.zeros((n_meters, 3, mu.shape[-1]))
    for m in range(n_meters):
        mine = meter == m
        of_meter = (mu[mine].sum(0) + _SHRINK * overall) / (mine.sum() + _SHRINK)
        for p in (FIRST, MIDDLE, LAST):
            both = mine & (place == p)
            mean[m, p] = (mu[both].sum(0) + _SHRINK * of_meter) / (both.sum() + _SHRINK)
    return mean


def _slope(paths: Sequence[Path], mean: NDArray[np.float64]) -> NDArray[np.float64]:
    """How the mean moves with the key, by least squares, drawn towards not at all. `(Z,)`"""
    up = sum(p.key * (p.mu - mean[p.meter, p.place]).sum(0, dtype=np.float64) for p in paths)
    weight = sum(p.key**2 * len(p.mu) for p in paths)
    return np.asarray(up / (weight + 10 * _SHRINK), np.float64) * np.ones(mean.shape[-1])


def _factor(covariance: NDArray[np.float64]) -> Floats:
    """A lower triangular square root of a covariance that rounding may have left slightly
    indefinite."""
    values, vectors = np.linalg.eigh((covariance + covariance.T) / 2)
    root = vectors * np.sqrt(np.maximum(values, 0))
    upper: NDArray[np.float64] = np.asarray(np.linalg.qr(root.T, mode="r"))
    return np.tril(upper.T).astype(np.float32)
