"""Small networks for tests."""

from __future__ import annotations

from musicvae.config.preset import Preset, load_preset
from musicvae.data import Batch
from musicvae.data.batch import WindowBatcher, model_inputs
from musicvae.representation.bars import Bars
from musicvae.song import Song


def tiny_preset(decoder: str = "cells", slices: str = "bar", *settings: str) -> Preset:
    """Return the preset `tiny` with another decoder, slices and settings."""
    chosen = [f"model.decoder={decoder}", f"model.slices={slices}", *settings]
    return load_preset("tiny").with_settings(chosen)


def make_batch(preset: Preset, *songs: Song) -> Batch:
    """Return all windows of some songs as one batch."""
    sources = [s for song in songs for s in model_inputs(Bars.from_song(song), preset)[0]]
    cutter = WindowBatcher(sources, preset)
    source, first, _ = cutter.window_starts(1)
    return cutter.batch(source, first)
