"""Matching of the windows of two songs, by position or by dynamic time warping."""

from __future__ import annotations

import numpy as np

from musicvae.arrays import Floats, Ints
from musicvae.latent.encoding import Encoding
from musicvae.latent.interpolation import Latents
from musicvae.representation.part_traits import FAMILY, KIND, REGISTER

WindowPairs = tuple[Ints, Ints]
"""For each of n windows the index of a window of A and of one of B. `(n,)` each"""


def match_by_position(n_a: int, n_b: int, n: int) -> WindowPairs:
    """Match n windows with those of songs of `n_a` and `n_b` windows by their position.

    Each window keeps its index, so that no phrase is repeated at once; the last one is the last of
    both songs, so that endings match. A song that is too short is repeated.
    """
    return _positions(n_a, n), _positions(n_b, n)


def match_passes(own: Encoding, other: Encoding) -> Ints:
    """Return the pass of `other` that each pass of `own` is paired with, -1 for none. `(G,)`

    Passes that hold one part each are paired by kind (line, chords, drums), then by family of
    programs and register; each has one partner at most. Other passes are paired in their order.
    """
    n, n_other = len(own.source_parts), len(other.source_parts)
    if own.traits is None or other.traits is None:
        return np.minimum(np.arange(n), n_other - 1)
    one, two = (np.array([each[0] for each in end.traits or ()]) for end in (own, other))
    distance = np.abs(one[:, None, REGISTER] - two[:, REGISTER]).astype(float)
    distance += 3.0 * (one[:, None, FAMILY] != two[:, FAMILY])
    distance[one[:, None, KIND] != two[:, KIND]] = np.inf
    partner = np.full(n, -1)
    while np.isfinite(distance).any():
        i, j = np.unravel_index(distance.argmin(), distance.shape)
        partner[i] = j
        distance[i], distance[:, j] = np.inf, np.inf
    return partner


def last_windows(n_b: int, n: int) -> Ints:
    """Return n window indices that end with the last of `n_b`; a short song is repeated. `(n,)`"""
    return np.asarray((n_b - n + np.arange(n)) % n_b)


def _positions(n_windows: int, n: int) -> Ints:
    index = np.arange(n) % n_windows
    index[-1:] = n_windows - 1 if n > 1 else 0
    return index


def match_by_dtw(path: Ints, t: float, n: int) -> WindowPairs:
    """Match n windows of the song at `t` along a warping path `(L, 2)`, see `dtw_path`.

    The time of a pair is interpolated between those of its windows; at 0 and 1 it is that of the
    song itself.
    """
    time = (1 - t) * path[:, 0] + t * path[:, 1]
    wanted = np.linspace(0, time[-1], n)
    after = np.clip(np.searchsorted(time, wanted), 1, max(len(time) - 1, 1))
    after = np.minimum(after, len(time) - 1)
    before = np.maximum(after - 1, 0)
    nearest = np.where(wanted - time[before] <= time[after] - wanted, before, after)
    return path[nearest, 0], path[nearest, 1]


def dtw_path(a: Latents, b: Latents) -> Ints:
    """Return the warping path `(L, 2)` between two songs (Sakoe and Chiba 1978).

    `a` and `b` are `(G, W, Z)`; the cost is the distance of latents. Diagonal steps count twice
    (symmetric step pattern), so that all paths have the same total weight.
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


def _distances(a: Latents, b: Latents) -> Floats:
    """Return the distances of the windows of `a` and `b` over all passes. `(W, V)`"""
    one, other = (np.moveaxis(z, 0, 1).reshape(z.shape[1], -1).astype(float) for z in (a, b))
    square = (one**2).sum(1)[:, None] + (other**2).sum(1) - 2 * one @ other.T
    return np.asarray(np.sqrt(np.maximum(square, 0)))
