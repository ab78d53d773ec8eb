"""Directions of the latent space that change one attribute of a window and keep the others.

A small network predicts the attributes of a window from its latent: a linear map, plus one hidden
layer for the residual. Its gradients are the directions in which attributes increase. Of all steps
that raise one attribute by a standard deviation and keep the others, the one of least norm is
taken, measured in the spread of the latents.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musicvae.arrays import Floats
from musicvae.errors import ConfigError

MAX_NAME_LENGTH = 80
STEP_RIDGE = 0.02  # regularization of a step, as a share of the mean squared gradient
_TENSOR_NAMES = {
    "mean": "mean",
    "std": "std",
    "center": "centre",
    "variance": "spread",
    "linear": "linear",
    "hidden": "inner",
    "hidden_bias": "bias",
    "output": "outer",
}
"""Fields of `Directions`, and their names in checkpoints."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Directions:
    """A network from latents to attributes of windows. K attributes, H hidden units."""

    names: tuple[str, ...]
    mean: Floats  # (K,) of each attribute over the training windows
    std: Floats  # (K,) its standard deviation, the unit of all predictions
    center: Floats  # (Z,) mean latent
    variance: Floats  # (Z,) of latents, including that of their posteriors
    linear: Floats  # (K, Z) by ridge regression
    hidden: Floats  # (H, Z)
    hidden_bias: Floats  # (H,)
    output: Floats  # (K, H)

    def predict(self, z: NDArray[np.floating[Any]]) -> Floats:
        """Predict attributes, in standard deviations from the mean. `(n, Z)` -> `(n, K)`"""
        x = z - self.center
        hidden = np.tanh(x @ self.hidden.T + self.hidden_bias)
        return np.asarray(x @ self.linear.T + hidden @ self.output.T)

    def gradients(self, z: NDArray[np.floating[Any]]) -> Floats:
        """Return the gradient of each attribute at each latent. `(n, Z)` -> `(n, K, Z)`"""
        hidden = np.tanh((z - self.center) @ self.hidden.T + self.hidden_bias)
        slope = self.output[None] * (1 - hidden[:, None, :] ** 2)  # (n, K, H)
        return np.asarray(self.linear[None] + slope @ self.hidden)

    def step(self, z: NDArray[np.floating[Any]], change: Floats) -> Floats:
        """Move latents so that attributes change by `change` `(n, K)` standard deviations.

        Takes the step of least norm to first order. Dimensions that a window lacks, which are 0,
        stay. `(n, Z)` -> `(n, Z)`
        """
        gradients = self.gradients(z)
        scaled = gradients * (self.variance * (z != 0))[:, None]  # (n, K, Z)
        gram = scaled @ gradients.transpose(0, 2, 1)
        # Regularized, so that a flat attribute does not cause a long step.
        ridge = STEP_RIDGE * np.trace(gram, axis1=1, axis2=2)[:, None, None] / len(self.names)
        eye = np.eye(len(self.names))
        weights = np.linalg.solve(gram + (ridge + 1e-9) * eye, change[..., None])
        return np.asarray(z + (scaled.transpose(0, 2, 1) @ weights)[..., 0])

    @property
    def axes(self) -> Floats:
        """Directions of the linear map alone, the same everywhere. `(K, Z)`

        Along each its attribute rises by a standard deviation, the others stay.
        """
        scaled = self.linear * self.variance
        return np.asarray(np.linalg.solve(scaled @ self.linear.T, scaled))

    def to_tensors(self) -> dict[str, NDArray[np.generic]]:
        """Return the tensors of a checkpoint; the inverse is `from_tensors`.

        Attribute names are stored as rows of bytes.
        """
        names = np.zeros((len(self.names), max(map(len, self.names))), np.uint8)
        for row, name in zip(names, self.names, strict=True):
            row[: len(name)] = np.frombuffer(name.encode("ascii"), np.uint8)
        arrays = {
            stored: getattr(self, field).astype(np.float32)
            for field, stored in _TENSOR_NAMES.items()
        }
        return {"names": names} | arrays

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, NDArray[np.generic]]) -> Directions | None:
        """Return the directions in a checkpoint's tensors, if any.

        Raises `KeyError` or `ValueError` for tensors that are none.
        """
        if not tensors:
            return None
        rows = tensors["names"].astype(np.uint8)
        if rows.ndim != 2 or not 0 < rows.shape[1] <= MAX_NAME_LENGTH:
            raise ValueError("names of no shape")
        names = tuple(bytes(row[row > 0]).decode("ascii") for row in rows)
        arrays = {f: tensors[stored].astype(np.float64) for f, stored in _TENSOR_NAMES.items()}
        K, Z, H = len(names), arrays["center"].size, arrays["hidden_bias"].size
        shapes = ((K,), (K,), (Z,), (Z,), (K, Z), (H, Z), (H,), (K, H))
        if len(set(names)) != K or any(
            arrays[field].shape != shape for field, shape in zip(_TENSOR_NAMES, shapes, strict=True)
        ):
            raise ValueError("tensors of other shapes")
        if (arrays["std"] <= 0).any() or (arrays["variance"] < 0).any():
            raise ValueError("a deviation that is not positive")
        return cls(names=names, **arrays)

    def target(self, changes: Mapping[str, float], unsupported: Mapping[str, str]) -> Floats:
        """Return the requested change of each attribute, in standard deviations. `(K,)`

        Raises `ConfigError` for an attribute without a direction; `unsupported` gives reasons.
        """
        for name in changes:
            if name not in self.names:
                reason = unsupported.get(name, "its checkpoint has no direction for it")
                known = ", ".join(self.names)
                raise ConfigError(
                    f"{name}: the model cannot be steered by it, {reason}; it can by {known}"
                )
        return np.array([float(changes.get(name, 0.0)) for name in self.names])


def min_norm_direction(weights: Sequence[float] | Floats, variance: Floats) -> Floats:
    """Return the step of least norm that raises a linear measure by 1. `(Z,)`

    The norm is measured in standard deviations of the latents; `weights` and `variance` `(Z,)`.
    """
    scaled = np.asarray(weights) * variance
    return np.asarray(scaled / max(float(scaled @ np.asarray(weights)), 1e-12))
