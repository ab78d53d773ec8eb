"""Songs between two songs: a path of interpolated latents, and the bars to decode it in."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from musicvae.arrays import Floats, Ints
from musicvae.downbeats import TimeMap
from musicvae.latent.bar_edits import bar_qpm, copy_notes, reorder_bars, transpose_part
from musicvae.latent.encoding import Encoding
from musicvae.latent.interpolation import INTERPOLATORS, Latents
from musicvae.latent.matching import (
    WindowPairs,
    match_by_dtw,
    match_by_position,
    match_passes,
)
from musicvae.representation.bars import Bars
from musicvae.representation.chord_grid import transpose_quarters
from musicvae.swing import Swing


@dataclass(frozen=True, kw_only=True)
class BlendOptions:
    """How two songs A and B are blended.

    `how`: `slerp` or `lerp`. `like`: `A` or `B`, the song that provides meter, key, parts and
    programs; by default the nearer one, and keys in between. `path`: warping path `(L, 2)` of
    `matching.dtw_path`; by default windows are matched by position.
    """

    how: str = "slerp"
    like: str | None = None
    path: Ints | None = None

    def template_index(self, t: float) -> int:
        """Return which song provides the bars and parts at `t`: 0 for A, 1 for B."""
        return int(t >= 0.5) if self.like is None else "AB".index(self.like)


DEFAULTS = BlendOptions()


def blend(
    a: Encoding,
    b: Encoding,
    t: float,
    window_bars: int,
    options: BlendOptions = DEFAULTS,
    *,
    latent_t: float | None = None,
) -> Encoding:
    """Return the encoding at `t` between `a` and `b`; at 0 and 1 these themselves.

    Latents are interpolated window by window. The number of windows and the key are interpolated
    linearly, swing by shares of pairs, tempo geometrically; the last window has as many bars as
    that of the nearer song. Meter, parts and passed-through notes are those of the nearer song, or
    of `options.like`.

    Args:
        a: the encoding at 0.
        b: the encoding at 1.
        t: position between them, clipped to 0..1.
        window_bars: bars of a window.
        options: see `BlendOptions`.
        latent_t: position of the latents if it differs from `t`, for parts that change earlier or
            later. Parts are then those of the song nearer to `latent_t`, in the bars, tempo and key
            of the song at `t`.
    """
    ends = (a, b)
    t = min(max(t, 0.0), 1.0)
    if latent_t is None and t in (0, 1):
        return ends[int(t)]
    near = int(t) if t in (0, 1) else options.template_index(t)
    latent_t, whose = (t, near) if latent_t is None else (latent_t, int(latent_t >= 0.5))
    own = ends[whose]
    n_bars = _n_bars(a, b, t, ends[near], window_bars)
    n_windows = -(-n_bars // window_bars)
    pairs = _match_windows(a, b, t, n_windows, options)
    mu, sigma = mix_latents(ends, pairs, np.full(n_windows, latent_t), whose, options.how)
    index = tuple(
        bar_indices(end, which, n_bars, window_bars) for end, which in zip(ends, pairs, strict=True)
    )
    qpm = np.exp((1 - t) * np.log(bar_qpm(a, index[0])) + t * np.log(bar_qpm(b, index[1])))
    if t in (0, 1):
        bars, key = ends[near].bars, ends[near].key
    else:
        key = ends[near].key if options.like else round((1 - t) * a.key + t * b.key)
        bars = reorder_bars(ends[near].bars, index[near], qpm, key - ends[near].key)
        bars = with_swing_between(bars, a, b, t)
    bars = replace_parts(bars, own)
    return replace(
        own,
        bars=bars,
        active=tuple(each[index[whose]] for each in own.active),
        chords=chords_in_key(own, index[whose], key),
        key=key,
        mu=mu,
        sigma=sigma,
        passthrough=tuple(
            transpose_part(copy_notes(part, own.bars, index[whose], bars), key - own.key)
            for part in own.passthrough
        ),
        bar_velocities=own.bar_velocities[index[whose]],
        time_map=_time_map(ends[near], bars) if t in (0, 1) else None,
    )


def chords_in_key(encoding: Encoding, bars: Ints, key: int) -> Ints | None:
    """Return the chords of `bars` `(N,)` of an encoding, transposed to `key`. `(N, Q, 3)`"""
    if encoding.chords is None:
        return None
    return transpose_quarters(encoding.chords[bars], key - encoding.key)


def with_swing_between(bars: Bars, a: Encoding, b: Encoding, t: float) -> Bars:
    """Return bars with the swing at `t` between those of two encodings."""
    swing = Swing.between(a.bars.header.swing, b.bars.header.swing, t)
    return replace(bars, header=replace(bars.header, swing=swing))


def replace_parts(bars: Bars, encoding: Encoding) -> Bars:
    """Return bars with the parts of an encoding."""
    return replace(bars, header=replace(bars.header, parts=encoding.bars.header.parts))


def _time_map(encoding: Encoding, bars: Bars) -> TimeMap | None:
    """Return the time map of an encoding for the parts of `bars`."""
    known = encoding.time_map
    if known is None:
        return None
    return replace(known, original=replace(known.original, parts=bars.header.parts))


def mix_latents(
    ends: tuple[Encoding, Encoding], pairs: WindowPairs, t: Floats, whose: int, how: str
) -> tuple[Latents, Latents]:
    """Interpolate the latents of paired windows, each at its own `t` `(n,)`.

    The passes are those of `ends[whose]`, each with its partner in the other song (`match_passes`);
    one without a partner does not move. Dimensions that one of two windows lacks, past the end of
    its song, are taken from the other. Returns `mu` and `sigma`, `(G, n, Z)` each.
    """
    own, other = ends[whose], ends[1 - whose]
    share, interpolate = t[:, None], INTERPOLATORS[how]
    found: list[tuple[Latents, Latents]] = []
    for group, partner in enumerate(match_passes(own, other).tolist()):
        latents = [(own.mu[group, pairs[whose]], own.sigma[group, pairs[whose]])] * 2
        if partner >= 0:
            which = pairs[1 - whose]
            latents[1 - whose] = (other.mu[partner, which], other.sigma[partner, which])
        (mu_a, sigma_a), (mu_b, sigma_b) = latents
        no_a, no_b = ((mu == 0) & (sigma == 1) for mu, sigma in ((mu_a, sigma_a), (mu_b, sigma_b)))
        mu_a, sigma_a = np.where(no_a, mu_b, mu_a), np.where(no_a, sigma_b, sigma_a)
        mu_b, sigma_b = np.where(no_b, mu_a, mu_b), np.where(no_b, sigma_a, sigma_b)
        mu, sigma = interpolate(mu_a, mu_b, share), INTERPOLATORS["lerp"](sigma_a, sigma_b, share)
        found.append((mu, sigma))
    return np.stack([mu for mu, _ in found]), np.stack([sigma for _, sigma in found])


def _n_bars(a: Encoding, b: Encoding, t: float, near: Encoding, size: int) -> int:
    """Return the number of bars at `t`; the last window is as long as that of the nearer song."""
    if t in (0, 1):
        return len(near.bars)
    rest = (len(near.bars) - 1) % size
    wanted = (1 - t) * len(a.bars) + t * len(b.bars)
    return 1 + rest + size * max(round((wanted - 1 - rest) / size), 0)


def _match_windows(
    a: Encoding, b: Encoding, t: float, n_windows: int, options: BlendOptions
) -> WindowPairs:
    if options.path is not None:
        return match_by_dtw(options.path, t, n_windows)
    return match_by_position(a.mu.shape[1], b.mu.shape[1], n_windows)


def bar_indices(encoding: Encoding, windows: Ints, n_bars: int, size: int) -> Ints:
    """Return the bar of an encoding for each of `n_bars` bars, given its `windows`. `(n_bars,)`

    A pickup is used for the first bar only.
    """
    bar = np.arange(n_bars)
    index = np.minimum(windows[bar // size] * size + bar % size, len(encoding.bars) - 1)
    if len(encoding.bars) > 1 and encoding.bars.grid.lead_steps[0] > 0:
        index[1:] = np.maximum(index[1:], 1)
    return index
