"""Interpolation between points of the latent space."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from musicvae.arrays import Floats32

Latents = Floats32


def lerp(a: Latents, b: Latents, t: ArrayLike) -> Latents:
    """Interpolate linearly; 0 is `a`, 1 is `b`.

    `a` and `b` have any one shape; `t` is a number, or one for each vector `(..., 1)`.
    """
    share = np.asarray(t, np.float64)
    return ((1 - share) * a + share * b).astype(np.float32)


def slerp(a: Latents, b: Latents, t: ArrayLike) -> Latents:
    """Interpolate along the great circle (Shoemake 1985); 0 is `a`, 1 is `b`.

    Works along the last axis; lengths are interpolated linearly. Parallel, opposite and zero
    vectors fall back to `lerp`. At t <= 0 and t >= 1 the ends themselves are returned. `t` is a
    number, or one for each vector `(..., 1)`.
    """
    share = np.asarray(t, np.float64)
    norm_a, norm_b = (np.linalg.norm(v, axis=-1, keepdims=True) for v in (a, b))
    safe_a, safe_b = np.maximum(norm_a, 1e-9), np.maximum(norm_b, 1e-9)
    cosine = np.clip(np.sum(a / safe_a * (b / safe_b), axis=-1, keepdims=True), -1, 1)
    angle = np.arccos(cosine)
    sine = np.sin(angle)
    curved = sine > 1e-4
    safe = np.where(curved, sine, 1)
    direction = np.sin((1 - share) * angle) / safe * (a / safe_a)
    direction = direction + np.sin(share * angle) / safe * (b / safe_b)
    point = direction * ((1 - share) * norm_a + share * norm_b)
    straight = ~curved | (norm_a < 1e-9) | (norm_b < 1e-9)
    point = np.where(straight, lerp(a, b, share), point)
    return np.where(share <= 0, a, np.where(share >= 1, b, point)).astype(np.float32)


Interpolator = Callable[[Latents, Latents, ArrayLike], Latents]
INTERPOLATORS: dict[str, Interpolator] = {"slerp": slerp, "lerp": lerp}
