"""Generative replay against forgetting: windows sampled from the base model of a fine-tuning.

A shipped checkpoint holds no songs, but it can sample windows from its prior, in the meters and
keys of its training songs. Mixed into the batches of new songs they preserve what the model could
encode and decode (pseudo-rehearsal, Robins 1995).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from musicvae.checkpoints import Checkpoint
from musicvae.data import Batch
from musicvae.data.batch import ModelInput, WindowBatcher
from musicvae.networks.priors import load_prior
from musicvae.networks.priors.conditioning import PathConditioning
from musicvae.networks.vae import with_notes
from musicvae.networks.weights import load_vae
from musicvae.representation.templates import choose_keys, choose_meter, empty_bars
from musicvae.representation.windows import window_bounds

SONG_BARS = 32  # length of a sampled song, a whole number of windows
BATCH_SIZE = 256


@torch.no_grad()
def generate_replay(checkpoint: Checkpoint, n: int, seed: int = 0) -> Batch | None:
    """Sample at least `n` windows from a trained model; None if it has no prior.

    Meters and keys are as frequent as in its training songs.
    """
    preset, provenance = checkpoint.preset, checkpoint.provenance
    prior = load_prior(checkpoint.tensors_under("prior"))
    if prior is None:
        return None
    vae = load_vae(preset, checkpoint.tensors_under("model"))
    rng, size = np.random.default_rng((seed, 3)), preset.grid.bars
    bars = max(SONG_BARS // size, 1) * size
    first, _ = window_bounds(bars, size, size)
    pieces = []
    for meter, songs in _songs_per_meter(provenance, -(-n // len(first)), rng).items():
        bars_of_song = empty_bars(preset, bars, choose_meter(preset, provenance, meter))
        inputs = [
            ModelInput.without_notes(bars_of_song, len(preset.parts), key)
            for key in choose_keys(provenance, None, songs, rng).tolist()
        ]
        batcher, W = WindowBatcher(inputs, preset), len(first)
        song, bar = np.repeat(np.arange(songs), W), np.tile(first, songs)
        conditioning = PathConditioning.from_batch(
            batcher.batch(song, bar), bar, np.full(songs * W, bars)
        )
        z = prior.sample(conditioning.reshape(songs, W), rng=rng).reshape(songs * W, -1)
        for begin in range(0, len(z), BATCH_SIZE):
            part = slice(begin, begin + BATCH_SIZE)
            batch = batcher.batch(song[part], bar[part])
            pieces.append(with_notes(batch, vae.decode(torch.from_numpy(z[part]), batch)))
    return _concatenate_batches(pieces)


def _songs_per_meter(
    provenance: dict[str, Any], n: int, rng: np.random.Generator
) -> dict[str | None, int]:
    """Distribute `n` songs over meters; None is the preset's default meter."""
    histogram: dict[str, int] = provenance.get("meters", {})
    if not histogram:
        return {None: n}
    counts = np.array(list(histogram.values()), float)
    drawn = rng.multinomial(n, counts / counts.sum()).tolist()
    return {meter: songs for meter, songs in zip(histogram, drawn, strict=True) if songs}


def replace_windows(batch: Batch, replay: Batch, into: Tensor, which: Tensor) -> Batch:
    """Replace the windows of `batch` at `into` `(k,)` by those of `replay` at `which` `(k,)`."""
    K = max(batch.notes.shape[1], replay.notes.shape[1])
    columns = []
    for old, new in zip(batch, replay, strict=True):
        if old is batch.notes:
            old, new = _pad_notes(old, K), _pad_notes(new, K)
        column = old.clone()
        column[into] = new[which].to(column.dtype)
        columns.append(column)
    return Batch(*columns)


def _pad_notes(notes: Tensor, K: int) -> Tensor:
    return torch.nn.functional.pad(notes, (0, 0, 0, K - notes.shape[1]))


def _concatenate_batches(batches: list[Batch]) -> Batch:
    K = max(batch.notes.shape[1] for batch in batches)
    padded = [batch._replace(notes=_pad_notes(batch.notes, K)) for batch in batches]
    return Batch(*(torch.cat(tensors) for tensors in zip(*padded, strict=True)))
