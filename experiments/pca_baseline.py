"""The line to beat: principal components of the roll, for `experiments/autoencoders.py`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from musicvae.config.preset import load_preset
from musicvae.data import Batch
from musicvae.metrics.reconstruction import note_f1
from musicvae.networks.layers import Packing
from musicvae.networks.vae import VAE, frame_of, rows_of

if TYPE_CHECKING:
    from autoencoders import Lab


class LinearCode:
    """Principal components of the two planes of a window, learned from 8,192 of them."""

    def __init__(self, lab: Lab, most: int) -> None:
        settings = ("model.decoder=roll", "model.loss=squared", "training.objective=ae")
        self.vae = VAE(load_preset("melody-2bar").with_settings(settings))
        windows = lab.windows(self.vae.preset, "train")
        chosen = np.linspace(0, len(windows) - 1, 8192).astype(int)
        rolls = torch.cat([self._roll(windows.batch(part)) for part in np.split(chosen, 16)])
        self.used = rolls.any(0)
        rolls = rolls[:, self.used]
        self.mean = rolls.mean(0)
        torch.manual_seed(0)
        self.axes = torch.svd_lowrank(rolls - self.mean, q=most + 16, niter=3)[2]
        self.batch = lab.held_out(self.vae, 1024)

    def _roll(self, batch: Batch) -> Tensor:
        packing = Packing.of(batch, self.vae.layout)
        planes = self.vae.decoder.target(batch, packing)  # (B, L*steps, R, 2, P)
        return packing.unpack(planes.reshape(len(planes), packing.index.shape[1], -1)).flatten(1)

    def f1(self, size: int) -> float:
        """F1 of held-out windows from `size` numbers a window."""
        axes, rolls = self.axes[:, :size], self._roll(self.batch)
        packing, frame = Packing.of(self.batch, self.vae.layout), frame_of(self.batch)
        seen = rolls[:, self.used]
        rolls[:, self.used] = (seen - self.mean) @ axes @ axes.T + self.mean
        shape = (len(rolls), -1, self.vae.layout.parts, 2, self.vae.layout.pitches)
        said = packing.pack(rolls.reshape(len(rolls), self.vae.layout.Q, -1)).reshape(shape)
        found = self.vae.decoder.notes(said, frame, packing, 0.0, torch.Generator())
        return note_f1(found.numpy(), rows_of(self.batch)).f1


# -- noise ----------------------------------------------------------------------------------------
