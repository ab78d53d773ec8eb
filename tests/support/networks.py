"""Small networks for tests."""

from __future__ import annotations

from musicvae.config.preset import Preset, load_preset
from musicvae.data import Batch
from musicvae.data.batch import WindowCutter, sources_of
from musicvae.representation.bars import Bars


def tiny(decoder: str = "cells", slices: str = "bar", *settings: str) -> Preset:
    chosen = [f"model.decoder={decoder}", f"model.slices={slices}", *settings]
    return load_preset("tiny").with_settings(chosen)


def batch_of(preset: Preset, *songs) -> Batch:
    sources = [s for song in songs for s in sources_of(Bars.from_song(song), preset)[0]]
    cutter = WindowCutter(sources, preset)
    source, first, _ = cutter.windows(1)
    return cutter.batch(source, first)
