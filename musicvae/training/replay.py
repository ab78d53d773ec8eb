"""Floor 7: rehearsal. What a fine-tuned model must not forget, dreamt by the model it begins from.

A shipped checkpoint holds no songs, but it can draw some: windows from its prior, in the meters and
keys of the songs that it learned from. Learned from beside the new songs they keep what was known
(pseudo-rehearsal, Robins 1995), since on them encoder and decoder are asked for what they could do.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from musicvae.checkpoints import Checkpoint
from musicvae.data import Batch
from musicvae.data.batch import Source, WindowCutter
from musicvae.networks.priors import prior_of
from musicvae.networks.priors.conditioning import PathFrame
from musicvae.networks.vae import VAE, with_notes
from musicvae.representation.bars import Notes
from musicvae.representation.slots import Group
from musicvae.representation.templates import blank_bars, chosen_keys, chosen_meter
from musicvae.representation.windows import window_bounds

_BARS = 32  # of a dreamt song; a longer window has one song of its own
_BATCH = 256


@torch.no_grad()
def dreamt(checkpoint: Checkpoint, n: int, seed: int = 0) -> Batch | None:
    """At least `n` windows that a trained model draws; none if it has no prior.

    Meters, and keys, are as frequent as among the songs that it learned from.
    """
    preset, told = checkpoint.preset, checkpoint.provenance
    prior = prior_of(checkpoint.under("prior"))
    if prior is None:
        return None
    vae = VAE(preset)
    vae.load_state_dict(checkpoint.under("model"))
    vae.eval()
    rng, size = np.random.default_rng((seed, 3)), preset.grid.bars
    bars = max(_BARS // size, 1) * size
    first, _ = window_bounds(bars, size, size)
    pieces = []
    for meter, songs in _shares(told, -(-n // len(first)), rng).items():
        blank = blank_bars(preset, bars, chosen_meter(preset, told, meter))
        group = Group(notes=Notes.concatenate([]), owner=np.arange(len(preset.parts)))
        sounding = np.ones((bars, len(preset.parts)), bool)
        keys = chosen_keys(told, None, songs, rng).tolist()
        cutter = WindowCutter(
            [Source(bars=blank, group=group, key=key, active=sounding) for key in keys], preset
        )
        W = len(first)
        source, begin = np.repeat(np.arange(songs), W), np.tile(first, songs)
        frame = PathFrame.of(cutter.batch(source, begin), begin, np.full(songs * W, bars))
        z = prior.sample(frame.reshape(songs, W), rng=rng).reshape(songs * W, -1)
        for i in range(0, len(z), _BATCH):
            some = slice(i, i + _BATCH)
            batch = cutter.batch(source[some], begin[some])
            pieces.append(with_notes(batch, vae.decode(torch.from_numpy(z[some]), batch)))
    return _together(pieces)


def _shares(told: dict[str, Any], n: int, rng: np.random.Generator) -> dict[str | None, int]:
    """How many of `n` songs are in which meter; none stands for the usual one."""
    usual: dict[str, int] = told.get("meters", {})
    if not usual:
        return {None: n}
    counts = np.array(list(usual.values()), float)
    drawn = rng.multinomial(n, counts / counts.sum()).tolist()
    return {meter: songs for meter, songs in zip(usual, drawn, strict=True) if songs}


def mixed(batch: Batch, dreams: Batch, into: Tensor, which: Tensor) -> Batch:
    """The batch with the dreams at `which` `(k,)` instead of its windows at `into` `(k,)`."""
    K = max(batch.notes.shape[1], dreams.notes.shape[1])
    together = []
    for own, dream in zip(batch, dreams, strict=True):
        if own.ndim == dreams.notes.ndim and own is batch.notes:
            own, dream = _wide(own, K), _wide(dream, K)
        whole = own.clone()
        whole[into] = dream[which].to(whole.dtype)
        together.append(whole)
    return Batch(*together)


def _wide(notes: Tensor, K: int) -> Tensor:
    return torch.nn.functional.pad(notes, (0, 0, 0, K - notes.shape[1]))


def _together(batches: list[Batch]) -> Batch:
    K = max(batch.notes.shape[1] for batch in batches)
    wide = [batch._replace(notes=_wide(batch.notes, K)) for batch in batches]
    return Batch(*(torch.cat(tensors) for tensors in zip(*wide, strict=True)))
