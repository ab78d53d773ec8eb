"""Floor 6: songs on the way between two songs: a path of latents, and the bars it is decoded in."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from musicvae.arrays import Floats, Ints
from musicvae.downbeats import TimeMap
from musicvae.latent.bar_edits import copy_notes, reorder_bars, transpose_part, bar_qpm
from musicvae.latent.encoding import Encoding
from musicvae.latent.interpolation import INTERPOLATORS, Latents
from musicvae.latent.matching import WindowPairs, match_by_dtw, match_by_position
from musicvae.representation.bars import Bars


@dataclass(frozen=True, kw_only=True)
class BlendOptions:
    """How songs are mixed.

    `how`: `slerp` or `lerp`. `like`: `A` or `B`, whose meter, key, parts and programs songs on the
    way have; the nearer end's, and a key on the way, if not given. `path`: which windows are alike,
    from `pairing.alike`; windows are paired by their place if not given.
    """

    how: str = "slerp"
    like: str | None = None
    path: Ints | None = None

    def end(self, t: float) -> int:
        """Which end gives the frame at `t`: 0 is A, 1 is B."""
        return int(t >= 0.5) if self.like is None else "AB".index(self.like)


_USUAL = BlendOptions()


def blend(
    a: Encoding,
    b: Encoding,
    t: float,
    window_bars: int,
    choices: BlendOptions = _USUAL,
    *,
    at: float | None = None,
) -> Encoding:
    """The encoding a share `t` of the way from `a` to `b`; at 0 and 1 the ends themselves.

    The path of latents is mixed window by window. The number of windows and the key are mixed
    linearly, tempo geometrically; the last window has as many bars as that of the nearer end.
    Meter, parts and what is untouched come from the nearer end, or from that of `choices.like`.

    `at`: where the latents are, if not at `t`: some parts may go ahead, or stay behind. Parts are
    then those of the end that is nearer to `at`, in the bars, tempo and key of the song at `t`.
    """
    ends = (a, b)
    t = min(max(t, 0.0), 1.0)
    if at is None and t in (0, 1):
        return ends[int(t)]
    near = int(t) if t in (0, 1) else choices.end(t)
    at, whose = (t, near) if at is None else (at, int(at >= 0.5))
    mine = ends[whose]
    n_bars = _n_bars(a, b, t, ends[near], window_bars)
    n_windows = -(-n_bars // window_bars)
    pairs = _pairs(a, b, t, n_windows, choices)
    mu, sigma = mix_latents(a, b, pairs, np.full(n_windows, at), len(mine.owners), choices.how)
    index = tuple(
        bar_indices(end, which, n_bars, window_bars)
        for end, which in zip(ends, pairs, strict=True)
    )
    pace = np.exp((1 - t) * np.log(bar_qpm(a, index[0])) + t * np.log(bar_qpm(b, index[1])))
    if t in (0, 1):
        bars, key = ends[near].bars, ends[near].key
    else:
        key = ends[near].key if choices.like else round((1 - t) * a.key + t * b.key)
        bars = reorder_bars(ends[near].bars, index[near], pace, key - ends[near].key)
    bars = replace_parts(bars, mine)
    return replace(
        mine,
        bars=bars,
        active=tuple(each[index[whose]] for each in mine.active),
        key=key,
        mu=mu,
        sigma=sigma,
        passthrough=tuple(
            transpose_part(copy_notes(part, mine.bars, index[whose], bars), key - mine.key)
            for part in mine.passthrough
        ),
        bar_velocities=mine.bar_velocities[index[whose]],
        alignment=_placed(ends[near], bars) if t in (0, 1) else None,
    )


def replace_parts(bars: Bars, end: Encoding) -> Bars:
    """The same bars for the parts of an encoding."""
    return replace(bars, frame=replace(bars.header, parts=end.bars.header.parts))


def _placed(end: Encoding, bars: Bars) -> TimeMap | None:
    """Where these bars are in the file of an end, whatever parts play there."""
    placed = end.alignment
    if placed is None:
        return None
    return replace(placed, original=replace(placed.original, parts=bars.header.parts))


def mix_latents(
    a: Encoding, b: Encoding, pairs: WindowPairs, at: Floats, n_groups: int, how: str
) -> tuple[Latents, Latents]:
    """Latents of paired windows, each a share `at` `(n,)` of the way; `mu`, `sigma` `(G, n, Z)`.

    Where one of the two has no bar, as at its end, the other is taken as it is.
    """
    share, way = at[:, None], INTERPOLATORS[how]
    found: list[tuple[Latents, Latents]] = []
    for group in range(n_groups):
        (mu_a, sigma_a), (mu_b, sigma_b) = (
            (end.mu[nth, which], end.sigma[nth, which])
            for end, which in zip((a, b), pairs, strict=True)
            for nth in (min(group, len(end.owners) - 1),)
        )
        no_a, no_b = ((mu == 0) & (sigma == 1) for mu, sigma in ((mu_a, sigma_a), (mu_b, sigma_b)))
        mu_a, sigma_a = np.where(no_a, mu_b, mu_a), np.where(no_a, sigma_b, sigma_a)
        mu_b, sigma_b = np.where(no_b, mu_a, mu_b), np.where(no_b, sigma_a, sigma_b)
        found.append((way(mu_a, mu_b, share), INTERPOLATORS["lerp"](sigma_a, sigma_b, share)))
    return np.stack([mu for mu, _ in found]), np.stack([sigma for _, sigma in found])


def _n_bars(a: Encoding, b: Encoding, t: float, near: Encoding, size: int) -> int:
    """Bars on the way: about as many as lie between both; the last window as the nearer end's."""
    if t in (0, 1):
        return len(near.bars)
    rest = (len(near.bars) - 1) % size
    wanted = (1 - t) * len(a.bars) + t * len(b.bars)
    return 1 + rest + size * max(round((wanted - 1 - rest) / size), 0)


def _pairs(a: Encoding, b: Encoding, t: float, n_windows: int, choices: BlendOptions) -> WindowPairs:
    if choices.path is not None:
        return match_by_dtw(choices.path, t, n_windows)
    return match_by_position(a.mu.shape[1], b.mu.shape[1], n_windows)


def bar_indices(end: Encoding, windows: Ints, n_bars: int, size: int) -> Ints:
    """Which bar of an end stands for each of `n_bars`, from its windows. A pickup stays the first
    bar alone. `(n_bars,)`
    """
    bar = np.arange(n_bars)
    at = np.minimum(windows[bar // size] * size + bar % size, len(end.bars) - 1)
    if len(end.bars) > 1 and end.bars.grid.lead_steps[0] > 0:
        at[1:] = np.maximum(at[1:], 1)
    return at
