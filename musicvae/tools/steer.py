"""Steering: change attributes of a song and keep the others.

Latents are moved along the directions of the checkpoint, decoded, measured, and moved again by
what is missing, each window for itself; the nearest result at the least distance is kept. Two
corrections: gradients are local to z, and attributes are measured on the decoded notes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from musicvae.arrays import Floats, Ints, group_mean
from musicvae.attributes import ATTRIBUTES, unavailable_attributes, window_attributes
from musicvae.data.batch import WindowBatcher
from musicvae.downbeats import BarlineEstimate
from musicvae.errors import ConfigError
from musicvae.latent import Encoding, Latents
from musicvae.latent.codec import Codec, decodable_windows
from musicvae.latent.directions import Directions
from musicvae.latent.song_input import check_bars, unrepresentable
from musicvae.networks.vae import to_note_table, without_notes
from musicvae.song import Song
from musicvae.tools.attribute_vector import AttributeVector
from musicvae.tools.embed import embed_song

# Standard deviations of attributes:
STAGE_SIZE = 0.5  # by which the target grows from stage to stage
MIN_MOVE = 0.05  # less counts as no change
TOLERANCE = 0.2  # by which a step of the search may be worse
LOST_ERROR = 9.0  # error of an attribute that is no longer defined
MAX_CARRY = 2.0  # that a window makes up for others
MAX_GAIN, MIN_GAIN = 8, 0.5  # of steps relative to the gradients
MAX_NOISE = 0.5  # of proposals, in units of the spread of latents
OTHER_WEIGHT = 0.3  # of attributes that should stay
DISTANCE_COST = 0.3  # of the mean distance between two windows
BATCH_SIZE = 256  # windows


@dataclass(frozen=True, eq=False)
class SteerResult:
    """A steered song, and its K attributes before and after."""

    song: Song
    names: tuple[str, ...]
    before: Floats  # (K,) means over the windows of the reconstruction
    after: Floats  # (K,)
    std: Floats  # (K,) standard deviations over the training windows

    @property
    def changes(self) -> dict[str, float]:
        """Change of each attribute in standard deviations; nan where it is undefined."""
        change = (self.after - self.before) / self.std
        return dict(zip(self.names, change.tolist(), strict=True))


def unsupported_attributes(codec: Codec) -> dict[str, str]:
    """Return the attributes that the model's windows cannot have, with the reasons."""
    preset = codec.preset
    kinds = tuple(part.kind for part in preset.parts)
    return unavailable_attributes(kinds, bars=preset.grid.bars, velocity=preset.model.velocity)


def require_directions(codec: Codec) -> Directions:
    """Return the directions of a checkpoint; raise `ConfigError` if it has none."""
    if codec.directions is None:
        where = codec.path or "the checkpoint"
        raise ConfigError(
            f"{where}: has no directions to steer by; fit them with: musicvae refit CHECKPOINT "
            "FOLDER --directions"
        )
    return codec.directions


def steer(
    codec: Codec,
    song: Song | BarlineEstimate | Encoding,
    changes: Mapping[str, float] | None = None,
    *,
    directions: Sequence[tuple[AttributeVector, float]] = (),
) -> Song:
    """Change attributes of a song and keep its other attributes as far as possible.

    Args:
        song: any song, or its encoding; notes that the model cannot represent stay unchanged.
        changes: change of each attribute, such as `{"density": 2, "register": -1}`, in standard
            deviations over the windows of the training songs.
        directions: attribute vectors, and the number of steps along each; attributes may change
            with them.

    Without changes the result is the reconstruction. `steer_with_report` also returns how far each
    attribute changed. Raises `ConfigError` for an attribute that the model does not have or has no
    direction for, `DataError` if it can represent no note.
    """
    return steer_with_report(codec, song, changes, directions=directions).song


