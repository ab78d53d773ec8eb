"""Songs from latents alone, such as points found by another program."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from musicvae.data.batch import ModelInput, WindowBatcher
from musicvae.errors import ConfigError
from musicvae.latent.codec import Codec
from musicvae.representation.bars import Notes
from musicvae.representation.slots import ModelPass
from musicvae.representation.templates import choose_meter, empty_bars, songs_from_bars
from musicvae.song import Song

MEAN_VELOCITY = 74.0  # unless the model has velocity


def decode_latents(
    codec: Codec,
    z: ArrayLike,
    *,
    meter: str | None = None,
    key: int = 0,
    qpm: float | None = None,
    temperature: float = 0.0,
    seed: int = 0,
) -> list[Song]:
    """Decode raw latents into songs in which all parts of the preset may sound.

    Args:
        z: `(n, W, Z)` for n songs of W windows, or `(W, Z)` for one.
        meter: of all bars, such as `3/4`; by default the most frequent one of the training songs.
        key: semitones above C of the major scale, -6..5.
        qpm: tempo in quarters per minute; by default the preset's.
        temperature: 0 takes the most probable notes, above 0 they are sampled.
        seed: of the sampling.

    To decode latents in the place of a song's own use `decode(encoding, z=z)`.

    Raises `ConfigError` for latents of another shape, or that are not finite.
    """
    path = np.asarray(z)
    if path.dtype.kind not in "fiu" or path.ndim not in (2, 3):
        raise ConfigError(f"latents of shape {path.shape}: give numbers (windows, {codec.vae.Z})")
    path = path if path.ndim == 3 else path[None]
    n, W, Z = path.shape
    if codec.vae.Z != Z or not n or not W:
        raise ConfigError(f"latents of shape {path.shape}: {codec.preset.name} has {codec.vae.Z}")
    path = path.astype(np.float32)
    if not np.isfinite(path).all():
        raise ConfigError("latents contain NaN or inf")
    preset, R = codec.preset, len(codec.preset.parts)
    chosen_meter = choose_meter(preset, codec.provenance, meter)
    bars = empty_bars(preset, W * preset.grid.bars, chosen_meter, provenance=codec.provenance)
    one = ModelInput(
        bars=bars,
        model_pass=ModelPass(notes=Notes.concatenate([]), source_part=np.arange(R)),
        key=key,
        active=np.ones((len(bars), R), bool),
    )
    batcher = WindowBatcher([one] * n, preset)
    notes = codec.decode_notes(batcher, bars, path, temperature, seed)
    velocity = np.full((len(bars), n * R), MEAN_VELOCITY)
    notes = codec.add_velocities(bars, notes, velocity, notes.part // R)
    tempo = preset.default_qpm if qpm is None else qpm
    return songs_from_bars(replace(bars, notes=notes), [tempo] * n, np.full(n, key))
