"""Floor 6: one song that turns from one into another while it plays."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from musicvae.arrays import Ints
from musicvae.latent.bar_edits import copy_notes, initial_key, transpose_part, bar_qpm
from musicvae.latent.blend import BlendOptions, bar_indices, mix_latents, replace_parts
from musicvae.latent.encoding import Encoding
from musicvae.latent.matching import match_by_dtw, last_windows
from musicvae.representation.bars import Bars
from musicvae.song import MAX_TICKS_PER_QUARTER, KeyMap

_USUAL = BlendOptions()


def crossfade(
    a: Encoding,
    b: Encoding,
    n_windows: int,
    window_bars: int,
    choices: BlendOptions = _USUAL,
    *,
    at: float | None = None,
) -> tuple[Encoding, Encoding]:
    """A song of `n_windows` that begins as `a` begins and ends as `b` ends, in two halves.

    Both halves have all bars. In the first one the parts of `a` play, up to the middle, in the key
    and the meter of `a`; in the second those of `b`, from there on. With `choices.like` everything
    is in one half. Latents and tempo move evenly from the first window, which is that of `a`, to
    the last one, that of `b`.

    `at`: where latents stay all along, if they do not move; parts are then those of the nearer end
    in both halves.
    """
    ends = (a, b)
    t = np.linspace(0, 1, n_windows) if n_windows > 1 else np.full(1, 0.5)
    if choices.path is not None:
        pairs = match_by_dtw(choices.path, 0.5, n_windows)
    else:
        n_a, n_b = a.mu.shape[1], b.mu.shape[1]
        pairs = np.arange(n_windows) % n_a, last_windows(n_b, n_windows)
    n_bars = (n_windows - 1) * window_bars + 1 + (len(b.bars) - 1) % window_bars
    index = tuple(
        bar_indices(end, which, n_bars, window_bars)
        for end, which in zip(ends, pairs, strict=True)
    )
    turn = {None: int(np.searchsorted(t, 0.5)), "A": n_windows, "B": 0}[choices.like]
    late = np.arange(n_bars) >= turn * window_bars
    bars = _bars(a, b, index, late, np.repeat(t, window_bars)[:n_bars])
    share = t if at is None else np.full(n_windows, at)
    halves = []
    for half, here in enumerate((~late, late)):
        whose = half if at is None else int(at >= 0.5)
        mine, key = ends[whose], ends[half].key
        mu, sigma = mix_latents(a, b, pairs, share, len(mine.owners), choices.how)
        whole, source = replace_parts(bars, mine), np.where(here, index[whose], -1)
        passthrough = (copy_notes(part, mine.bars, source, whole) for part in mine.passthrough)
        halves.append(
            replace(
                mine,
                bars=whole,
                active=tuple(each[index[whose]] & here[:, None] for each in mine.active),
                key=key,
                mu=mu,
                sigma=sigma,
                passthrough=tuple(transpose_part(part, key - mine.key) for part in passthrough),
                bar_velocities=mine.bar_velocities[index[whose]],
                alignment=None,
            )
        )
    return halves[0], halves[1]


def _bars(
    a: Encoding,
    b: Encoding,
    index: tuple[Ints, ...],
    late: NDArray[np.bool_],
    t: NDArray[np.float64],
) -> Bars:
    """Bars of `a`, and of `b` where it is `late`, with tempo a share `t` of the way. `(N,)` each"""
    tpq = _common(a.bars.grid.ticks_per_quarter, b.bars.grid.ticks_per_quarter)
    told = []
    for end, which in zip((a, b), index, strict=True):
        grid = end.bars.grid
        length = np.round(grid.length_ticks[which] * (tpq / grid.ticks_per_quarter))
        length = np.maximum(length, 1).astype(np.int64)
        told.append(np.stack([grid.numerator[which], grid.denominator[which], length]))
    numerator, denominator, length = np.where(late, told[1], told[0])
    pace = (1 - t) * np.log(bar_qpm(a, index[0])) + t * np.log(bar_qpm(b, index[1]))
    start = np.cumsum(length) - length
    return Bars.blank(
        a.bars.header.parts,
        numerator=numerator,
        denominator=denominator,
        length_ticks=length,
        qpm=np.exp(pace),
        ticks_per_quarter=tpq,
        steps_per_quarter=a.bars.grid.steps_per_quarter,
        key=_keys(a, b, start[late], bool((~late).any())),
    )


def _keys(a: Encoding, b: Encoding, late: Ints, early: bool) -> KeyMap:
    """The key signature of `a`, if it plays at all, and that of `b` from where it takes over."""
    one, other = initial_key(a.bars), initial_key(b.bars)
    held = [(0, one)] * early + [(int(tick), other) for tick in late[:1]]
    return KeyMap(
        ticks=np.concatenate([key.ticks + tick for tick, key in held]),
        fifths=np.concatenate([key.fifths for _, key in held]),
        minor=np.concatenate([key.minor for _, key in held]),
    )


def _common(one: int, other: int) -> int:
    """Ticks a quarter in which the ticks of both are whole, as far as a MIDI file can say them."""
    both = math.lcm(one, other)
    return both if both <= MAX_TICKS_PER_QUARTER else max(one, other)
