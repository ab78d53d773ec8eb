"""Floor 5: a linear-Gaussian prior over paths of latents, fitted in closed form.

A song of many windows is a path `(W, Z)`. The prior is a vector autoregression of order one around
means that know the meter and whether a window is the first, a middle or the last one of its song:
`z[w] - m[w] = A (z[w-1] - m[w-1]) + noise`. It is fitted on frozen encodings, so adding it to a
checkpoint changes nothing else.
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
class PathPrior:
    """`mean` `(meters, 3, Z)`; `step` A `(Z, Z)`; square roots of the covariances of the
    first deviation and of the noise, `(Z, Z)` each.
    """

    mean: Floats
    step: Floats
    first_factor: Floats
    noise_factor: Floats

    @classmethod
    def fit(
        cls,
        paths: Sequence[tuple[Floats, Floats]],
        meters: Sequence[NDArray[np.int64]],
        n_meters: int,
        *,
        seed: int = 0,
        draws: int = 4,
    ) -> PathPrior:
        """Fit to posteriors `(mu, sigma)`, each `(W, Z)`, and the meter of each window `(W,)`.

        Several draws from each posterior are used, so that the prior covers what the decoder has
        learned from, not only the means.
        """
        rng = np.random.default_rng(seed)
        place = [_places(len(mu)) for mu, _ in paths]
        mean = _means([mu for mu, _ in paths], meters, place, n_meters)
        Z = mean.shape[-1]
        total, n = np.zeros((Z, Z)), 0
        before, after, n_pairs = np.zeros((Z, Z)), np.zeros((Z, Z)), 0
        cross = np.zeros((Z, Z))
        for (mu, sigma), meter, at in zip(paths, meters, place, strict=True):
            centre = mean[meter, at]
            for _ in range(draws):
                d = mu + sigma * rng.standard_normal(mu.shape) - centre
                total += d.T @ d
                before += d[:-1].T @ d[:-1]
                after += d[1:].T @ d[1:]
                cross += d[1:].T @ d[:-1]
                n += len(d)
                n_pairs += len(d) - 1
        covariance = total / max(n, 1) + 1e-4 * np.eye(Z)
        if n_pairs:
            ridge = _RIDGE * n_pairs * np.eye(Z)
            step = np.linalg.solve(before + ridge, cross.T).T
            rest = after - step @ cross.T - cross @ step.T + step @ before @ step.T
            noise = rest / n_pairs + 1e-4 * np.eye(Z)
        else:
            step, noise = np.zeros((Z, Z)), covariance
        return cls(
            mean=mean.astype(np.float32),
            step=step.astype(np.float32),
            first_factor=_factor(covariance),
            noise_factor=_factor(noise),
        )

    def sample(
        self,
        n: int,
        meters: NDArray[np.int64],
        *,
        temperature: float = 1.0,
        rng: np.random.Generator,
    ) -> Floats:
        """`n` paths over windows of these meters `(W,)`. Returns `(n, W, Z)`."""
        W, Z = len(meters), self.step.shape[0]
        centre = self.mean[meters, _places(W)]
        path = np.zeros((n, W, Z), np.float32)
        for w in range(W):
            factor = self.noise_factor if w else self.first_factor
            drawn = rng.standard_normal((n, Z)).astype(np.float32) @ factor.T * temperature
            path[:, w] = drawn + (path[:, w - 1] @ self.step.T if w else 0)
        return path + centre

    def tensors(self) -> dict[str, Floats]:
        """What a checkpoint keeps; `PathPrior(**tensors)` is the inverse."""
        return dict(vars(self))


def _places(n_windows: int) -> NDArray[np.int64]:
    place = np.full(n_windows, MIDDLE)
    place[-1:] = LAST
    place[:1] = FIRST
    return place


def _means(
    mus: Sequence[Floats],
    meters: Sequence[NDArray[np.int64]],
    places: Sequence[NDArray[np.int64]],
    n_meters: int,
) -> NDArray[np.float64]:
    """Means by meter and place, each drawn towards the coarser mean it refines. `(M, 3, Z)`"""
    mu, meter, place = (np.concatenate(list(each)) for each in (mus, meters, places))
    overall = mu.mean(0, dtype=np.float64)
    mean = np.zeros((n_meters, 3, mu.shape[-1]))
    for m in range(n_meters):
        mine = meter == m
        of_meter = (mu[mine].sum(0) + _SHRINK * overall) / (mine.sum() + _SHRINK)
        for p in (FIRST, MIDDLE, LAST):
            both = mine & (place == p)
            mean[m, p] = (mu[both].sum(0) + _SHRINK * of_meter) / (both.sum() + _SHRINK)
    return mean


def _factor(covariance: NDArray[np.float64]) -> Floats:
    """A square root of a covariance that rounding may have left slightly indefinite."""
    values, vectors = np.linalg.eigh((covariance + covariance.T) / 2)
    return (vectors * np.sqrt(np.maximum(values, 0))).astype(np.float32)
