"""Linear-Gaussian prior over paths of latents, fitted in closed form.

A song of W windows is a path `(W, Z)`. The prior is a vector autoregression of order one,
`z[w] - m[w] = A (z[w-1] - m[w-1]) + noise`, around means `m` that depend on the meter, on whether a
window is the first, a middle or the last one of its song, and on the key its pitches were
transposed from (a song in a high key lies low once transposed to the common one). First and last
windows have noise covariances of their own. It is fitted on frozen encodings, so adding it to a
checkpoint changes nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from musicvae.arrays import Bools, Floats, Floats32, Ints
from musicvae.config.preset import Preset
from musicvae.networks.layers import latent_size
from musicvae.networks.priors.conditioning import EncodedPaths, KnownLatents, PathConditioning

FIRST, MIDDLE, LAST = 0, 1, 2
MEAN_SHRINKAGE = 20.0  # windows a mean needs to weigh as much as the coarser one it is shrunk to
RIDGE = 0.05
MAX_FACTOR_ELEMENTS = 2**24  # of the square roots gathered at once when sampling


@dataclass(frozen=True, kw_only=True, eq=False)
class LinearGaussianPrior:
    """A vector autoregression over windows.

    `mean` `(meters, 3, Z)`; `by_key` `(Z,)`, the change of means with each semitone of the key;
    `step` A `(Z, Z)`; `factor` `(3, Z, Z)`, lower triangular square roots of the covariances of a
    path's first deviation, of the noise within, and of the noise of its end. The names are those
    of the tensors in a checkpoint.
    """

    mean: Floats32
    by_key: Floats32
    step: Floats32
    factor: Floats32

    def __post_init__(self) -> None:
        Z = self.by_key.size
        shapes = {
            "by_key": (Z,),
            "step": (Z, Z),
            "factor": (3, Z, Z),
            "mean": (len(self.mean), 3, Z),
        }
        for name, shape in shapes.items():
            if getattr(self, name).shape != shape:
                raise TypeError(f"{name} of another shape")

    def fits(self, preset: Preset) -> bool:
        """Return whether it is one for latents and meters of models of a preset."""
        return (len(self.mean), self.by_key.size) == (len(preset.meters) + 1, latent_size(preset))

    @classmethod
    def fit(
        cls, paths: EncodedPaths, n_meters: int, *, seed: int = 0, n_draws: int = 4
    ) -> LinearGaussianPrior:
        """Return the prior fitted to posteriors of complete windows.

        Several draws from each posterior are used, so that the prior covers what the decoder was
        trained on, not only the means.
        """
        complete = paths.conditioning.valid.all(-1).numpy()
        if not complete.any():  # only songs shorter than a window
            complete = np.ones_like(complete)
        mu, sigma = (each[complete].astype(np.float32) for each in (paths.mu, paths.sigma))
        path = paths.path[complete]
        conditioning = paths.conditioning[complete]
        meter, key = conditioning.meter[:, 0].numpy(), conditioning.key.numpy()
        position = _song_positions(conditioning)
        rng = np.random.default_rng(seed)
        mean = _shrunken_means(mu, meter, position, n_meters)
        deviation = mu - mean[meter, position]
        by_key = _key_slope(deviation, key)
        centered = deviation - key[:, None] * by_key
        draws = [centered + sigma * rng.standard_normal(mu.shape) for _ in range(n_draws)]
        starts, total = position == FIRST, second_moment(np.concatenate(draws))
        continues = np.flatnonzero(path[1:] == path[:-1])
        if len(continues):
            x, y = (np.concatenate([d[continues + k] for d in draws]) for k in (0, 1))
            step = np.linalg.solve(x.T @ x + RIDGE * len(x) * np.eye(x.shape[1]), x.T @ y).T
            residual = y - x @ step.T
            noise = second_moment(residual)
            ends = np.tile(position[continues + 1] == LAST, n_draws)
            last = second_moment(residual[ends], noise)
        else:
            step, noise, last = np.zeros_like(total), total, total
        first = second_moment(np.concatenate([d[starts] for d in draws]), total)
        return cls(
            mean=mean.astype(np.float32),
            by_key=by_key.astype(np.float32),
            step=step.astype(np.float32),
            factor=np.stack([lower_factor(each) for each in (first, noise, last)]),
        )

    @classmethod
    def standard_normal(cls, Z: int, n_meters: int) -> LinearGaussianPrior:
        """Return a prior that samples every window from the standard normal, independently."""
        eye = np.eye(Z, dtype=np.float32)
        return cls(
            mean=np.zeros((n_meters, 3, Z), np.float32),
            by_key=np.zeros(Z, np.float32),
            step=np.zeros_like(eye),
            factor=np.stack([eye] * 3),
        )

    def sample(
        self,
        conditioning: PathConditioning,
        *,
        temperature: float = 1.0,
        rng: np.random.Generator,
        known: KnownLatents | None = None,
        bar_labels: Ints | None = None,
        amount: float = 1.0,
    ) -> Floats32:
        """Return sampled paths `(n, W, Z)`; arguments as in `Prior.sample`.

        Windows that are partly known are sampled as if they were not. Windows that share the labels
        of all their bars are identical. With an `amount` below 1 samples lie on a circle around the
        mean, that share of a quarter turn away from the known paths.
        """
        meter, key = conditioning.meter[..., 0].numpy(), conditioning.key.numpy()
        position = _song_positions(conditioning)
        n, W = meter.shape
        mean = self.mean[meter, position] + key[..., None] * self.by_key
        path = np.zeros((n, W, self.step.shape[0]), np.float32)
        fixed, deviation = np.zeros((n, W), bool), path
        if known is not None and amount >= 1:
            fixed, deviation = known.fully_known(conditioning), known.z - mean
        chunk = max(1, MAX_FACTOR_ELEMENTS // self.step.size)
        for w in range(W):
            noise = rng.standard_normal(path[:, w].shape).astype(np.float32)
            for begin in range(0, n, chunk):
                own = slice(begin, begin + chunk)
                root = self.factor[position[own, w]]  # (chunk, Z, Z)
                path[own, w] = (root @ noise[own, :, None])[..., 0] * np.float32(temperature)
            if w:
                path[:, w] += path[:, w - 1] @ self.step.T
            for i in np.flatnonzero(fixed[:, w]).tolist():
                self._condition_on_window(path[i], deviation[i, w], fixed[i], position[i], w)
        if known is not None and amount < 1:
            angle = amount * np.pi / 2
            path = np.cos(angle) * (known.z - mean) + np.sin(angle) * path
        path = tie_windows(path, bar_labels) + mean
        if known is not None:
            path = np.where(fixed[..., None], known.z, path)
        return np.asarray(path, np.float32)

    def _condition_on_window(
        self, path: Floats32, value: Floats32, fixed: Bools, position: Ints, w: int
    ) -> None:
        """Set window `w` of a path of deviations `(W, Z)` to `value` `(Z,)`, in place.

        The windows sampled before it, back to the last fixed one, move by their conditional mean
        given the residual (Matheron's rule).
        """
        residual, path[w] = value - path[w], value
        previous = w - 1 - int(np.argmax(fixed[:w][::-1])) if fixed[:w].any() else -1
        if previous == w - 1:
            return
        covariance = np.zeros_like(self.step)
        covariances = []
        for i in range(previous + 1, w + 1):
            root = self.factor[position[i]]
            covariance = self.step @ covariance @ self.step.T + root @ root.T
            covariances.append(covariance)
        pull = np.linalg.solve(covariances[-1] + 1e-6 * np.eye(len(covariance)), residual)
        for i in range(w - 1, previous, -1):
            pull = self.step.T @ pull
            path[i] += covariances[i - previous - 1] @ pull

    def tensors(self) -> dict[str, Floats32]:
        """Return the tensors that a checkpoint stores, by field name."""
        return dict(vars(self))


def tie_windows(path: Floats32, bar_labels: Ints | None) -> Floats32:
    """Return paths `(n, W, Z)` with windows of equal `bar_labels` `(n, W, N)` made identical."""
    if bar_labels is None:
        return path
    first = (bar_labels[:, :, None] == bar_labels[:, None]).all(-1).argmax(-1)
    return np.take_along_axis(path, first[..., None], 1)


def second_moment(rows: Floats, shrink_to: Floats | None = None) -> Floats:
    """Return the second moment of rows `(M, Z)`, shrunk to another if given. `(Z, Z)`"""
    found = rows.T @ rows
    if shrink_to is None:
        return found / max(len(rows), 1) + 1e-4 * np.eye(rows.shape[1])
    weight = rows.shape[1]
    return (found + weight * shrink_to) / (len(rows) + weight)


def _song_positions(conditioning: PathConditioning) -> Ints:
    """Return whether windows are `FIRST`, `MIDDLE` or `LAST` in their songs. Any shape."""
    first = conditioning.first_bar.numpy()
    stop = first + conditioning.n_bars
    last = np.where(stop >= conditioning.song_bars.numpy(), LAST, MIDDLE)
    return np.where(first == 0, FIRST, last)


def _shrunken_means(mu: Floats32, meter: Ints, position: Ints, n_meters: int) -> Floats:
    """Return means by meter and position, each shrunk to the coarser mean. `(meters, 3, Z)`"""
    overall = mu.mean(0, dtype=np.float64)
    mean = np.zeros((n_meters, 3, mu.shape[-1]))
    for m in range(n_meters):
        rows = meter == m
        of_meter = mu[rows].sum(0) + MEAN_SHRINKAGE * overall
        of_meter = of_meter / (rows.sum() + MEAN_SHRINKAGE)
        for p in (FIRST, MIDDLE, LAST):
            both = rows & (position == p)
            total = mu[both].sum(0) + MEAN_SHRINKAGE * of_meter
            mean[m, p] = total / (both.sum() + MEAN_SHRINKAGE)
    return mean


def _key_slope(deviation: Floats, key: Ints) -> Floats:
    """Return the slope of the mean over the key by least squares, shrunk to zero. `(Z,)`"""
    return (key @ deviation) / (float((key**2).sum()) + 10 * MEAN_SHRINKAGE)


def lower_factor(covariance: Floats) -> Floats32:
    """Return a lower triangular square root of a covariance; tolerates rounding below zero."""
    values, vectors = np.linalg.eigh((covariance + covariance.T) / 2)
    root = vectors * np.sqrt(np.maximum(values, 0))
    upper: Floats = np.asarray(np.linalg.qr(root.T, mode="r"))
    return np.tril(upper.T).astype(np.float32)
