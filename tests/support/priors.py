"""Small priors, and latent paths to fit them on."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from musicvae.config.preset import Preset, load_preset
from musicvae.networks.priors.conditioning import EncodedPaths, PathConditioning


def make_conditioning(n: int, W: int, N: int = 1, R: int = 1, key: int = 0) -> PathConditioning:
    """Return the conditioning of `n` songs of `W` complete windows in one meter."""
    return PathConditioning(
        meter=torch.zeros(n, W, N, dtype=torch.long),
        valid=torch.ones(n, W, N, dtype=torch.bool),
        pickup_share=torch.zeros(n, W, N),
        part_active=torch.ones(n, W, N, R, dtype=torch.bool),
        first_bar=(torch.arange(W) * N).expand(n, W),
        song_bars=torch.full((n, W), W * N),
        key=torch.full((n, W), key),
        chords=torch.full((n, W, N, 4, 3), -1, dtype=torch.int8),
        traits=torch.zeros(n, W, R, 4, dtype=torch.int8),
    )


def make_paths(mu: np.ndarray, key: np.ndarray | int = 0) -> EncodedPaths:
    """Return encoded paths from means `(n, W, Z)`, with little variance and one bar per window."""
    n, W, Z = mu.shape
    keys = torch.from_numpy(np.broadcast_to(np.asarray(key).reshape(-1, 1), (n, W)).copy())
    mu = mu.reshape(-1, Z).astype(np.float32)
    return EncodedPaths(
        mu=mu,
        sigma=np.full_like(mu, 1e-3),
        conditioning=replace(make_conditioning(n, W), key=keys).reshape(n * W),
        path=np.repeat(np.arange(n), W),
    )


def small_prior_preset(steps: int = 200, **grid: int) -> Preset:
    """Return the preset `tiny` with one part and a small prior."""
    tiny = load_preset("tiny")
    prior = replace(tiny.prior, width=32, layers=1, steps=steps, learning_rate=5e-3, solver_steps=8)
    return replace(tiny, prior=prior, grid=replace(tiny.grid, **grid), parts=tiny.parts[:1])


def two_cluster_latents(n: int, W: int = 4) -> np.ndarray:
    """Return paths `(n, W, 16)` that stay near +1 or near -1."""
    rng = np.random.default_rng(0)
    kind = rng.choice([-1.0, 1.0], (n, 1, 1))
    return kind + 0.1 * rng.standard_normal((n, W, 16))
