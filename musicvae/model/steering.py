"""Floor 8: songs turned by musical knobs.

A latent is moved along the directions of its checkpoint, decoded, measured, and moved again by what
is still missing, each window for itself. What comes nearest to what was asked, with the least
change, stays. Two corrections go on in this: the directions are those at the latent, not of the
mean; and what a decoder does with a latent counts, not what the directions foretell.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from musicvae.alignment import Alignment
from musicvae.attributes import ATTRIBUTES, lacking, measured
from musicvae.bars import Notes
from musicvae.dataset.windows import Source, WindowCutter, fitting
from musicvae.directions import Directions, Floats
from musicvae.errors import ConfigError, DataError
from musicvae.latent import Encoding, Latents
from musicvae.model.coder import Coder
from musicvae.models.vae import frame_of, table_of_batch
from musicvae.parts import Group
from musicvae.song import Ints, Song
from musicvae.windows import window_bounds

ROUNDS = 7
_STEP = 1.0  # standard deviations that an attribute is moved in a round, at most
_COST = 0.004  # of the squared way in latent space, beside squared standard deviations missed
_AT_ONCE = 256


@dataclass(frozen=True, kw_only=True, eq=False)
class Steered:
    """A song steered, and what became of its attributes."""

    song: Song
    names: tuple[str, ...]
    before: Floats  # (K,) mean over windows of what the song's reconstruction has
    after: Floats  # (K,)
    std: Floats  # (K,) the unit of what is asked

    @property
    def moved(self) -> dict[str, float]:
        """How far each attribute moved, in standard deviations; nan where the song has none."""
        change = (self.after - self.before) / self.std
        return dict(zip(self.names, change.tolist(), strict=True))


def lacking_of(coder: Coder) -> dict[str, str]:
    """The attributes that the model cannot be steered by, and why."""
    preset = coder.preset
    kinds = tuple(part.kind for part in preset.parts)
    return lacking(kinds, bars=preset.grid.bars, velocity=preset.model.velocity)


def directions_of(coder: Coder) -> Directions:
    """The directions of a checkpoint. Raises `ConfigError` if it has none."""
    if coder.directions is None:
        where = coder.path or "the checkpoint"
        raise ConfigError(
            f"{where}: has no directions to steer by; fit them with: python "
            "scripts/fit_directions.py CHECKPOINT FOLDER"
        )
    return coder.directions


def steer(
    coder: Coder,
    song: Song | Alignment | Encoding,
    asked: Mapping[str, float],
    *,
    z: Latents | None = None,
    rounds: int = ROUNDS,
) -> Steered:
    """`MusicVAE.steer`, with what became of the attributes. `z` is a path to begin with."""
    unknown = [name for name in asked if name not in ATTRIBUTES]
    if unknown:
        raise ConfigError(f"{unknown[0]}: no such attribute; there are: {', '.join(ATTRIBUTES)}")
    directions = directions_of(coder)
    goal = directions.wanted(asked, lacking_of(coder))
    encoding = song if isinstance(song, Encoding) else coder.encode(song)
    if not encoding.owners or not len(encoding.bars):
        raise DataError(
            f"the song has nothing that preset {coder.preset.name} can represent; choose another "
            "--checkpoint"
        )
    path = encoding.mu if z is None else z
    cutter, group, nth = windows_of(coder, encoding)
    first, flat = nth * coder.preset.grid.bars, path[group, nth]
    goals = np.tile(goal, (len(flat), 1))
    turned, before, after = searched(coder, cutter, group, first, flat, goals, rounds)
    path = path.copy()
    path[group, nth] = turned
    made = coder.decode(encoding, z=path)
    return Steered(
        song=made,
        names=directions.names,
        before=_means(before),
        after=_means(after),
        std=directions.std,
    )


def windows_of(coder: Coder, encoding: Encoding) -> tuple[WindowCutter, Ints, Ints]:
    """The frames of the windows that the model takes: a cutter, and of each window the pass that
    it belongs to and which one of it it is.
    """
    none = Notes.concatenate([])
    sources = [
        Source(
            bars=encoding.bars,
            group=Group(notes=none, owner=owner),
            key=encoding.key,
            active=active,
        )
        for owner, active in zip(encoding.owners, encoding.active, strict=True)
    ]
    size, grid = coder.preset.grid.bars, encoding.bars.grid
    first, stop = window_bounds(len(grid), size, size)
    fits = np.flatnonzero(fitting(grid, first, stop, coder.preset))
    cutter = WindowCutter(sources, coder.preset)
    G = len(sources)
    return cutter, np.repeat(np.arange(G), len(fits)), np.tile(fits, G)


def searched(
    coder: Coder,
    cutter: WindowCutter,
    source: Ints,
    first: Ints,
    z: NDArray[np.floating],
    goal: Floats,
    rounds: int = ROUNDS,
) -> tuple[Latents, Floats, Floats]:
    """Latents of windows `(n, Z)` whose attributes differ by `goal` `(n, K)` standard deviations
    from those of `z`, as nearly as is found; and attributes before and after, each `(n, K)`.
    """
    directions = directions_of(coder)
    start = np.asarray(z, np.float64)
    before = attributes(coder, cutter, source, first, start)
    scale = np.sqrt(directions.spread)
    best, after = start.copy(), before.copy()
    cost = _missed(goal, np.zeros_like(goal), before)
    live = np.flatnonzero(goal.any(1) & np.isfinite(before).any(1))
    now, rest = start.copy(), goal.copy()
    for _ in range(rounds):
        if not len(live):
            break
        step = np.clip(rest[live], -_STEP, _STEP)
        now[live] = directions.moved(now[live], step)
        heard = attributes(coder, cutter, source[live], first[live], now[live])
        change = (heard - before[live]) / directions.std
        rest[live] = np.where(np.isfinite(change), goal[live] - change, 0)
        way = (((now[live] - start[live]) / scale) ** 2).sum(1)
        found = _missed(goal[live], change, before[live]) + _COST * way
        better = found < cost[live]
        which = live[better]
        best[which], after[which], cost[which] = now[which], heard[better], found[better]
    return best.astype(np.float32), before, after


def attributes(
    coder: Coder,
    cutter: WindowCutter,
    source: Ints,
    first: Ints,
    z: NDArray[np.floating],
) -> Floats:
    """The directions' attributes of what is decoded from latents `(n, Z)`. `(n, K)`"""
    names = directions_of(coder).names
    columns = [list(ATTRIBUTES).index(name) for name in names]
    pieces = [np.zeros((0, len(names)))]
    for begin in range(0, len(z), _AT_ONCE):
        part = slice(begin, begin + _AT_ONCE)
        batch = cutter.batch(source[part], first[part])
        latents = torch.from_numpy(np.asarray(z[part], np.float32)).to(coder.device)
        with torch.no_grad():
            rows = coder.vae.decode(latents, frame_of(coder.on_device(batch))).numpy()
        table = table_of_batch(batch, coder.preset, rows)
        pieces.append(measured(table, coder.preset.meters)[:, columns])
    return np.concatenate(pieces)


def _missed(goal: Floats, change: Floats, before: Floats) -> Floats:
    """Squared standard deviations between what was asked and what became. `(n,)`

    An attribute that a window has lost, as silence has lost all, counts as far away.
    """
    off = np.where(np.isfinite(before), goal - np.where(np.isfinite(change), change, 9.0), 0)
    return np.asarray((off**2).sum(1))


def _means(values: Floats) -> Floats:
    count = np.isfinite(values).sum(0)
    total = np.where(np.isfinite(values), values, 0).sum(0)
    return np.asarray(np.where(count > 0, total / np.maximum(count, 1), np.nan))
