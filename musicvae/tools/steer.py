"""Floor 8: songs turned by musical knobs.

A latent is moved along the directions of its checkpoint, decoded, measured, and moved again by what
is still missing, each window for itself. What comes nearest to what was asked, with the least
change, stays. Two corrections go on in this: the directions are those at the latent, not of the
mean; and what a decoder does with a latent counts, not what the directions foretell.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from musicvae.arrays import Floats, Ints
from musicvae.attributes import ATTRIBUTES, unavailable_attributes, window_attributes
from musicvae.data.batch import ModelInput, WindowBatcher, fits_preset
from musicvae.downbeats import BarlineEstimate
from musicvae.errors import ConfigError, DataError
from musicvae.latent import Encoding, Latents
from musicvae.latent.codec import Codec
from musicvae.latent.directions import Directions
from musicvae.networks.vae import without_notes, to_note_table
from musicvae.representation.bars import Notes
from musicvae.representation.slots import ModelPass
from musicvae.representation.windows import window_bounds
from musicvae.song import Song
from musicvae.tools.attribute_vector import AttributeVector
from musicvae.tools.embed import embed_song

_STAGE = 0.5  # standard deviations by which what is asked grows from stage to stage
_STILL = 0.05  # standard deviations that are no move
_PATIENCE = 0.2  # standard deviations missed that a way may lead through
_NOISE = 0.5  # of the spread of latents, at most
_OTHER = 0.3  # weight of attributes that should stay
_COST = 0.3  # of a way in latent space as long as that between two windows
_LOST = 9.0
_CARRY = 2.0  # standard deviations that a window is asked for beside its own, at most
_AT_ONCE = 256


@dataclass(frozen=True, eq=False)
class SteerResult:
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


def unsupported_attributes(codec: Codec) -> dict[str, str]:
    """The attributes that the model cannot be steered by, and why."""
    preset = codec.preset
    kinds = tuple(part.kind for part in preset.parts)
    return unavailable_attributes(kinds, bars=preset.grid.bars, velocity=preset.model.velocity)


def require_directions(codec: Codec) -> Directions:
    """The directions of a checkpoint. Raises `ConfigError` if it has none."""
    if codec.directions is None:
        where = codec.path or "the checkpoint"
        raise ConfigError(
            f"{where}: has no directions to steer by; fit them with: python "
            "musicvae/cli/commands/refit.py CHECKPOINT FOLDER"
        )
    return codec.directions


def steer(
    codec: Codec,
    song: Song | BarlineEstimate | Encoding,
    asked: Mapping[str, float],
    *,
    directions: Sequence[tuple[AttributeVector, float]] = (),
    rounds: int | None = None,
) -> SteerResult:
    """`MusicVAE.steer`, with what became of the attributes."""
    unknown = [name for name in asked if name not in ATTRIBUTES]
    if unknown:
        raise ConfigError(f"{unknown[0]}: no such attribute; there are: {', '.join(ATTRIBUTES)}")
    ways = [(way.checked(codec), amount) for way, amount in directions]
    known = require_directions(codec) if asked or not ways else codec.directions
    goal = known.wanted(asked, unsupported_attributes(codec)) if known else np.zeros(0)
    encoding = song if isinstance(song, Encoding) else codec.encode(song)
    if not encoding.owners or not len(encoding.bars):
        raise DataError(
            f"the song has nothing that preset {codec.preset.name} can represent; choose another "
            "--checkpoint"
        )
    cutter, group, nth = decodable_windows(codec, encoding)
    first, path = nth * codec.preset.grid.bars, encoding.mu.copy()
    flat = path[group, nth]
    for way, amount in ways:
        flat = np.where(encoding.mu[group, nth] != 0, flat + amount * way.move, 0)
    if known is None:
        path[group, nth] = flat
        nothing = np.zeros(0)
        return SteerResult(codec.decode(encoding, z=path), (), nothing, nothing, nothing)
    goals = np.tile(goal, (len(flat), 1))
    turned, before, after = hill_climb(codec, cutter, group, first, flat, goals, rounds=rounds)
    if ways:
        before = attributes(codec, cutter, group, first, encoding.mu[group, nth])
    path[group, nth] = turned
    made = codec.decode(encoding, z=path)
    return SteerResult(made, known.names, _means(before), _means(after), known.std)


def song_attributes(codec: Codec, song: Song | BarlineEstimate) -> dict[str, float]:
    """`MusicVAE.attributes`."""
    missing, found = unsupported_attributes(codec), embed_song(codec, song, "the song")
    means = found.means(found.values)[0]
    return {n: float(v) for n, v in zip(ATTRIBUTES, means, strict=True) if n not in missing}


def decodable_windows(codec: Codec, encoding: Encoding) -> tuple[WindowBatcher, Ints, Ints]:
    """The frames of the windows that the model takes: a cutter, and of each window the pass that
    it belongs to and which one of it it is.
    """
    none = Notes.concatenate([])
    sources = [
        ModelInput(
            bars=encoding.bars,
            group=ModelPass(notes=none, owner=owner),
            key=encoding.key,
            active=active,
        )
        for owner, active in zip(encoding.owners, encoding.active, strict=True)
    ]
    size, grid = codec.preset.grid.bars, encoding.bars.grid
    first, stop = window_bounds(len(grid), size, size)
    fits = np.flatnonzero(fits_preset(grid, first, stop, codec.preset))
    cutter = WindowBatcher(sources, codec.preset)
    G = len(sources)
    return cutter, np.repeat(np.arange(G), len(fits)), np.tile(fits, G)


def hill_climb(
    codec: Codec,
    cutter: WindowBatcher,
    source: Ints,
    first: Ints,
    z: NDArray[np.floating],
    goal: Floats,
    *,
    song: Ints | None = None,
    rounds: int | None = None,
) -> tuple[Latents, Floats, Floats]:
    """Latents of windows `(n, Z)` whose attributes differ by `goal` `(n, K)` standard deviations
    from those of `z`, as nearly as is found; and attributes before and after, each `(n, K)`.

    What some windows of a `song` `(n,)`, one if not given, cannot do, others make up for. `rounds`
    of the search for each half of a standard deviation.
    """
    directions = require_directions(codec)
    start = np.asarray(z, np.float64)
    before = attributes(codec, cutter, source, first, start)
    best, after = start.copy(), before.copy()
    goal = clip_target(directions, before, goal)
    n_stages = math.ceil(float(np.abs(goal).max(initial=0.0)) / _STAGE)
    rng, carry = np.random.default_rng(0), np.zeros_like(goal)
    gain = np.ones(len(goal))  # steps in what the directions foretell
    song = np.zeros(len(goal), np.int64) if song is None else song
    for stage in range(1, n_stages + 1):
        # What is asked grows: a stage begins where the one before, a smaller ask, came to.
        most = stage * _STAGE
        live = np.flatnonzero((np.abs(goal).max(1) > most - _STAGE) & np.isfinite(before).any(1))
        plain = np.clip(goal, -most, most)
        weight = np.where(goal.any(0), 1.0, _OTHER)
        aim = plain + np.where((plain != 0) | (weight < 1), carry, 0)
        climb = _HillClimb(directions, start, before, aim, weight, best, after, gain, live)
        for _ in range(rounds or n_rounds(codec)):
            tried = climb.proposals(rng)
            heard = attributes(codec, cutter, source[live], first[live], tried)
            climb.judge(tried, heard)
        best[live], after[live], gain[live] = climb.best, climb.after, climb.gain
        left = plain - (after - before) / directions.std
        carry = np.clip(carry + _by_song(left, song), -_CARRY, _CARRY)
    return best.astype(np.float32), before, after


class _HillClimb:
    """The search of one stage, over the windows that are `live`."""

    def __init__(
        self,
        directions: Directions,
        start: Floats,
        before: Floats,
        aim: Floats,
        weight: Floats,
        best: Floats,
        after: Floats,
        gain: Floats,
        live: Ints,
    ) -> None:
        self.directions, self.live, self.shape = directions, live, start.shape
        self.start, self.before, self.aim = start[live], before[live], aim[live]
        self.scale, self.weight = np.sqrt(directions.spread), weight
        self.best, self.after = best[live], after[live]
        self.now, self.gain = self.best.copy(), gain[live]
        self.missed, self.rest = self._missed(self.after)
        self.cost = self.missed + self._way(self.best)

    def proposals(self, rng: np.random.Generator) -> Floats:
        """A latent to try for each window: on from where it is, by what is missing, and at random.

        Draws are made for all windows, live or not, so that a window's do not depend on others.
        """
        n, Z = self.shape
        bold, loud = rng.uniform(0.5, 1.5, (n, 1)), rng.uniform(0, _NOISE, (n, 1))
        noise = loud * rng.standard_normal((n, Z)) * self.scale
        step = np.clip(self.rest, -1, 1) * bold[self.live] * self.gain[:, None]
        return self.directions.moved(self.now, step) + noise[self.live] * (self.start != 0)

    def judge(self, tried: Floats, heard: Floats) -> None:
        """Go on from what is hardly worse; keep what is best, ways counted. Where nothing moves
        steps grow, where it is worse they shrink.
        """
        missed, rest = self._missed(heard)
        still = (np.abs(rest - self.rest) * (self.weight == 1)).max(1) < _STILL
        on = missed <= self.missed + _PATIENCE
        self.gain = np.clip(self.gain * np.where(still, 1.6, np.where(on, 1.0, 0.6)), 0.5, 8)
        self.now[on], self.missed[on], self.rest[on] = tried[on], missed[on], rest[on]
        cost = missed + self._way(tried)
        better = cost < self.cost
        self.best[better], self.after[better] = tried[better], heard[better]
        self.cost[better] = cost[better]

    def _missed(self, heard: Floats) -> tuple[Floats, Floats]:
        """Standard deviations between what was asked and what became, those of attributes that
        should stay counting less `(n,)`, and what is still missing `(n, K)`.

        An attribute that a window has lost, as silence has lost all, counts as far away.
        """
        change = (heard - self.before) / self.directions.std
        off = np.abs(self.aim - np.where(np.isfinite(change), change, _LOST))
        off = np.where(np.isfinite(self.before), off, 0)
        missed = (off * self.weight).sum(1)
        return missed, np.where(np.isfinite(change), self.aim - change, 0)

    def _way(self, z: Floats) -> Floats:
        """What it costs to be so far from the beginning. `(n,)`"""
        far = (((z - self.start) / self.scale) ** 2).sum(1)
        return np.asarray(_COST * np.sqrt(far / (2 * self.shape[1])))


def clip_target(directions: Directions, before: Floats, goal: Floats) -> Floats:
    """What is asked `(n, K)` as far as there can be: no less than none. `(n, K)`"""
    edges = [ATTRIBUTES[name].range for name in directions.names]
    low, high = np.array(edges, float).T
    value = np.where(np.isfinite(before), before, 0)
    room = ((low - value) / directions.std, (high - value) / directions.std)
    return np.asarray(np.clip(goal, np.minimum(room[0], 0), np.maximum(room[1], 0)))


def n_rounds(codec: Codec) -> int:
    """Rounds of the search that take seconds: a decoder that goes note by note has fewer."""
    return 4 if codec.preset.model.decoder in ("list", "flat") else 8


def attributes(
    codec: Codec,
    cutter: WindowBatcher,
    source: Ints,
    first: Ints,
    z: NDArray[np.floating],
) -> Floats:
    """The directions' attributes of what is decoded from latents `(n, Z)`. `(n, K)`"""
    names = require_directions(codec).names
    pieces = [np.zeros((0, len(names)))]
    for begin in range(0, len(z), _AT_ONCE):
        part = slice(begin, begin + _AT_ONCE)
        batch = cutter.batch(source[part], first[part])
        latents = torch.from_numpy(np.asarray(z[part], np.float32)).to(codec.device)
        with torch.no_grad():
            rows = codec.vae.decode(latents, without_notes(codec.to_device(batch))).numpy()
        table = to_note_table(batch, codec.preset, rows)
        pieces.append(window_attributes(table, codec.preset.meters, names))
    return np.concatenate(pieces)


def _by_song(values: Floats, song: Ints) -> Floats:
    """The mean of each column over the windows of a song that have it, for each window. `(n, K)`"""
    there, n = np.isfinite(values), int(song.max(initial=-1)) + 1
    total, count = np.zeros((2, n, values.shape[1]))
    np.add.at(total, song, np.where(there, values, 0))
    np.add.at(count, song, there)
    return np.asarray((total / np.maximum(count, 1))[song])


def _means(values: Floats) -> Floats:
    count = np.isfinite(values).sum(0)
    total = np.where(np.isfinite(values), values, 0).sum(0)
    return np.asarray(np.where(count > 0, total / np.maximum(count, 1), np.nan))