def steer_with_report(
    codec: Codec,
    song: Song | BarlineEstimate | Encoding,
    changes: Mapping[str, float] | None = None,
    *,
    directions: Sequence[tuple[AttributeVector, float]] = (),
    rounds: int | None = None,
) -> SteerResult:
    """Change attributes of a song as `steer` does, and report how far each one changed.

    `rounds` is the number of search steps for each half of a standard deviation; by default 4 or 8,
    depending on the speed of the decoder.
    """
    requested = changes or {}
    unknown = [name for name in requested if name not in ATTRIBUTES]
    if unknown:
        raise ConfigError(f"{unknown[0]}: no such attribute; there are: {', '.join(ATTRIBUTES)}")
    vectors = [(vector.check_model(codec), steps) for vector, steps in directions]
    known = require_directions(codec) if requested or not vectors else codec.directions
    goal = known.target(requested, unsupported_attributes(codec)) if known else np.zeros(0)
    encoding = song if isinstance(song, Encoding) else codec.encode(song)
    check_bars(len(encoding.bars))
    if encoding.is_empty:
        header = encoding.bars.header
        raise unrepresentable(codec.preset, replace(header, parts=encoding.passthrough))
    batcher = codec.decoder_context(encoding)
    group, nth = decodable_windows(encoding.bars, codec.preset, len(encoding.source_parts))
    first, path = nth * codec.preset.grid.bars, encoding.mu.copy()
    z = path[group, nth]
    for vector, steps in vectors:
        z = np.where(encoding.mu[group, nth] != 0, z + steps * vector.vector, 0)
    if known is None:
        path[group, nth] = z
        none = np.zeros(0)
        return SteerResult(codec.decode(encoding, z=path), (), none, none, none)
    goals = np.tile(goal, (len(z), 1))
    steered, before, after = hill_climb(codec, batcher, group, first, z, goals, rounds=rounds)
    if vectors:
        before = decoded_attributes(codec, batcher, group, first, encoding.mu[group, nth])
    path[group, nth] = steered
    decoded = codec.decode(encoding, z=path)
    return SteerResult(decoded, known.names, _means(before), _means(after), known.std)


def attributes(codec: Codec, song: Song | BarlineEstimate) -> dict[str, float]:
    """Return the attributes of a song by name: means over its windows, in units of `ATTRIBUTES`.

    Only those that the model's windows can have. Raises `DataError` if the model can represent no
    note of the song.
    """
    unsupported, found = unsupported_attributes(codec), embed_song(codec, song)
    means = found.means(found.attributes)[0]
    return {
        name: float(value)
        for name, value in zip(ATTRIBUTES, means, strict=True)
        if name not in unsupported
    }


def hill_climb(
    codec: Codec,
    batcher: WindowBatcher,
    source: Ints,
    first: Ints,
    z: NDArray[np.floating[Any]],
    goal: Floats,
    *,
    song: Ints | None = None,
    rounds: int | None = None,
) -> tuple[Latents, Floats, Floats]:
    """Search for latents whose decoded attributes differ by `goal` from those of `z`.

    Args:
        codec: the model.
        batcher: provides the context of the windows.
        source: `(n,)` input of each window.
        first: `(n,)` first bar of each window.
        z: `(n, Z)` latents to start from.
        goal: `(n, K)` changes of attributes, in standard deviations.
        song: `(n,)` song of each window, one song by default. What some windows of a song miss, its
            others make up for.
        rounds: number of steps for each `STAGE_SIZE`.

    Returns latents `(n, Z)`, and their attributes before and after `(n, K)`.
    """
    directions = require_directions(codec)
    start = np.asarray(z, np.float64)
    before = decoded_attributes(codec, batcher, source, first, start)
    best, after = start.copy(), before.copy()
    goal = clip_target(directions, before, goal)
    n_stages = math.ceil(float(np.abs(goal).max(initial=0.0)) / STAGE_SIZE)
    rng, carry = np.random.default_rng(0), np.zeros_like(goal)
    gain = np.ones(len(goal))  # steps relative to the gradients
    song = np.zeros(len(goal), np.int64) if song is None else song
    n_songs = int(song.max(initial=-1)) + 1
    for stage in range(1, n_stages + 1):
        # The target grows: each stage starts from the result of the one before.
        limit = stage * STAGE_SIZE
        active = np.abs(goal).max(1) > limit - STAGE_SIZE
        live = np.flatnonzero(active & np.isfinite(before).any(1))
        stage_goal = np.clip(goal, -limit, limit)
        weight = np.where(goal.any(0), 1.0, OTHER_WEIGHT)
        target = stage_goal + np.where((stage_goal != 0) | (weight < 1), carry, 0)
        climb = _HillClimb(directions, start, before, target, weight, best, after, gain, live)
        for _ in range(rounds or n_rounds(codec)):
            proposal = climb.propose(rng)
            measured = decoded_attributes(codec, batcher, source[live], first[live], proposal)
            climb.update(proposal, measured)
        best[live], after[live], gain[live] = climb.best, climb.after, climb.gain
        missing = stage_goal - (after - before) / directions.std
        song_missing = np.nan_to_num(group_mean(missing, song, n_songs))[song]
        carry = np.clip(carry + song_missing, -MAX_CARRY, MAX_CARRY)
    return best.astype(np.float32), before, after


