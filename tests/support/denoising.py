"""A tiny model that learned to mend, made once for the tests of what it is used for."""

from __future__ import annotations

from pathlib import Path

from musicvae.config.preset import Preset, load_preset
from musicvae.training import train
from support.songs import corpus_folder

SETTINGS = (
    "training.objective=dae",
    "training.corruption=mixed",
    "training.batch=32",
    "model.width=64",
    "model.slices=quarter",
    "model.ends=true",
    "model.attention=true",
    "prior.kind=none",
)


def mending_preset(*more: str) -> Preset:
    """Four voices in a model small enough for tests, told what is wrong with what it hears."""
    return load_preset("tiny").with_settings([*SETTINGS, *more])


def mending_run(place: Path, steps: int = 150) -> Path:
    """A run on plain hymns under `place/checkpoints/mender`; returns its model."""
    folder = corpus_folder(place / "midi", n=24, bars=8)
    target = place / "checkpoints" / "mender"
    return train(folder, mending_preset(), target, steps=steps).model
