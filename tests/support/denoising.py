"""A tiny denoising model for tests."""

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
    "model.encode_offsets=true",
    "model.attention=true",
    "prior.kind=none",
)


def denoising_preset(*more: str) -> Preset:
    """Return a preset of a small denoising model of four voices, conditioned on corruption."""
    return load_preset("tiny").with_settings([*SETTINGS, *more])


def denoising_run(place: Path, steps: int = 150) -> Path:
    """Train on plain hymns under `place/checkpoints/denoiser`; return the model."""
    folder = corpus_folder(place / "midi", n=24, bars=8)
    target = place / "checkpoints" / "denoiser"
    return train(folder, denoising_preset(), target, steps=steps).model
