"""Floor 6: moving about in the latent space. Arrays in, arrays out."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from musicvae.song import Ints

Latents = NDArray[np.float32]


def lerp(a: Latents, b: Latents, t: float) -> Latents:
    """The point a share `t` of the straight way from `a` to `b`. Any shape."""
    return ((1 - t) * a + t * b).astype(np.float32)


def slerp(a: Latents, b: Latents, t: float) -> Latents:
    """The point a share `t` of the way along the great circle from `a` to `b` (Shoemake 1985).

    Works along the last axis; lengths are mixed linearly. Parallel, opposite and zero vectors
    fall back to the straight way. At t = 0 and 1 the ends themselves are returned.
    """
    if t <= 0:
        return a.astype(np.float32)
    if t >= 1:
        return b.astype(np.float32)
    long_a, long_b = (np.linalg.norm(v, axis=-1, keepdims=True) for v in (a, b))
    safe_a, safe_b = np.maximum(long_a, 1e-9), np.maximum(long_b, 1e-9)
    cosine = np.clip(np.sum(a / safe_a * (b / safe_b), axis=-1, keepdims=True), -1, 1)
    angle = np.arccos(cosine)
    sine = np.sin(angle)
    curved = sine > 1e-4
    safe = np.where(curved, sine, 1)
    direction = (
        np.sin((1 - t) * angle) / safe * (a / safe_a) + np.sin(t * angle) / safe * (b / safe_b)
    )
    mixed = direction * ((1 - t) * long_a + t * long_b)
    straight = ~curved | (long_a < 1e-9) | (long_b < 1e-9)
    return np.where(straight, lerp(a, b, t), mixed).astype(np.float32)


def nearest_places(n_from: int, n_to: int) -> Ints:
    """For each of `n_to` places the nearest of `n_from` places on the same way. `(n_to,)`"""
    if n_from < 1 or n_to < 1:
        return np.zeros(0, np.int64)
    at = np.linspace(0, n_from - 1, n_to) if n_to > 1 else np.zeros(1)
    return np.floor(at + 0.5).astype(np.int64)
