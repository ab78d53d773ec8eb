"""Floor 5: the variational autoencoder: encoder, latent, decoder, behind one small interface."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from musicvae.arrays import Ints
from musicvae.config.preset import Preset
from musicvae.data import Batch
from musicvae.networks.cell_decoder import CellDecoder, NoteNLL
from musicvae.networks.encoder import Encoder
from musicvae.networks.layers import Layout
from musicvae.networks.note_decoder import NoteDecoder
from musicvae.networks.recurrent_encoder import RecurrentEncoder
from musicvae.networks.roll_decoder import RollDecoder
from musicvae.networks.step_decoder import StepDecoder
from musicvae.representation.note_table import NoteTable

_DECODERS: dict[str, type[CellDecoder] | type[RollDecoder]] = {
    "cells": CellDecoder,
    "list": NoteDecoder,
    "flat": StepDecoder,
    "roll": RollDecoder,
}

_ENCODERS: dict[str, type[Encoder] | type[RecurrentEncoder]] = {
    "linear": Encoder,
    "recurrent": RecurrentEncoder,
}


class Posterior(NamedTuple):
    """A diagonal Gaussian over the latents of windows. `mu`, `sigma`: `(B, Z)`.

    Of an autoencoder without noise a point: `sigma` is 0.
    """

    mu: Tensor
    sigma: Tensor

    def sample(self, noise: Tensor) -> Tensor:
        """`z = mu + sigma * noise`, the reparametrisation of Kingma and Welling (2013)."""
        return self.mu + self.sigma * noise

    def kl(self) -> Tensor:
        """KL to the standard normal in nats, for each dimension. `(B, Z)`

        A point has none that is finite: it counts nothing, and 0 stands there.
        """
        variance, point = self.sigma**2, self.sigma == 0
        kl = 0.5 * (self.mu**2 + variance - 1 - variance.masked_fill(point, 1.0).log())
        return kl.masked_fill(point, 0.0)


class VAE(nn.Module):
    """A VAE on windows of bars. `Z = slices * latent`: a slice for each bar (or quarter, or one).

    Dimensions of bars that a window does not have are exactly 0 with sigma 1, at no cost.
    """

    def __init__(self, preset: Preset) -> None:
        super().__init__()
        self.preset = preset
        self.layout = Layout.of(preset)
        self.encoder = _ENCODERS[preset.model.encoder](preset)
        self.decoder = _DECODERS[preset.model.decoder](preset)

    @property
    def Z(self) -> int:  # noqa: N802 -- a shape letter
        """Size of the latent of one window."""
        return self.encoder.slices * self.preset.model.latent

    def encode(self, batch: Batch) -> Posterior:
        """The posterior of each window; of `ae` and `dae` the point that stands for it."""
        mu, logvar = self.encoder(batch)
        if self.preset.training.deterministic:
            return Posterior(mu.flatten(1), torch.zeros_like(mu).flatten(1))
        return Posterior(mu.flatten(1), (0.5 * logvar).exp().flatten(1))

    def loss(self, batch: Batch, z: Tensor) -> NoteNLL:
        """Negative log-likelihood of the windows' notes given `z`, in nats. Each `(B,)`."""
        return self.decoder.loss(self.latent_slices(z), batch)

    def decode(self, z: Tensor, frame: Batch, temperature: float = 0.0, seed: int = 0) -> Tensor:
        """Notes of windows from their latents `(B, Z)`, within the bars and parts of `frame`.

        At temperature 0 the likeliest notes. Returns `(M, 8)` int64 rows `(window, bar, position,
        part, pitch, duration, velocity, timing)`; pitches are normalised. Velocity is 0 (unknown)
        and timing 0 unless the preset models them.
        """
        generator = torch.Generator().manual_seed(seed)
        return self.decoder.decode(self.latent_slices(z), frame, temperature, generator)

    def decode_teacher_forced(self, z: Tensor, batch: Batch) -> Tensor:
        """Notes as rows like those of `decode`, the likeliest of each cell given the true notes
        before it; for a decoder that does not hear its notes the same as `decode`.
        """
        if isinstance(self.decoder, NoteDecoder):
            return self.decoder.decode_teacher_forced(self.latent_slices(z), batch)
        return self.decode(z, batch)

    def latent_slices(self, z: Tensor) -> Tensor:
        """Latents `(B, Z)` as decoders take them: `(B, slices, latent)`."""
        return z.reshape(len(z), self.encoder.slices, self.preset.model.latent)


def n_parameters(model: nn.Module) -> int:
    """Trainable numbers of a model."""
    return sum(p.numel() for p in model.parameters() if p.requires_grad)


def without_notes(batch: Batch) -> Batch:
    """The windows without their notes: what a decoder may know."""
    return batch._replace(notes=batch.notes[:, :0], n_notes=torch.zeros_like(batch.n_notes))


def keep_bars(batch: Batch, kept: Tensor) -> Batch:
    """The windows with those of their bars silent that are not `kept` `(B, N)`."""
    real = torch.arange(batch.notes.shape[1], device=kept.device) < batch.n_notes[:, None]
    real &= kept.gather(1, batch.notes[..., 0])
    rows = torch.cat([real.nonzero()[:, :1], batch.notes[real]], 1)
    return with_notes(batch._replace(present=batch.present & kept[..., None]), rows)


def to_note_rows(batch: Batch) -> NDArray[np.int64]:
    """A batch's notes as rows `(M, 8)`, as `VAE.decode` gives them; `with_notes` is the inverse."""
    notes, count = batch.notes.cpu(), batch.n_notes.cpu()
    real = torch.arange(notes.shape[1]) < count[:, None]
    window = real.nonzero()[:, :1]
    return torch.cat([window, notes[real]], 1).numpy()


def to_note_table(batch: Batch, preset: Preset, rows: Ints | None = None) -> NoteTable:
    """A batch's windows as a table, with their own notes or with `rows` `(M, 8)` instead.

    Neither songs nor tempos are known to a batch: each window is a song of its own, at the
    preset's usual tempo.
    """
    B = len(batch.steps)
    return NoteTable(
        rows=to_note_rows(batch) if rows is None else rows,
        steps=batch.steps.cpu().numpy(),
        lead_steps=batch.lead.cpu().numpy(),
        meter=batch.meter.cpu().numpy(),
        present=batch.present.cpu().numpy(),
        song=np.arange(B),
        qpm=np.full(B, preset.default_qpm),
        part_kinds=tuple(part.kind for part in preset.parts),
        steps_per_quarter=preset.grid.steps_per_quarter,
    )


def with_notes(frame: Batch, rows: Tensor) -> Batch:
    """The windows of `frame` with these notes, rows `(M, 8)` as `VAE.decode` gives them."""
    B, device = len(frame.steps), frame.steps.device
    rows = rows[rows[:, 0].argsort(stable=True)].to(device)
    count = torch.bincount(rows[:, 0], minlength=B)
    column = torch.arange(len(rows), device=device) - (count.cumsum(0) - count)[rows[:, 0]]
    notes = torch.zeros(
        B, max(int(count.max()), 1), rows.shape[1] - 1, dtype=torch.long, device=device
    )
    notes[rows[:, 0], column] = rows[:, 1:]
    return frame._replace(notes=notes, n_notes=count)
