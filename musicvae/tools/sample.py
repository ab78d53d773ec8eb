"""New songs, sampled from the prior over paths of latents."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from musicvae.arrays import Ints
from musicvae.attributes.form import labels_by_window, section_labels
from musicvae.chords import Progression, parse_progression
from musicvae.config.preset import Preset
from musicvae.config.size_limits import MAX_BARS, MAX_SONGS
from musicvae.data.batch import ModelInput, WindowBatcher
from musicvae.errors import ConfigError
from musicvae.latent.codec import Codec
from musicvae.networks.devices import one_thread
from musicvae.networks.priors.flow import FlowPrior
from musicvae.representation.bars import Bars, Notes
from musicvae.representation.chord_grid import (
    progression_key,
    quarter_chords,
    repeat_progression,
)
from musicvae.representation.key import Key, parse_key
from musicvae.representation.templates import (
    choose_keys,
    choose_meter,
    choose_pickups,
    choose_swings,
    choose_tempos,
    empty_bars,
    songs_from_bars,
)
from musicvae.song import Song

MEAN_VELOCITY = 74.0  # of sampled songs, unless the model has velocity
DEFAULT_BARS = 16
SECTION_BARS = 8
BARS_PER_CHUNK = 4096  # bars that are sampled at once
MAX_REDRAWS = 6  # of songs whose first bar is silent


def sample(
    codec: Codec,
    n: int = 8,
    *,
    bars: int | None = None,
    form: str | None = None,
    temperature: float = 1.0,
    qpm: float | None = None,
    key: int | str | None = None,
    meter: str | None = None,
    pickup: str | None = None,
    swing: str | None = None,
    chords: str | None = None,
    refine_steps: int | None = None,
    seed: int = 0,
) -> list[Song]:
    """Return `n` new songs, sampled from the prior over paths of latents.

    Args:
        n: number of songs.
        bars: length of each; by default 16, or 8 for each letter of `form`.
        form: sections of equal length by letters, such as `AABA`: those of one letter are alike,
            except for small variations and the end. By default the form of one of the training
            songs, if the prior stores these.
        temperature: scale of the sampled noise; below 1 nearer to the typical, above 1 bolder.
        qpm: tempo in quarters per minute; by default one frequent in the training songs.
        key: `D minor`, `Eb`, `G dorian` and the like, or semitones above C of the major scale,
            -6..5; by default that of `chords`, else drawn from the training songs.
        meter: such as `3/4`; by default the most frequent one of the training songs.
        pickup: length of the pickup, such as `1/8`, by which the last bar is shorter; `0` for none.
            By default, from 8 bars on, drawn from those of the training songs.
        swing: ratio of swung eighths such as `2:1`, or `3:2 in sixteenths`; `1:1` for none. By
            default drawn from those of the training songs. Notes of the songs are straight and
            swung when written.
        chords: a progression such as `C | G/B | Am F | %`, repeated to the end of the songs, which
            then state it; see `musicvae.chords.parse_progression`. For models conditioned on
            chords, which by default choose their own.
        refine_steps: how many times sampled latents are decoded and encoded again, a few steps of
            the walk back of Bengio et al. (2013) from the prior to the data. By default two with a
            linear prior; with a flow none for short windows of a single part, else one; none where
            the reconstruction F1 is below .5, since such a model always approaches the same song.
        seed: the same seed gives the same songs.

    Songs are sampled some hundred at a time, so memory grows by the songs alone; `sample_stream`
    does not hold these either. Raises `ConfigError` for invalid arguments.
    """
    arguments: dict[str, Any] = {"temperature": temperature, "qpm": qpm, "key": key, "meter": meter}
    arguments |= {"pickup": pickup, "swing": swing, "chords": chords}
    arguments |= {"refine_steps": refine_steps, "seed": seed}
    return list(sample_stream(codec, n, bars=bars, form=form, **arguments))


def sample_stream(
    codec: Codec,
    n: int,
    *,
    bars: int | None = None,
    form: str | None = None,
    seed: int = 0,
    **arguments: Any,
) -> Iterator[Song]:
    """Return an iterator over the songs of `sample`, of which it holds few at a time.

    Arguments as for `sample`, and checked at once. Raises `ConfigError`.
    """
    n_bars = bars
    if form is not None and not re.fullmatch("[A-Za-z]+", form):
        raise ConfigError(f"form {form!r}: give letters, one for each section, such as AABA")
    if n_bars is None:
        n_bars = DEFAULT_BARS if form is None else SECTION_BARS * len(form)
    if form is not None and n_bars < len(form):
        raise ConfigError(f"form {form}: {n_bars} bars are too few for {len(form)} sections")
    if n < 1 or n_bars < 1:
        raise ConfigError("sample needs at least one song of at least one bar")
    if n > MAX_SONGS or n_bars > MAX_BARS:
        raise ConfigError(f"sample makes at most {MAX_SONGS:,} songs of at most {MAX_BARS:,} bars")
    size = max(1, BARS_PER_CHUNK // n_bars)
    first = _sample_chunk(codec, min(n, size), n_bars, form, seed=seed, **arguments)

    def songs() -> Iterator[Song]:
        yield from first
        for begin in range(size, n, size):
            chunk_seed = [seed, begin // size]
            count = min(size, n - begin)
            yield from _sample_chunk(codec, count, n_bars, form, seed=chunk_seed, **arguments)

    return songs()


@one_thread()  # each chunk of a stream, whoever takes its songs
def _sample_chunk(
    codec: Codec,
    n: int,
    n_bars: int,
    form: str | None,
    *,
    seed: int | list[int],
    temperature: float = 1.0,
    qpm: float | None = None,
    key: int | str | None = None,
    meter: str | None = None,
    pickup: str | None = None,
    swing: str | None = None,
    chords: str | None = None,
    refine_steps: int | None = None,
) -> list[Song]:
    rng, preset = np.random.default_rng(seed), codec.preset
    chosen_meter = choose_meter(preset, codec.provenance, meter)
    signature = None
    if isinstance(key, str):
        signature = parse_key(key)
        key = signature.major_tonic
    progression = None if chords is None else _parse_chords(preset, chords)
    if progression is not None and key is None:
        key = progression_key(progression)
    keys = choose_keys(codec.provenance, key, n, rng)
    tempos = choose_tempos(preset, codec.provenance, qpm, n, rng)
    lengths = choose_pickups(codec.provenance, pickup, chosen_meter, n_bars, n, rng)
    steps = codec.refine_steps if refine_steps is None else refine_steps
    songs: dict[int, Song] = {}
    for length in sorted(set(lengths)):
        index = np.flatnonzero([each == length for each in lengths])
        empty = empty_bars(preset, n_bars, chosen_meter, pickup=length, provenance=codec.provenance)
        if progression is not None:
            stated = repeat_progression(progression, empty.grid)
            empty = replace(empty, header=replace(empty.header, chords=stated))
        draw = _Draw(
            codec=codec,
            empty=empty,
            form=form,
            temperature=temperature,
            steps=steps,
            signature=signature,
        )
        found = draw.songs([tempos[i] for i in index], keys[index], rng)
        songs |= dict(zip(index.tolist(), found, strict=True))
    swings = choose_swings(codec.provenance, swing, n, rng)
    return [replace(songs[i], swing=each) if each else songs[i] for i, each in enumerate(swings)]


def _parse_chords(preset: Preset, chords: str) -> Progression:
    """Return a progression for a preset; raise `ConfigError` for one not conditioned on chords."""
    if not preset.conditions.chords:
        raise ConfigError(
            f"preset {preset.name} is not conditioned on chords; choose a --checkpoint that is, or "
            "train one with --set conditions.chords=true"
        )
    try:
        return parse_progression(chords)
    except ValueError as error:
        raise ConfigError(f"chords {chords[:80]!r}: {error}") from None


@dataclass(frozen=True, kw_only=True)
class _Draw:
    """Samples over the same empty bars."""

    codec: Codec
    empty: Bars
    form: str | None
    temperature: float
    steps: int
    """How many times latents are decoded and encoded again."""
    signature: Key | None
    """Key signature of the songs, if one was named."""

    def songs(self, tempos: Sequence[float], keys: Ints, rng: np.random.Generator) -> list[Song]:
        """Return a song for each tempo and key; those with a silent first bar are drawn again."""
        notes = self.notes(keys, rng)
        R = len(self.codec.preset.parts)
        for _ in range(MAX_REDRAWS):
            begun = np.zeros(len(keys), bool)
            begun[notes.part[notes.bar == 0] // R] = True
            silent = np.flatnonzero(~begun)
            if not len(silent):
                break
            again = self.notes(keys[silent], rng)
            again = replace(again, part=silent[again.part // R] * R + again.part % R)
            kept = notes.select(begun[notes.part // R])
            notes = Notes.sorted(**vars(Notes.concatenate([kept, again])))
        return songs_from_notes(self.codec, self.empty, notes, tempos, keys, self.signature)

    def notes(self, keys: Ints, rng: np.random.Generator) -> Notes:
        """Sample notes of songs in these keys; `part` counts the slots of all songs."""
        codec, empty, n = self.codec, self.empty, len(keys)
        R = len(codec.preset.parts)
        stated = empty.header.chords
        chords = quarter_chords(stated, empty.grid, codec.preset.grid.quarters)
        inputs = [
            replace(ModelInput.without_notes(empty, R, key), chords=chords) for key in keys.tolist()
        ]
        batcher = WindowBatcher(inputs, codec.preset)
        pickup = bool(empty.grid.lead_steps[0])
        labels = _bar_labels(codec, n, len(empty) - pickup, self.form, pickup, rng)
        z = codec.sample_latents(batcher, np.arange(n), self.temperature, rng, bar_labels=labels)
        return codec.decode_notes(batcher, empty, z, refine_steps=self.steps)


def songs_from_notes(
    codec: Codec,
    bars: Bars,
    notes: Notes,
    qpm: Sequence[float],
    keys: Ints,
    signature: Key | None = None,
) -> list[Song]:
    """Return songs of decoded notes, with velocities; arguments as for `songs_from_bars`.

    `notes.part` counts the slots of all songs.
    """
    R = len(codec.preset.parts)
    mean_velocity = np.full((len(bars), len(keys) * R), MEAN_VELOCITY)
    notes = codec.add_velocities(bars, notes, mean_velocity, notes.part // R)
    return songs_from_bars(replace(bars, notes=notes), qpm, keys, signature)


def _bar_labels(
    codec: Codec, n: int, bars: int, form: str | None, pickup: bool, rng: np.random.Generator
) -> Ints:
    """Return labels of bars, equal where they should be alike, by window. `(n, W, N)`

    They follow the form, else the forms of training songs. A pickup precedes them with a label of
    its own.
    """
    if form is not None:
        label = np.tile(section_labels(form, bars), (n, 1))
    elif isinstance(codec.prior, FlowPrior):
        label = codec.prior.sample_forms(n, bars, rng)
    else:
        label = np.tile(np.arange(bars), (n, 1))
    if pickup:
        label[:, -1] = bars - 1  # shorter than the bar it would repeat, because of the pickup
        label = np.pad(label + 1, ((0, 0), (1, 0)))
    return labels_by_window(label, codec.preset.grid.bars)
