"""The variational autoencoder: encoder, latent and decoder behind one interface."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from musicvae.arrays import Ints
from musicvae.config.plugins import plugin
from musicvae.config.preset import Preset
from musicvae.data import Batch
from musicvae.networks.cell_decoder import CellDecoder, NoteNLL
from musicvae.networks.encoder import Encoder
from musicvae.networks.layers import Layout, latent_size
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

    For a deterministic autoencoder a point: `sigma` is 0.
    """

    mu: Tensor
    sigma: Tensor

    def sample(self, noise: Tensor) -> Tensor:
        """Return `z = mu + sigma * noise`, the reparameterization of Kingma and Welling (2013)."""
        return self.mu + self.sigma * noise

    def kl(self) -> Tensor:
        """Return the KL divergence to the standard normal in nats, for each dimension. `(B, Z)`

        0 for a point, whose KL is infinite and which is not regularized.
        """
        variance, point = self.sigma**2, self.sigma == 0
        kl = 0.5 * (self.mu**2 + variance - 1 - variance.masked_fill(point, 1.0).log())
        return kl.masked_fill(point, 0.0)


class VAE(nn.Module):
    """A VAE on windows of bars. `Z = slices * latent`: a slice for each bar (or quarter, or one).

    Dimensions of bars that a window lacks have mean 0 and sigma 1 exactly, hence no KL.
    """

    def __init__(self, preset: Preset) -> None:
        super().__init__()
        self.preset = preset
        self.layout = Layout.from_preset(preset)
        config = preset.model
        make_encoder = _ENCODERS.get(config.encoder) or plugin("encoder", config.encoder)
        make_decoder = _DECODERS.get(config.decoder) or plugin("decoder", config.decoder)
        self.encoder = make_encoder(preset)
        self.decoder = make_decoder(preset)

    @property
    def Z(self) -> int:  # noqa: N802 -- a shape letter
        """Size of the latent of one window."""
        return latent_size(self.preset)

    def encode(self, batch: Batch) -> Posterior:
        """Return the posterior of each window; a point for objectives `ae` and `dae`."""
        mu, logvar = self.encoder(batch)
        if self.preset.training.deterministic:
            return Posterior(mu.flatten(1), torch.zeros_like(mu).flatten(1))
        return Posterior(mu.flatten(1), (0.5 * logvar).exp().flatten(1))

    def loss(self, batch: Batch, z: Tensor) -> NoteNLL:
        """Return the negative log-likelihood of the windows' notes given `z`, in nats."""
        return self.decoder.loss(self.latent_slices(z), batch)

    def decode(self, z: Tensor, context: Batch, temperature: float = 0.0, seed: int = 0) -> Tensor:
        """Return notes of windows decoded from their latents.

        Args:
            z: latents. `(B, Z)`
            context: the windows' bars, keys and active parts; its notes are not read.
            temperature: 0 for the likeliest notes, else a sample.
            seed: of that sample.

        Returns `(M, 8)` int64 rows `(window, bar, position, part, pitch, duration, velocity,
        timing)`; pitches are normalized by key. Velocity is 0 (unknown) and timing 0 unless the
        preset models them.
        """
        generator = torch.Generator().manual_seed(seed)
        return self.decoder.decode(self.latent_slices(z), context, temperature, generator)

    def decode_teacher_forced(self, z: Tensor, batch: Batch) -> Tensor:
        """Return the likeliest notes of each cell given the true notes before it, as rows `(M, 8)`.

        For a decoder that is not autoregressive the same as `decode`.
        """
        if isinstance(self.decoder, NoteDecoder):
            return self.decoder.decode_teacher_forced(self.latent_slices(z), batch)
        return self.decode(z, batch)

    def latent_slices(self, z: Tensor) -> Tensor:
        """Return latents `(B, Z)` as decoders take them: `(B, slices, latent)`."""
        return z.reshape(len(z), self.encoder.n_slices, self.preset.model.latent)


def n_parameters(model: nn.Module) -> int:
    """Return the number of trainable parameters of a model."""
    return sum(p.numel() for p in model.parameters() if p.requires_grad)


def without_notes(batch: Batch) -> Batch:
    """Return the windows without their notes: what a decoder is conditioned on."""
    return batch._replace(notes=batch.notes[:, :0], n_notes=torch.zeros_like(batch.n_notes))


def keep_bars(batch: Batch, keep: Tensor) -> Batch:
    """Return the windows with all bars silenced but those in the mask `keep` `(B, N)`."""
    real = torch.arange(batch.notes.shape[1], device=keep.device) < batch.n_notes[:, None]
    real &= keep.gather(1, batch.notes[..., 0])
    rows = torch.cat([real.nonzero()[:, :1], batch.notes[real]], 1)
    return with_notes(batch._replace(present=batch.present & keep[..., None]), rows)


def to_note_rows(batch: Batch) -> Ints:
    """Return a batch's notes as rows `(M, 8)`, as from `VAE.decode`; inverts `with_notes`."""
    notes, count = batch.notes.cpu(), batch.n_notes.cpu()
    real = torch.arange(notes.shape[1]) < count[:, None]
    window = real.nonzero()[:, :1]
    return torch.cat([window, notes[real]], 1).numpy()


def to_note_table(batch: Batch, preset: Preset, rows: Ints | None = None) -> NoteTable:
    """Return a batch's windows as a table, with their own notes or with `rows` `(M, 8)` instead.

    A batch has neither songs nor tempos: each window counts as a song of its own, at the preset's
    default tempo.
    """
    B = len(batch.steps)
    return NoteTable(
        rows=to_note_rows(batch) if rows is None else rows,
        steps=batch.steps.cpu().numpy(),
        lead_steps=batch.lead_steps.cpu().numpy(),
        meter=batch.meter.cpu().numpy(),
        present=batch.present.cpu().numpy(),
        song=np.arange(B),
        qpm=np.full(B, preset.default_qpm),
        part_kinds=tuple(part.kind for part in preset.parts),
        steps_per_quarter=preset.grid.steps_per_quarter,
    )


def with_notes(context: Batch, rows: Tensor) -> Batch:
    """Return the windows of `context` with the notes in `rows` `(M, 8)`, as from `VAE.decode`."""
    B, device = len(context.steps), context.steps.device
    rows = rows[rows[:, 0].argsort(stable=True)].to(device)
    count = torch.bincount(rows[:, 0], minlength=B)
    column = torch.arange(len(rows), device=device) - (count.cumsum(0) - count)[rows[:, 0]]
    notes = torch.zeros(
        B, max(int(count.max()), 1), rows.shape[1] - 1, dtype=torch.long, device=device
    )
    notes[rows[:, 0], column] = rows[:, 1:]
    return context._replace(notes=notes, n_notes=count)
