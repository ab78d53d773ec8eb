"""Floor 8: new songs from the prior over paths of latents."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np

from musicvae.attributes.form import by_window, section_labels
from musicvae.data.batch import Source, WindowCutter
from musicvae.errors import ConfigError
from musicvae.latent.codec import Coder
from musicvae.networks.priors.flow import FlowPrior
from musicvae.representation.bars import Notes
from musicvae.representation.slots import Group
from musicvae.representation.templates import (
    blank_bars,
    chosen_keys,
    chosen_meter,
    chosen_pickup,
    chosen_tempos,
    songs_of,
)
from musicvae.song import Ints, Song

_LEVEL = 74.0  # mean velocity of sampled songs


def sample(
    coder: Coder,
    n: int,
    *,
    bars: int,
    temperature: float,
    qpm: float | None,
    key: int | None,
    meter: str | None,
    settle: int,
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
    rng, preset = np.random.default_rng(seed), coder.preset
    chosen = chosen_meter(preset, coder.provenance, meter)
    keys = chosen_keys(coder.provenance, key, n, rng)
    paces = chosen_tempos(preset, coder.provenance, qpm, n, rng)
    before = chosen_pickup(coder.provenance, pickup, chosen, bars)
    blank, R = blank_bars(preset, bars, chosen, pickup=before), len(preset.parts)
    group = Group(notes=Notes.concatenate([]), owner=np.arange(R))
    everywhere = np.ones((len(blank), R), bool)
    sources = [Source(bars=blank, group=group, key=key, active=everywhere) for key in keys.tolist()]
    cutter = WindowCutter(sources, preset)
    tied = _tied(coder, n, bars, form, bool(before), rng)
    z = coder.paths(cutter, np.arange(n), temperature, rng, tied=tied)
    notes = coder.notes(cutter, blank, z, settle=settle)
    levels = np.full((len(blank), n * R), _LEVEL)
    loud = coder.played(blank, notes, levels, notes.part // R)
    return songs_of(replace(blank, notes=loud), paces, keys)


def _tied(
    coder: Coder, n: int, bars: int, form: str | None, pickup: bool, rng: np.random.Generator
) -> Ints:
    """Labels of bars that are to be alike, in windows `(n, W, N)`: as the form says, else as songs
    have them that the model learned from. A pickup comes before them and is like no other bar.
    """
    if form is not None:
        label = np.tile(section_labels(form, bars), (n, 1))
    elif isinstance(coder.prior, FlowPrior):
        label = coder.prior.songs_forms(n, bars, rng)
    else:
        label = np.tile(np.arange(bars), (n, 1))
    if pickup:
        label[:, -1] = bars - 1  # a pickup shorter than the bar that it is like
        label = np.pad(label + 1, ((0, 0), (1, 0)))
    return by_window(label, coder.preset.grid.bars)
