"""Recurrent encoder: convolutions inside the bar, then a bidirectional GRU over quarters.

Each step is the sum of embeddings of the notes that start in it (with their expression, if the
preset models it) and of those that sound on. The second convolution has a stride of one quarter
(Schuster and Paliwal 1997; Cho et al. 2014).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from musicvae.config.preset import Preset
from musicvae.data import Batch
from musicvae.networks.encoder import SliceEncoder
from musicvae.networks.layers import ConditionEmbedding, Layout, NoteIndex, QuarterPacking


class RecurrentEncoder(SliceEncoder):
    """Encoder by convolutions over steps and a recurrence over quarters."""

    def __init__(self, preset: Preset) -> None:
        super().__init__()
        config, self.layout = preset.model, Layout.from_preset(preset)
        layout, width = self.layout, 2 * (config.width // 2)
        self.onset = nn.Embedding(layout.n_parts * layout.n_pitches, width)
        self.sounding = nn.Embedding(layout.n_parts * layout.n_pitches, width)
        self.duration = nn.Embedding(layout.max_duration_steps + 1, width)
        self.active_features: Tensor
        active = torch.tensor([config.velocity, config.microtiming])
        self.register_buffer("active_features", active, persistent=False)
        self.models_expression = config.velocity or config.microtiming
        if self.models_expression:
            self.touch = nn.Embedding(layout.n_parts * layout.n_pitches, 2 * width)
            nn.init.normal_(self.touch.weight, std=0.1)
        for table in (self.onset, self.sounding, self.duration):
            nn.init.normal_(table.weight, std=0.3)
        steps = layout.steps_per_quarter
        self.near = nn.Conv1d(width, width, config.kernel, padding=config.kernel // 2)
        self.quarter = nn.Conv1d(width, width, steps, stride=steps)
        self.conditions = ConditionEmbedding(preset, width)
        self.recurrence = nn.GRU(
            width, width // 2, config.blocks, batch_first=True, bidirectional=True
        )
        self.dropout = nn.Dropout(config.dropout)
        self.build_head(preset)

    def forward(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return `mu` and `logvar` of windows, each `(B, slices, latent)`; 0 in absent slices."""
        layout, packing = self.layout, QuarterPacking.from_batch(batch, self.layout)
        x = self._step_embeddings(batch)
        x = x.reshape(-1, layout.max_bar_steps, self.onset.embedding_dim)
        x = x.transpose(1, 2)  # (B, N * T, width) -> (B * N, width, T)
        x = self.quarter(F.silu(x + self.near(x))).transpose(1, 2)  # (B * N, quarters, width)
        x = F.silu(x).reshape(len(batch.notes), layout.Q, -1)
        x = packing.pack(x + self.conditions(batch))
        length = packing.valid.sum(1).cpu()
        sequence = pack_padded_sequence(x, length, batch_first=True, enforce_sorted=False)
        x, _ = pad_packed_sequence(self.recurrence(sequence)[0], batch_first=True)
        return self.posterior(packing.unpack(self.dropout(x)), batch)

    def _step_embeddings(self, batch: Batch) -> Tensor:
        """Return the embedding of notes that start or sound on in each step. `(B, N * T, width)`"""
        layout, notes = self.layout, NoteIndex.from_batch(batch, self.layout)
        part_pitch = notes.part * layout.n_pitches + notes.pitch
        onsets = notes.valid & ~notes.is_carry_in
        note = self.onset(part_pitch) + self.duration(notes.duration)
        if self.models_expression:
            table = self.touch(part_pitch).unflatten(-1, (2, -1))  # (B, K, 2, width)
            note = note + ((notes.expression * self.active_features)[..., None] * table).sum(-2)
        note = note * onsets[..., None]
        offsets = layout.cell_offsets(batch)  # (B, N * T)
        x = note.new_zeros(*offsets.shape, note.shape[-1])
        x = x.scatter_add(1, notes.step[..., None].expand_as(note), note)
        start = offsets.gather(1, notes.step)[:, None]  # (B, 1, K)
        offsets, end = offsets[..., None], start + notes.duration[:, None]  # (B, T, 1)
        begun = torch.where(notes.is_carry_in[:, None], start <= offsets, start < offsets)
        sounding = begun & (offsets < end) & notes.valid[:, None]
        x = x + sounding.to(note.dtype) @ self.sounding(part_pitch)
        return x * layout.unmasked_steps(batch).flatten(1)[..., None]
