"""Floor 6: points between points of the latent space."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

Latents = NDArray[np.float32]


def lerp(a: Latents, b: Latents, t: ArrayLike) -> Latents:
    """The point a share `t` of the straight way from `a` to `b`. Any shape; `t` a number, or one
    for each vector `(..., 1)`.
    """
    share = np.asarray(t, np.float64)
    return ((1 - share) * a + share * b).astype(np.float32)


def slerp(a: Latents, b: Latents, t: ArrayLike) -> Latents:
    """The point a share `t` of the way along the great circle from `a` to `b` (Shoemake 1985).

    Works along the last axis; lengths are mixed linearly. Parallel, opposite and zero vectors
    fall back to the straight way. At t = 0 and 1, and beyond, the ends themselves are returned.
    `t`: a number, or one for each vector `(..., 1)`.
    """
    share = np.asarray(t, np.float64)
    long_a, long_b = (np.linalg.norm(v, axis=-1, keepdims=True) for v in (a, b))
    safe_a, safe_b = np.maximum(long_a, 1e-9), np.maximum(long_b, 1e-9)
    cosine = np.clip(np.sum(a / safe_a * (b / safe_b), axis=-1, keepdims=True), -1, 1)
    angle = np.arccos(cosine)
    sine = np.sin(angle)
    curved = sine > 1e-4
    safe = np.where(curved, sine, 1)
    direction = np.sin((1 - share) * angle) / safe * (a / safe_a)
    direction = direction + np.sin(share * angle) / safe * (b / safe_b)
    mixed = direction * ((1 - share) * long_a + share * long_b)
    straight = ~curved | (long_a < 1e-9) | (long_b < 1e-9)
    mixed = np.where(straight, lerp(a, b, share), mixed)
    return np.where(share <= 0, a, np.where(share >= 1, b, mixed)).astype(np.float32)


Interpolator = Callable[[Latents, Latents, ArrayLike], Latents]
INTERPOLATORS: dict[str, Interpolator] = {"slerp": slerp, "lerp": lerp}
