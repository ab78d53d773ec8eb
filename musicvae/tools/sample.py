"""New songs, sampled from the prior over paths of latents."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np

from musicvae.arrays import Ints
from musicvae.attributes.form import labels_by_window, section_labels
from musicvae.data.batch import ModelInput, WindowBatcher
from musicvae.errors import ConfigError
from musicvae.latent.codec import Codec
from musicvae.networks.priors.flow import FlowPrior
from musicvae.representation.bars import Notes
from musicvae.representation.key import parse_key
from musicvae.representation.slots import ModelPass
from musicvae.representation.templates import (
    choose_keys,
    choose_meter,
    choose_pickup,
    choose_tempos,
    empty_bars,
    songs_from_bars,
)
from musicvae.song import Song

MEAN_VELOCITY = 74.0  # of sampled songs, unless the model has velocity
DEFAULT_BARS = 16
SECTION_BARS = 8


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
            -6..5; by default drawn from the training songs.
        meter: such as `3/4`; by default the most frequent one of the training songs.
        pickup: length of the pickup, such as `1/8`, by which the last bar is shorter; `0` for none.
            By default, from 8 bars on, the one of most training songs.
        refine_steps: how many times sampled latents are decoded and encoded again, a few steps of
            the walk back of Bengio et al. (2013) from the prior to the data. By default two with a
            linear prior; with a flow none for short windows of a single part, else one; none where
            the reconstruction F1 is below .5, since such a model always approaches the same song.
        seed: the same seed gives the same songs.

    Raises `ConfigError` for invalid arguments.
    """
    n_bars = bars
    if n_bars is None:
        n_bars = DEFAULT_BARS if form is None else SECTION_BARS * len(form)
    if form is not None and not re.fullmatch("[A-Za-z]+", form):
        raise ConfigError(f"form {form!r}: give letters, one for each section, such as AABA")
    if form is not None and n_bars < len(form):
        raise ConfigError(f"form {form}: {n_bars} bars are too few for {len(form)} sections")
    if n < 1 or n_bars < 1:
        raise ConfigError("sample needs at least one song of at least one bar")
    rng, preset = np.random.default_rng(seed), codec.preset
    chosen_meter = choose_meter(preset, codec.provenance, meter)
    signature = None
    if isinstance(key, str):
        signature = parse_key(key)
        key = signature.major_tonic
    keys = choose_keys(codec.provenance, key, n, rng)
    tempos = choose_tempos(preset, codec.provenance, qpm, n, rng)
    length = choose_pickup(codec.provenance, pickup, chosen_meter, n_bars)
    empty, R = empty_bars(preset, n_bars, chosen_meter, pickup=length), len(preset.parts)
    group = ModelPass(notes=Notes.concatenate([]), source_part=np.arange(R))
    active = np.ones((len(empty), R), bool)
    inputs = [ModelInput(bars=empty, model_pass=group, key=k, active=active) for k in keys.tolist()]
    batcher = WindowBatcher(inputs, preset)
    labels = _bar_labels(codec, n, n_bars, form, bool(length), rng)
    z = codec.sample_latents(batcher, np.arange(n), temperature, rng, bar_labels=labels)
    steps = codec.refine_steps if refine_steps is None else refine_steps
    notes = codec.decode_notes(batcher, empty, z, refine_steps=steps)
    mean_velocity = np.full((len(empty), n * R), MEAN_VELOCITY)
    notes = codec.add_velocities(empty, notes, mean_velocity, notes.part // R)
    return songs_from_bars(replace(empty, notes=notes), tempos, keys, signature)


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
