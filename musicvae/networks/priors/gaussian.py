"""Floor 5: a linear-Gaussian prior over paths of latents, fitted in closed form.

A song of many windows is a path `(W, Z)`. The prior is a vector autoregression of order one around
means that know the meter, whether a window is the first, a middle or the last one of its song, and
the key that was taken off (a song in a high key lies low when it is moved to the common one):
`z[w] - m[w] = A (z[w-1] - m[w-1]) + noise`, with noise of its own for first and last windows. It is
fitted on frozen encodings, so adding it to a checkpoint changes nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from musicvae.arrays import Floats32, Ints
from musicvae.networks.priors.conditioning import EncodedPaths, KnownLatents, PathConditioning

FIRST, MIDDLE, LAST = 0, 1, 2
_SHRINK = 20.0  # windows that a mean must have before it counts as much as the one it refines
_RIDGE = 0.05


@dataclass(frozen=True, kw_only=True, eq=False)
class LinearGaussianPrior:
    """`mean` `(meters, 3, Z)`; `by_key` `(Z,)`, how means move with each semitone of the key;
    `step` A `(Z, Z)`; `factor` `(3, Z, Z)`, lower triangular square roots of the covariances of a
    path's first deviation, of the noise within, and of the noise of its end.
    """

    mean: Floats32
    by_key: Floats32
    step: Floats32
    factor: Floats32

    @classmethod
    def fit(cls, paths: EncodedPaths, n_meters: int, *, seed: int = 0, draws: int = 4) -> LinearGaussianPrior:
        """Fit to posteriors of whole windows. Several draws from each are used, so that the prior
        covers what the decoder has learned from, not only the means.
        """
        whole = paths.frame.real.all(-1).numpy()
        whole = whole if whole.any() else np.ones_like(whole)  # only songs shorter than a window
        mu, sigma = (each[whole].astype(np.float32) for each in (paths.mu, paths.sigma))
        path = paths.path[whole]
        frame = paths.frame[whole]
        meter, place, key = frame.meter[:, 0].numpy(), _places(frame), frame.key.numpy()
        rng = np.random.default_rng(seed)
        mean = _means(mu, meter, place, n_meters)
        from_mean = mu - mean[meter, place]
        by_key = _slope(from_mean, key)
        centred = from_mean - key[:, None] * by_key
        drawn = [centred + sigma * rng.standard_normal(mu.shape) for _ in range(draws)]
        begins, total = place == FIRST, covariance(np.concatenate(drawn))
        goes_on = np.flatnonzero(path[1:] == path[:-1])
        if len(goes_on):
            x, y = (np.concatenate([d[goes_on + k] for d in drawn]) for k in (0, 1))
            step = np.linalg.solve(x.T @ x + _RIDGE * len(x) * np.eye(x.shape[1]), x.T @ y).T
            rest = y - x @ step.T
            noise = covariance(rest)
            last = covariance(rest[np.tile(place[goes_on + 1] == LAST, draws)], noise)
        else:
            step, noise, last = np.zeros_like(total), total, total
        first = covariance(np.concatenate([d[begins] for d in drawn]), total)
        return cls(
            mean=mean.astype(np.float32),
            by_key=by_key.astype(np.float32),
            step=step.astype(np.float32),
            factor=np.stack([factor(each) for each in (first, noise, last)]),
        )

    @classmethod
    def standard(cls, size: int, n_meters: int) -> LinearGaussianPrior:
        """Windows of `size` dimensions each drawn from the standard normal, whatever is around."""
        eye = np.eye(size, dtype=np.float32)
        return cls(
            mean=np.zeros((n_meters, 3, size), np.float32),
            by_key=np.zeros(size, np.float32),
            step=np.zeros_like(eye),
            factor=np.stack([eye] * 3),
        )

    def sample(
        self,
        frame: PathConditioning,
        *,
        temperature: float = 1.0,
        rng: np.random.Generator,
        given: KnownLatents | None = None,
        tied: Ints | None = None,
        amount: float = 1.0,
    ) -> Floats32:
        """EncodedPaths `(n, W, Z)` for songs of this frame `(n, W)`.

        Windows `given` whole come back as they are, others are drawn from what the prior says given
        these; one that is known in part is drawn as if it were not. Windows tied in all of their
        bars, `tied` `(n, W, N)`, are the same. With an `amount` below 1 paths are drawn near those
        given: so much of the way, along a circle around the mean.
        """
        meter, place, key = frame.meter[..., 0].numpy(), _places(frame), frame.key.numpy()
        n, W = meter.shape
        centre = self.mean[meter, place] + key[..., None] * self.by_key
        path = np.zeros((n, W, self.step.shape[0]), np.float32)
        whole, known = np.zeros((n, W), bool), path
        if given is not None and amount >= 1:
            whole, known = given.whole(frame), given.z - centre
        for w in range(W):
            noise = rng.standard_normal(path[:, w].shape).astype(np.float32)
            root = self.factor[place[:, w]]  # (n, Z, Z)
            path[:, w] = (root @ noise[..., None])[..., 0] * np.float32(temperature)
            if w:
                path[:, w] += path[:, w - 1] @ self.step.T
            for i in np.flatnonzero(whole[:, w]).tolist():
                self._bridge(path[i], known[i, w], whole[i], place[i], w)
        if given is not None and amount < 1:
            angle = amount * np.pi / 2
            path = np.cos(angle) * (given.z - centre) + np.sin(angle) * path
        path = alike(path, tied) + centre
        return np.asarray(
            path if given is None else np.where(whole[..., None], given.z, path), np.float32
        )

    def _bridge(
        self, path: Floats32, known: Floats32, whole: NDArray[np.bool_], place: Ints, w: int
    ) -> None:
        """Window `w` of a path of deviations `(W, Z)` turns out to be `known` `(Z,)`: those drawn
        before it, back to the last known one, move as far as they say of it (conditioning of a
        Gaussian by its residual, Matheron's rule).
        """
        off, path[w] = known - path[w], known
        hole = w - 1 - int(np.argmax(whole[:w][::-1])) if whole[:w].any() else -1
        if hole == w - 1:
            return
        spread = np.zeros_like(self.step)
        spreads = []
        for i in range(hole + 1, w + 1):
            root = self.factor[place[i]]
            spread = self.step @ spread @ self.step.T + root @ root.T
            spreads.append(spread)
        pull = np.linalg.solve(spreads[-1] + 1e-6 * np.eye(len(spread)), off)
        for i in range(w - 1, hole, -1):
            pull = self.step.T @ pull
            path[i] += spreads[i - hole - 1] @ pull

    def tensors(self) -> dict[str, Floats32]:
        """What a checkpoint keeps; `LinearGaussianPrior(**tensors)` is the inverse."""
        return dict(vars(self))


def alike(path: Floats32, tied: Ints | None) -> Floats32:
    """EncodedPaths `(n, W, Z)` in which windows tied in all their bars, `tied` `(n, W, N)`, are one."""
    if tied is None:
        return path
    first = (tied[:, :, None] == tied[:, None]).all(-1).argmax(-1)
    return np.take_along_axis(path, first[..., None], 1)


def covariance(
    rows: NDArray[np.float64], towards: NDArray[np.float64] | None = None
) -> NDArray[np.float64]:
    """Second moments of rows; of few rows, drawn `towards` those of many."""
    found = rows.T @ rows
    if towards is None:
        return found / max(len(rows), 1) + 1e-4 * np.eye(rows.shape[1])
    weight = rows.shape[1]
    return (found + weight * towards) / (len(rows) + weight)


def _places(frame: PathConditioning) -> Ints:
    """Whether windows are the first, a middle or the last one of their songs. Any shape."""
    first, stop = frame.first.numpy(), frame.first.numpy() + frame.size
    last = np.where(stop >= frame.bars.numpy(), LAST, MIDDLE)
    return np.where(first == 0, FIRST, last)


def _means(mu: Floats32, meter: Ints, place: Ints, n_meters: int) -> NDArray[np.float64]:
    """Means by meter and place, each drawn towards the coarser mean it refines. `(M, 3, Z)`"""
    overall = mu.mean(0, dtype=np.float64)
    mean = np.zeros((n_meters, 3, mu.shape[-1]))
    for m in range(n_meters):
        mine = meter == m
        of_meter = (mu[mine].sum(0) + _SHRINK * overall) / (mine.sum() + _SHRINK)
        for p in (FIRST, MIDDLE, LAST):
            both = mine & (place == p)
            mean[m, p] = (mu[both].sum(0) + _SHRINK * of_meter) / (both.sum() + _SHRINK)
    return mean


def _slope(from_mean: NDArray[np.float64], key: Ints) -> NDArray[np.float64]:
    """How the mean moves with the key, by least squares, drawn towards not at all. `(Z,)`"""
    return (key @ from_mean) / (float((key**2).sum()) + 10 * _SHRINK)


def factor(covariance: NDArray[np.float64]) -> Floats32:
    """A lower triangular square root of a covariance that rounding may have left slightly
    indefinite."""
    values, vectors = np.linalg.eigh((covariance + covariance.T) / 2)
    root = vectors * np.sqrt(np.maximum(values, 0))
    upper: NDArray[np.float64] = np.asarray(np.linalg.qr(root.T, mode="r"))
    return np.tril(upper.T).astype(np.float32)
