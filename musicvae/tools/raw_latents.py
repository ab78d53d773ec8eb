"""Songs from latents alone, such as points found by another program."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from musicvae.data.batch import ModelInput, WindowBatcher
from musicvae.errors import ConfigError
from musicvae.latent.codec import Codec
from musicvae.representation.templates import choose_meter, empty_bars
from musicvae.song import Song
from musicvae.tools.sample import songs_from_notes


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
    preset = codec.preset
    chosen_meter = choose_meter(preset, codec.provenance, meter)
    bars = empty_bars(preset, W * preset.grid.bars, chosen_meter, provenance=codec.provenance)
    one = ModelInput.without_notes(bars, len(preset.parts), key)
    batcher = WindowBatcher([one] * n, preset)
    notes = codec.decode_notes(batcher, bars, path, temperature, seed)
    tempo = preset.default_qpm if qpm is None else qpm
    return songs_from_notes(codec, bars, notes, [tempo] * n, np.full(n, key))