class _HillClimb:
    """The search of one stage, over the windows that are `live`."""

    def __init__(
        self,
        directions: Directions,
        start: Floats,
        before: Floats,
        target: Floats,
        weight: Floats,
        best: Floats,
        after: Floats,
        gain: Floats,
        live: Ints,
    ) -> None:
        self.directions, self.live, self.shape = directions, live, start.shape
        self.start, self.before, self.target = start[live], before[live], target[live]
        self.scale, self.weight = np.sqrt(directions.variance), weight
        self.best, self.after = best[live], after[live]
        self.current, self.gain = self.best.copy(), gain[live]
        self.error, self.missing = self._error(self.after)
        self.cost = self.error + self._distance_cost(self.best)

    def propose(self, rng: np.random.Generator) -> Floats:
        """Propose a latent for each window: a step by what is missing, plus noise.

        Random numbers are drawn for all windows, live or not, so that those of a window do not
        depend on others.
        """
        n, Z = self.shape
        length, noise_level = rng.uniform(0.5, 1.5, (n, 1)), rng.uniform(0, MAX_NOISE, (n, 1))
        noise = noise_level * rng.standard_normal((n, Z)) * self.scale
        step = np.clip(self.missing, -1, 1) * length[self.live] * self.gain[:, None]
        return self.directions.step(self.current, step) + noise[self.live] * (self.start != 0)

    def update(self, proposal: Floats, measured: Floats) -> None:
        """Accept proposals that are hardly worse, and keep the best, distance included.

        Steps grow where nothing changes, and shrink where the error grows.
        """
        error, missing = self._error(measured)
        still = (np.abs(missing - self.missing) * (self.weight == 1)).max(1) < MIN_MOVE
        accepted = error <= self.error + TOLERANCE
        factor = np.where(still, 1.6, np.where(accepted, 1.0, 0.6))
        self.gain = np.clip(self.gain * factor, MIN_GAIN, MAX_GAIN)
        self.current[accepted] = proposal[accepted]
        self.error[accepted], self.missing[accepted] = error[accepted], missing[accepted]
        cost = error + self._distance_cost(proposal)
        better = cost < self.cost
        self.best[better], self.after[better] = proposal[better], measured[better]
        self.cost[better] = cost[better]

    def _error(self, measured: Floats) -> tuple[Floats, Floats]:
        """Return the weighted error of each window `(n,)`, and what is missing `(n, K)`.

        In standard deviations. An attribute that a window has lost, as all in silence, counts as
        `LOST_ERROR`.
        """
        change = (measured - self.before) / self.directions.std
        error = np.abs(self.target - np.where(np.isfinite(change), change, LOST_ERROR))
        error = np.where(np.isfinite(self.before), error, 0)
        missing = np.where(np.isfinite(change), self.target - change, 0)
        return (error * self.weight).sum(1), missing

    def _distance_cost(self, z: Floats) -> Floats:
        """Return the cost of the distance from the start. `(n,)`"""
        squared = (((z - self.start) / self.scale) ** 2).sum(1)
        return np.asarray(DISTANCE_COST * np.sqrt(squared / (2 * self.shape[1])))


def clip_target(directions: Directions, before: Floats, goal: Floats) -> Floats:
    """Clip changes `(n, K)` to the possible values of the attributes. `(n, K)`"""
    ranges = [ATTRIBUTES[name].range for name in directions.names]
    low, high = np.array(ranges, float).T
    value = np.where(np.isfinite(before), before, 0)
    margin = ((low - value) / directions.std, (high - value) / directions.std)
    return np.asarray(np.clip(goal, np.minimum(margin[0], 0), np.maximum(margin[1], 0)))


def n_rounds(codec: Codec) -> int:
    """Return the number of search steps that take seconds; fewer for autoregressive decoders."""
    return 4 if codec.preset.model.decoder in ("list", "flat") else 8


def decoded_attributes(
    codec: Codec, batcher: WindowBatcher, source: Ints, first: Ints, z: NDArray[np.floating[Any]]
) -> Floats:
    """Return the attributes, those of the directions, of notes decoded from `z` `(n, Z)`. `(n, K)`

    `source` and `first` `(n,)` are input and first bar of the windows.
    """
    names = require_directions(codec).names
    pieces = [np.zeros((0, len(names)))]
    for begin in range(0, len(z), BATCH_SIZE):
        chunk = slice(begin, begin + BATCH_SIZE)
        batch = batcher.batch(source[chunk], first[chunk])
        latents = torch.from_numpy(np.asarray(z[chunk], np.float32)).to(codec.device)
        with torch.no_grad():
            rows = codec.vae.decode(latents, without_notes(codec.to_device(batch))).numpy()
        table = to_note_table(batch, codec.preset, rows)
        pieces.append(window_attributes(table, codec.preset.meters, names))
    return np.concatenate(pieces)


def _means(values: Floats) -> Floats:
    """Return the mean of each column, without nan. `(n, K)` -> `(K,)`"""
    return group_mean(values, np.zeros(len(values), np.int64), 1)[0]
