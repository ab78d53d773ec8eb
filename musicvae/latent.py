"""Floor 6: songs as paths in the latent space, and ways between them."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from musicvae.alignment import Alignment
from musicvae.bars import Bars
from musicvae.song import Ints, Key, Part, resolve_overlaps

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
    direction = np.sin((1 - t) * angle) / safe * (a / safe_a) + np.sin(t * angle) / safe * (
        b / safe_b
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


@dataclass(frozen=True, kw_only=True, eq=False)
class Encoding:
    """A song in the latent space, with what is needed to make a song of it again.

    A song passes through the model in groups of parts (`parts.into_slots`): `mu` and `sigma` are
    `(G, W, Z)`. `bars` is its frame on the preset's grid, without its notes.
    """

    bars: Bars
    owners: tuple[Ints, ...]
    """For each group the song's part in each slot, -1 where a slot is empty. `(R,)` each"""
    active: tuple[NDArray[np.bool_], ...]
    """For each group the bars in which each slot sounds. `(N, R)` each"""
    key: int
    """Semitones taken off every melodic pitch before encoding."""
    mu: Latents
    sigma: Latents
    untouched: tuple[Part, ...]
    """Of each part the notes that the model cannot represent, exactly as they were."""
    levels: NDArray[np.float64]
    """Mean velocity of each part in each bar. `(N, parts)`"""
    alignment: Alignment | None = None
    """Where the song's bar lines are in its file; none for a song that is on no file."""
    checkpoint: str = ""

    @property
    def kl_bits(self) -> float:
        """What the latents carry, summed over windows and groups; `nan` where they are points, as
        those of an autoencoder without noise, for which bits are not defined.
        """
        if not self.sigma.all():
            return math.nan
        variance = self.sigma.astype(np.float64) ** 2
        nats = 0.5 * (self.mu.astype(np.float64) ** 2 + variance - 1 - np.log(variance))
        return float(nats.sum() / np.log(2))

    @property
    def n_untouched(self) -> int:
        """Notes that the model cannot represent."""
        return sum(len(part) for part in self.untouched)

    @property
    def n_windows(self) -> int:
        """Windows of all groups together."""
        return self.mu.shape[0] * self.mu.shape[1]


def between(a: Encoding, b: Encoding, t: float, window_bars: int) -> Encoding:
    """The encoding a share `t` of the way from `a` to `b`; at 0 and 1 the ends themselves.

    The path of latents is mixed by `slerp` at equal relative positions, the number of bars
    linearly, tempo geometrically. Meter, parts, key and what is untouched come from the nearer end.
    """
    if t <= 0 or t >= 1:
        return a if t <= 0 else b
    near = a if t < 0.5 else b
    n_bars = max(1, round((1 - t) * len(a.bars) + t * len(b.bars)))
    n_windows = -(-n_bars // window_bars)

    def stretched(end: Encoding, group: int) -> tuple[Latents, Latents]:
        at = nearest_places(end.mu.shape[1], n_windows)
        nth = min(group, len(end.owners) - 1)
        return end.mu[nth, at], end.sigma[nth, at]

    mus, sigmas = [], []
    for group in range(len(near.owners)):
        (mu_a, sigma_a), (mu_b, sigma_b) = stretched(a, group), stretched(b, group)
        mus.append(slerp(mu_a, mu_b, t))
        sigmas.append(lerp(sigma_a, sigma_b, t))
    bar = _bars_on_the_way(near.bars, n_bars)
    bars = _with_bars(near.bars, bar, _tempo_between(a, b, t, n_bars))
    return replace(
        near,
        bars=bars,
        active=tuple(each[bar] for each in near.active),
        mu=np.stack(mus),
        sigma=np.stack(sigmas),
        untouched=tuple(_moved(part, near.bars, bar, bars) for part in near.untouched),
        levels=near.levels[bar],
        alignment=None,
    )


def _bars_on_the_way(near: Bars, n_bars: int) -> Ints:
    """Which bar of the nearer end stands for each bar; a pickup stays the first one alone."""
    if len(near) > 1 and n_bars > 1 and near.grid.lead[0] > 0:
        return np.concatenate([[0], 1 + nearest_places(len(near) - 1, n_bars - 1)])
    return nearest_places(len(near), n_bars)


def _tempo_between(a: Encoding, b: Encoding, t: float, n_bars: int) -> NDArray[np.float64]:
    paces = []
    for end in (a, b):
        tempo, start = end.bars.frame.tempo, end.bars.grid.start_ticks
        entry = np.searchsorted(tempo.ticks, start, side="right") - 1
        paces.append(np.log(tempo.qpm[entry][nearest_places(len(end.bars), n_bars)]))
    mixed: NDArray[np.float64] = np.exp((1 - t) * paces[0] + t * paces[1])
    return mixed


def _with_bars(bars: Bars, index: Ints, qpm: NDArray[np.float64]) -> Bars:
    """The frame of these bars, in this order, at these tempos, in the key of the beginning."""
    grid, key = bars.grid, bars.frame.key
    return Bars.blank(
        bars.frame.parts,
        numerator=grid.numerator[index],
        denominator=grid.denominator[index],
        length_ticks=grid.length_ticks[index],
        qpm=qpm,
        ticks_per_quarter=grid.ticks_per_quarter,
        steps_per_quarter=grid.steps_per_quarter,
        key=Key(ticks=key.ticks[:1] * 0, fifths=key.fifths[:1], minor=key.minor[:1]),
    )


def _moved(part: Part, before: Bars, index: Ints, after: Bars) -> Part:
    """Notes copied to wherever their bar went, cut where the piece ends."""
    old, new = before.grid.start_ticks, after.grid.start_ticks
    bar = np.searchsorted(old, part.onset_ticks, side="right") - 1
    copies = [part.take(bar == source) for source in index.tolist()]
    shift = np.repeat(new - old[index], [len(copy) for copy in copies])
    onset, duration, pitch, velocity = (
        np.concatenate([getattr(copy, name) for copy in copies])
        for name in ("onset_ticks", "duration_ticks", "pitch", "velocity")
    )
    onset, end = onset + shift, after.frame.end_ticks
    inside = onset < end
    duration = np.minimum(duration, end - onset)
    keep, duration, _ = resolve_overlaps(onset[inside], duration[inside], pitch[inside])
    columns = (onset[inside], pitch[inside], velocity[inside])
    onset, pitch, velocity = (column[keep] for column in columns)
    return part.with_notes(onset, duration[keep], pitch, velocity)
