"""Floor 8: new songs from the prior over paths of latents."""

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
from musicvae.representation.slots import ModelPass
from musicvae.representation.templates import (
    empty_bars,
    choose_keys,
    choose_meter,
    choose_pickup,
    choose_tempos,
    songs_from_bars,
)
from musicvae.song import Song

_LEVEL = 74.0  # mean velocity of sampled songs


def sample(
    codec: Codec,
    n: int,
    *,
    bars: int,
    temperature: float,
    qpm: float | None,
    key: int | None,
    meter: str | None,
    refine_steps: int,
    seed: int,
    form: str | None = None,
    pickup: str | None = None,
) -> list[Song]:
    """`MusicVAE.sample`."""
    if form is not None and not re.fullmatch("[A-Za-z]+", form):
        raise ConfigError(f"form {form!r}: give letters, one a section, such as AABA")
    if form is not None and bars < len(form):
        raise ConfigError(f"form {form}: {bars} bars are too few for {len(form)} sections")
    if n < 1 or bars < 1:
        raise ConfigError("sample needs at least one song of at least one bar")
    rng, preset = np.random.default_rng(seed), codec.preset
    chosen = choose_meter(preset, codec.provenance, meter)
    keys = choose_keys(codec.provenance, key, n, rng)
    paces = choose_tempos(preset, codec.provenance, qpm, n, rng)
    before = choose_pickup(codec.provenance, pickup, chosen, bars)
    blank, R = empty_bars(preset, bars, chosen, pickup=before), len(preset.parts)
    group = ModelPass(notes=Notes.concatenate([]), owner=np.arange(R))
    everywhere = np.ones((len(blank), R), bool)
    sources = [ModelInput(bars=blank, group=group, key=key, active=everywhere) for key in keys.tolist()]
    cutter = WindowBatcher(sources, preset)
    tied = _tied(codec, n, bars, form, bool(before), rng)
    z = codec.sample_latents(cutter, np.arange(n), temperature, rng, tied=tied)
    notes = codec.decode_notes(cutter, blank, z, refine_steps=refine_steps)
    levels = np.full((len(blank), n * R), _LEVEL)
    loud = codec.add_velocities(blank, notes, levels, notes.part // R)
    return songs_from_bars(replace(blank, notes=loud), paces, keys)


def _tied(
    codec: Codec, n: int, bars: int, form: str | None, pickup: bool, rng: np.random.Generator
) -> Ints:
    """Labels of bars that are to be alike, in windows `(n, W, N)`: as the form says, else as songs
    have them that the model learned from. A pickup comes before them and is like no other bar.
    """
    if form is not None:
        label = np.tile(section_labels(form, bars), (n, 1))
    elif isinstance(codec.prior, FlowPrior):
        label = codec.prior.sample_forms(n, bars, rng)
    else:
        label = np.tile(np.arange(bars), (n, 1))
    if pickup:
        label[:, -1] = bars - 1  # a pickup shorter than the bar that it is like
        label = np.pad(label + 1, ((0, 0), (1, 0)))
    return labels_by_window(label, codec.preset.grid.bars)
