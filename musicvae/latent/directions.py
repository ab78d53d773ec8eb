"""Floor 6: which way of the latent space changes an attribute of a window, and nothing else.

What a window's attributes are is told from its latent by a small network: a linear map, and one
hidden layer for what that leaves. Its slopes at a latent are where each attribute rises. Of all
moves that raise one attribute by a standard deviation and leave the others, a direction is the
shortest, measured in the spread that latents have.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from musicvae.arrays import Floats
from musicvae.errors import ConfigError

_COLUMNS = ("mean", "std", "centre", "spread", "linear", "inner", "bias", "outer")


@dataclass(frozen=True, kw_only=True, eq=False)
class Directions:
    """Attributes of windows from their latents. K attributes, H hidden units."""

    names: tuple[str, ...]
    mean: Floats  # (K,) of the attribute over the windows learned from
    std: Floats  # (K,) its standard deviation, the unit of all else
    centre: Floats  # (Z,) mean latent
    spread: Floats  # (Z,) variance of latents, that of their posteriors included
    linear: Floats  # (K, Z) by ridge regression
    inner: Floats  # (H, Z)
    bias: Floats  # (H,)
    outer: Floats  # (K, H)

    def predict(self, z: NDArray[np.floating]) -> Floats:
        """Attributes of windows from their latents, in standard deviations from the mean.

        `(n, Z)` -> `(n, K)`
        """
        x = z - self.centre
        hidden = np.tanh(x @ self.inner.T + self.bias)
        return np.asarray(x @ self.linear.T + hidden @ self.outer.T)

    def gradients(self, z: NDArray[np.floating]) -> Floats:
        """How fast each attribute rises along each dimension. `(n, Z)` -> `(n, K, Z)`"""
        hidden = np.tanh((z - self.centre) @ self.inner.T + self.bias)
        bent = self.outer[None] * (1 - hidden[:, None, :] ** 2)  # (n, K, H)
        return np.asarray(self.linear[None] + bent @ self.inner)

    def moved(self, z: NDArray[np.floating], by: Floats) -> Floats:
        """Latents moved so that attributes change by `by` `(n, K)` standard deviations, as far as
        slopes tell: along the shortest way that there is. `(n, Z)` -> `(n, Z)`

        Dimensions that a window lacks, which are 0, stay.
        """
        gradients = self.gradients(z)
        way = gradients * (self.spread * (z != 0))[:, None]  # (n, K, Z)
        together = way @ gradients.transpose(0, 2, 1)
        # What a slope hardly reaches is not paid for by going far.
        ridge = _STIFF * np.trace(together, axis1=1, axis2=2)[:, None, None] / len(self.names)
        eye = np.eye(len(self.names))
        asked = np.linalg.solve(together + (ridge + 1e-9) * eye, by[..., None])
        return np.asarray(z + (way.transpose(0, 2, 1) @ asked)[..., 0])

    @property
    def axes(self) -> Floats:
        """The directions as the linear map alone has them, the same everywhere. `(K, Z)`

        Along one of them its attribute rises by a standard deviation, the others stay.
        """
        way = self.linear * self.spread
        return np.asarray(np.linalg.solve(way @ self.linear.T, way))

    def tensors(self) -> dict[str, NDArray[np.generic]]:
        """What a checkpoint holds of them; the inverse is `of`. Names are bytes, one a row."""
        names = np.zeros((len(self.names), max(map(len, self.names))), np.uint8)
        for row, name in zip(names, self.names, strict=True):
            row[: len(name)] = np.frombuffer(name.encode("ascii"), np.uint8)
        return {"names": names} | {c: getattr(self, c).astype(np.float32) for c in _COLUMNS}

    @classmethod
    def of(cls, tensors: Mapping[str, NDArray[np.generic]]) -> Directions | None:
        """The directions in a checkpoint's tensors, if it has any. Raises `KeyError`."""
        if not tensors:
            return None
        rows = tensors["names"].astype(np.uint8)
        names = tuple(bytes(row[row > 0]).decode("ascii") for row in rows)
        columns = {name: tensors[name].astype(np.float64) for name in _COLUMNS}
        return cls(names=names, **columns)

    def wanted(self, asked: Mapping[str, float], lacking: Mapping[str, str]) -> Floats:
        """What is asked of each attribute, in standard deviations. `(K,)`

        Raises `ConfigError` for one that is not there, `lacking` says why where it is known.
        """
        for name in asked:
            if name not in self.names:
                reason = lacking.get(name, "it has no direction for it")
                known = ", ".join(self.names)
                raise ConfigError(
                    f"{name}: the model cannot be steered by it, {reason}; it knows {known}"
                )
        return np.array([float(asked.get(name, 0.0)) for name in self.names])


_STIFF = 0.02


def min_norm_direction(weights: Sequence[float] | Floats, spread: Floats) -> Floats:
    """The shortest move in the spread of latents by which a linear measure rises by 1. `(Z,)`"""
    way = np.asarray(weights) * spread
    return np.asarray(way / max(float(way @ np.asarray(weights)), 1e-12))
