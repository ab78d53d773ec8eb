"""One song that turns from one song into another over time."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from musicvae.arrays import Bools, Floats, Ints
from musicvae.latent.bar_edits import bar_qpm, copy_notes, initial_key, transpose_part
from musicvae.latent.blend import (
    DEFAULTS,
    BlendOptions,
    bar_indices,
    chords_in_key,
    mix_latents,
    replace_parts,
    with_swing_between,
)
from musicvae.latent.encoding import Encoding
from musicvae.latent.matching import last_windows, match_by_dtw
from musicvae.representation.bars import Bars
from musicvae.song import MAX_TICKS_PER_QUARTER, KeyMap


def crossfade(
    a: Encoding,
    b: Encoding,
    n_windows: int,
    window_bars: int,
    options: BlendOptions = DEFAULTS,
    *,
    latent_t: float | None = None,
) -> tuple[Encoding, Encoding]:
    """Return a song of `n_windows` that begins as `a` and ends as `b`, in two halves.

    Both halves have all bars. In the first one the parts of `a` play until the middle, in the key
    and meter of `a`; in the second one those of `b` from there on. With `options.like` one half
    has everything. Latents and tempo move evenly from the first window, that of `a`, to the last
    one, that of `b`. It swings throughout as halfway between them.

    `latent_t`: a constant position of the latents, for parts that do not move; parts are then those
    of the nearer song in both halves.
    """
    ends = (a, b)
    t = np.linspace(0, 1, n_windows) if n_windows > 1 else np.full(1, 0.5)
    if options.path is not None:
        pairs = match_by_dtw(options.path, 0.5, n_windows)
    else:
        n_a, n_b = a.mu.shape[1], b.mu.shape[1]
        pairs = np.arange(n_windows) % n_a, last_windows(n_b, n_windows)
    n_bars = (n_windows - 1) * window_bars + 1 + (len(b.bars) - 1) % window_bars
    index = tuple(
        bar_indices(end, which, n_bars, window_bars) for end, which in zip(ends, pairs, strict=True)
    )
    turn = {None: int(np.searchsorted(t, 0.5)), "A": n_windows, "B": 0}[options.like]
    from_b = np.arange(n_bars) >= turn * window_bars
    bars = _crossfade_bars(a, b, index, from_b, np.repeat(t, window_bars)[:n_bars])
    bars = with_swing_between(bars, a, b, 0.5)
    share = t if latent_t is None else np.full(n_windows, latent_t)
    halves = []
    for half, here in enumerate((~from_b, from_b)):
        whose = half if latent_t is None else int(latent_t >= 0.5)
        own, key = ends[whose], ends[half].key
        mu, sigma = mix_latents(ends, pairs, share, whose, options.how)
        own_bars, source = replace_parts(bars, own), np.where(here, index[whose], -1)
        passthrough = (copy_notes(part, own.bars, source, own_bars) for part in own.passthrough)
        halves.append(
            replace(
                own,
                bars=own_bars,
                active=tuple(each[index[whose]] & here[:, None] for each in own.active),
                chords=chords_in_key(own, index[whose], key),
                key=key,
                mu=mu,
                sigma=sigma,
                passthrough=tuple(transpose_part(part, key - own.key) for part in passthrough),
                bar_velocities=own.bar_velocities[index[whose]],
                time_map=None,
            )
        )
    return halves[0], halves[1]


def _crossfade_bars(
    a: Encoding, b: Encoding, index: tuple[Ints, ...], from_b: Bools, t: Floats
) -> Bars:
    """Return bars of `a`, or of `b` where `from_b`, with the tempo at `t`. `(N,)` each"""
    tpq = _common_resolution(a.bars.grid.ticks_per_quarter, b.bars.grid.ticks_per_quarter)
    columns = []
    for end, which in zip((a, b), index, strict=True):
        grid = end.bars.grid
        length = np.round(grid.length_ticks[which] * (tpq / grid.ticks_per_quarter))
        length = np.maximum(length, 1).astype(np.int64)
        columns.append(np.stack([grid.numerator[which], grid.denominator[which], length]))
    numerator, denominator, length = np.where(from_b, columns[1], columns[0])
    log_qpm = (1 - t) * np.log(bar_qpm(a, index[0])) + t * np.log(bar_qpm(b, index[1]))
    start = np.cumsum(length) - length
    return Bars.empty(
        a.bars.header.parts,
        numerator=numerator,
        denominator=denominator,
        length_ticks=length,
        qpm=np.exp(log_qpm),
        ticks_per_quarter=tpq,
        steps_per_quarter=a.bars.grid.steps_per_quarter,
        key=_crossfade_keys(a, b, start[from_b], bool((~from_b).any())),
    )


def _crossfade_keys(a: Encoding, b: Encoding, start_b: Ints, has_a: bool) -> KeyMap:
    """Return the key signature of `a`, if it plays at all, and that of `b` from its first bar."""
    key_a, key_b = initial_key(a.bars), initial_key(b.bars)
    entries = [(0, key_a)] * has_a + [(int(tick), key_b) for tick in start_b[:1]]
    return KeyMap(
        ticks=np.concatenate([key.ticks + tick for tick, key in entries]),
        fifths=np.concatenate([key.fifths for _, key in entries]),
        minor=np.concatenate([key.minor for _, key in entries]),
    )


def _common_resolution(one: int, other: int) -> int:
    """Return ticks per quarter in which both are exact, if a MIDI file can have as many."""
    both = math.lcm(one, other)
    return both if both <= MAX_TICKS_PER_QUARTER else max(one, other)
