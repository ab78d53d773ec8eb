"""Floor 6: which windows of two songs meet on the way between them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from musicvae.arrays import Ints
from musicvae.latent.interpolation import Latents

WindowPairs = tuple[Ints, Ints]
"""For each of `n` windows the window of A and the window of B that it stands between."""


def nearest_places(n_from: int, n_to: int) -> Ints:
    """For each of `n_to` places the nearest of `n_from` places on the same way. `(n_to,)`"""
    if n_from < 1 or n_to < 1:
        return np.zeros(0, np.int64)
    at = np.linspace(0, n_from - 1, n_to) if n_to > 1 else np.zeros(1)
    return np.floor(at + 0.5).astype(np.int64)


def match_by_position(n_a: int, n_b: int, n: int) -> WindowPairs:
    """`n` windows of songs of `n_a` and `n_b` windows, paired by where they stand.

    Each window stands where it stood, so that no phrase stutters; the last one is the last one of
    both, so that an ending stays an ending. A song that is too short begins again.
    """
    return _in_place(n_a, n), _in_place(n_b, n)


def last_windows(n_b: int, n: int) -> Ints:
    """`n` windows of a song of `n_b`, the last one its last; too short, it begins again. `(n,)`"""
    return np.asarray((n_b - n + np.arange(n)) % n_b)


def _in_place(n_from: int, n: int) -> Ints:
    at = np.arange(n) % n_from
    at[-1:] = n_from - 1 if n > 1 else 0
    return at


def match_by_dtw(path: Ints, t: float, n: int) -> WindowPairs:
    """`n` windows of the song a share `t` of the way, paired as on a path `(L, 2)` of `alike`.

    A pair is heard at a time between those of its two windows. At 0 and 1 the songs themselves.
    """
    time = (1 - t) * path[:, 0] + t * path[:, 1]
    wanted = np.linspace(0, time[-1], n)
    after = np.clip(np.searchsorted(time, wanted), 1, max(len(time) - 1, 1))
    after = np.minimum(after, len(time) - 1)
    before = np.maximum(after - 1, 0)
    nearer = np.where(wanted - time[before] <= time[after] - wanted, before, after)
    return path[nearer, 0], path[nearer, 1]


def alike(a: Latents, b: Latents) -> Ints:
    """The cheapest way through both songs side by side, by dynamic time warping (Sakoe and Chiba
    1978) with the distance of latents as the cost. `a`, `b`: `(G, W, Z)`; returns `(L, 2)`.

    Each step moves on in one song or in both; a step in both costs its distance twice, so that
    ways of any shape are as long.
    """
    G = min(len(a), len(b))
    cost = _distances(a[:G], b[:G])
    n_a, n_b = cost.shape
    total = np.full((n_a + 1, n_b + 1), np.inf)
    total[0, 0] = 0
    for i in range(n_a):
        row, above = total[i + 1], total[i]
        for j in range(n_b):
            here = cost[i, j]
            row[j + 1] = min(above[j] + 2 * here, above[j + 1] + here, row[j] + here)
    i, j = n_a, n_b
    path = [(i - 1, j - 1)]
    while (i, j) != (1, 1):
        here = cost[i - 1, j - 1]
        steps = [(total[i - 1, j - 1] + 2 * here, i - 1, j - 1)]
        steps += [(total[i - 1, j] + here, i - 1, j), (total[i, j - 1] + here, i, j - 1)]
        _, i, j = min(step for step in steps if step[1] > 0 and step[2] > 0)
        path.append((i - 1, j - 1))
    return np.array(path[::-1], np.int64)


def _distances(a: Latents, b: Latents) -> NDArray[np.float64]:
    """Between each window of `a` and each of `b`, over all groups. `(W, V)`"""
    one, other = (np.moveaxis(z, 0, 1).reshape(z.shape[1], -1).astype(float) for z in (a, b))
    square = (one**2).sum(1)[:, None] + (other**2).sum(1) - 2 * one @ other.T
    return np.asarray(np.sqrt(np.maximum(square, 0)))
