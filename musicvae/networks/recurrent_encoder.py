"""Floor 5: the recurrent encoder, an alternative to the linear one.

Each step is the sum of embeddings of what starts in it, how it is played if the preset has that,
and what sounds on. Convolutions inside the bar, the second with a stride of a quarter; then a
recurrence in both directions over the window's quarters (Schuster and Paliwal 1997; Cho et al.
2014).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from musicvae.config.preset import Preset
from musicvae.data import Batch
from musicvae.networks.encoder import SliceEncoder
from musicvae.networks.layers import Conditions, Layout, NoteIndex, QuarterPacking


class RecurrentEncoder(SliceEncoder):
    """`Batch` -> `mu`, `logvar`, each `(B, slices, latent)`; 0 in slices that are not there."""

    def __init__(self, preset: Preset) -> None:
        super().__init__()
        config, self.layout = preset.model, Layout.of(preset)
        lay, width = self.layout, 2 * (config.width // 2)
        self.onset = nn.Embedding(lay.parts * lay.pitches, width)
        self.sounding = nn.Embedding(lay.parts * lay.pitches, width)
        self.duration = nn.Embedding(lay.longest + 1, width)
        self.told: Tensor
        told = torch.tensor([config.velocity, config.microtiming])
        self.register_buffer("told", told, persistent=False)
        self.touched = bool(told.any())
        if self.touched:
            self.touch = nn.Embedding(lay.parts * lay.pitches, 2 * width)
            nn.init.normal_(self.touch.weight, std=0.1)
        for table in (self.onset, self.sounding, self.duration):
            nn.init.normal_(table.weight, std=0.3)
        self.near = nn.Conv1d(width, width, config.kernel, padding=config.kernel // 2)
        self.quarter = nn.Conv1d(width, width, lay.steps, stride=lay.steps)
        self.conditions = Conditions(preset, width)
        self.recurrence = nn.GRU(
            width, width // 2, config.blocks, batch_first=True, bidirectional=True
        )
        self.dropout = nn.Dropout(config.dropout)
        self.end(preset)

    def forward(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Encode windows."""
        lay, packing = self.layout, QuarterPacking.of(batch, self.layout)
        x = self._steps(batch).reshape(-1, lay.max_steps, self.onset.embedding_dim)
        x = x.transpose(1, 2)  # (B, N * T, width) -> (B * N, width, T)
        x = self.quarter(F.silu(x + self.near(x))).transpose(1, 2)  # (B * N, quarters, width)
        x = F.silu(x).reshape(len(batch.notes), lay.Q, -1)
        x = packing.pack(x + self.conditions(batch))
        length = packing.real.sum(1).cpu()
        line = pack_padded_sequence(x, length, batch_first=True, enforce_sorted=False)
        x, _ = pad_packed_sequence(self.recurrence(line)[0], batch_first=True)
        return self.posterior(packing.unpack(self.dropout(x)), batch)

    def _steps(self, batch: Batch) -> Tensor:
        """What starts and what sounds on in each step. `(B, N * T, width)`"""
        lay, at = self.layout, NoteIndex.of(batch, self.layout)
        line = at.part * lay.pitches + at.pitch
        starts = at.real & ~at.carry
        note = self.onset(line) + self.duration(at.duration)
        if self.touched:
            table = self.touch(line).unflatten(-1, (2, -1))  # (B, K, 2, width)
            note = note + ((at.touch * self.told)[..., None] * table).sum(-2)
        note = note * starts[..., None]
        cells = lay.line(batch)  # (B, N * T)
        x = note.new_zeros(*cells.shape, note.shape[-1])
        x = x.scatter_add(1, at.cell[..., None].expand_as(note), note)
        begin, cells = cells.gather(1, at.cell)[:, None], cells[..., None]  # (B, 1, K), (B, T, 1)
        after = torch.where(at.carry[:, None], begin <= cells, begin < cells)
        on = after & (cells < begin + at.duration[:, None]) & at.real[:, None]
        x = x + on.to(note.dtype) @ self.sounding(line)
        return x * lay.open_steps(batch).flatten(1)[..., None]
