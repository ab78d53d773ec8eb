"""PCA of the piano roll as a baseline for autoencoders."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from musicvae.config.preset import Preset, load_preset
from musicvae.data import Batch, WindowDataset
from musicvae.metrics.reconstruction import note_f1
from musicvae.networks.layers import QuarterPacking
from musicvae.networks.vae import VAE, to_note_rows, without_notes


class WindowSource(Protocol):
    """Windows for training, and a batch held out."""

    def windows(self, preset: Preset, split: str) -> WindowDataset: ...
    def held_out(self, vae: VAE, n: int) -> Batch: ...


class PcaCode:
    """Principal components of the onset and sustain planes, fitted on 8,192 windows."""

    def __init__(self, source: WindowSource, max_components: int) -> None:
        settings = ("model.decoder=roll", "model.loss=squared", "training.objective=ae")
        self.vae = VAE(load_preset("melody-2bar").with_settings(settings))
        windows = source.windows(self.vae.preset, "train")
        chosen = np.linspace(0, len(windows) - 1, 8192).astype(int)
        rolls = torch.cat([self._roll(windows.batch(part)) for part in np.split(chosen, 16)])
        self.used = rolls.any(0)
        rolls = rolls[:, self.used]
        self.mean = rolls.mean(0)
        torch.manual_seed(0)
        self.axes = torch.svd_lowrank(rolls - self.mean, q=max_components + 16, niter=3)[2]
        self.batch = source.held_out(self.vae, 1024)

    def _roll(self, batch: Batch) -> Tensor:
        packing = QuarterPacking.from_batch(batch, self.vae.layout)
        planes = self.vae.decoder.target_planes(batch, packing)  # (B, L*steps, R, 2, P)
        return packing.unpack(planes.reshape(len(planes), packing.index.shape[1], -1)).flatten(1)

    def f1(self, size: int) -> float:
        """Return the F1 of held-out windows reconstructed from `size` components."""
        axes, rolls = self.axes[:, :size], self._roll(self.batch)
        packing, frame = (
            QuarterPacking.from_batch(self.batch, self.vae.layout),
            without_notes(self.batch),
        )
        seen = rolls[:, self.used]
        rolls[:, self.used] = (seen - self.mean) @ axes @ axes.T + self.mean
        shape = (len(rolls), -1, self.vae.layout.n_parts, 2, self.vae.layout.n_pitches)
        logits = packing.pack(rolls.reshape(len(rolls), self.vae.layout.Q, -1)).reshape(shape)
        found = self.vae.decoder.planes_to_rows(logits, frame, packing, 0.0, torch.Generator())
        return note_f1(found.numpy(), to_note_rows(self.batch)).f1
