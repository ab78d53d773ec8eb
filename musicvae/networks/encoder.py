"""Default encoder: notes -> mean and log-variance of a latent slice for each bar or quarter.

Each quarter is embedded by linear maps of its onset roll, of the notes still sounding as it begins,
and of durations (also of velocities and microtiming, where the preset has them), computed as sums
of embeddings without building the roll. Residual convolutions over quarters follow. All quarters
share their weights, so a few thousand windows are enough to train them.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from musicvae.config.preset import Preset
from musicvae.data import Batch
from musicvae.networks.layers import (
    ConditionEmbedding,
    Layout,
    NoteIndex,
    QuarterPacking,
    build_blocks,
    embedding_sum,
    run_blocks,
    weighted_embedding_sum,
)

INITIAL_LOGVAR = -3.0  # training begins with a narrow posterior
MIN_LOGVAR, MAX_LOGVAR = -9, 1


class SliceEncoder(nn.Module):
    """Base of encoders: quarters `(B, Q, width)` to the posterior of each slice."""

    layout: Layout
    n_slices: int

    def build_head(self, preset: Preset) -> None:
        """Create the output layer. Called last, so that a seed gives the same initial weights."""
        config = preset.model
        self.n_slices = self.layout.n_slices(config)
        self.out = nn.Linear(config.width * (self.layout.Q // self.n_slices), 2 * config.latent)
        nn.init.normal_(self.out.weight, std=0.02)
        with torch.no_grad():
            self.out.bias[config.latent :] = INITIAL_LOGVAR

    def posterior(self, x: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return `mu` and `logvar`, each `(B, slices, latent)`; 0 in slices without a bar."""
        x = x.reshape(len(x), self.n_slices, -1)
        mu, logvar = self.out(x).float().chunk(2, -1)  # the KL is computed in float32
        mask = self.layout.unmasked_steps(batch).reshape(len(x), self.n_slices, -1)
        mask = mask.any(-1, keepdim=True)
        return mu * mask, logvar.clamp(MIN_LOGVAR, MAX_LOGVAR) * mask


class Encoder(SliceEncoder):
    """Encoder by sums of embeddings and convolutions over quarters."""

    def __init__(self, preset: Preset) -> None:
        super().__init__()
        config, self.layout = preset.model, Layout.from_preset(preset)
        layout, width = self.layout, config.width
        cells = layout.steps_per_quarter * layout.n_parts
        self.onset = nn.Embedding((cells + layout.n_parts) * layout.n_pitches, width)
        self.duration = nn.Embedding(layout.max_duration_steps + 1, width)
        self.sounding = nn.Embedding(layout.n_parts * layout.n_pitches, width)
        self.models_expression = config.velocity or config.microtiming
        self.active_features: Tensor
        active = torch.tensor([config.velocity, config.microtiming])
        self.register_buffer("active_features", active, persistent=False)
        if self.models_expression:
            self.touch = nn.Embedding((cells + layout.n_parts) * layout.n_pitches, 2 * width)
            nn.init.normal_(self.touch.weight, std=0.1)
        for table in (self.onset, self.duration, self.sounding):
            nn.init.normal_(table.weight, std=0.3)
        self.conditions = ConditionEmbedding(preset, width)
        self.blocks = build_blocks(preset)
        self.norm = nn.LayerNorm(width)
        self.ends = nn.Embedding(cells, width) if config.encode_offsets else None
        self.build_head(preset)

    def forward(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return `mu` and `logvar` of windows, each `(B, slices, latent)`; 0 in absent slices."""
        layout, notes = self.layout, NoteIndex.from_batch(batch, self.layout)
        B, n_bags = len(batch.notes), len(batch.notes) * layout.Q
        valid, steps = notes.valid, layout.steps_per_quarter  # (B, K)
        quarter, step = notes.step // steps, notes.step % steps
        part_pitch = notes.part * layout.n_pitches + notes.pitch
        step = torch.where(notes.is_carry_in, steps, step)  # carry-ins have embeddings of their own
        row = (step * layout.n_parts * layout.n_pitches + part_pitch)[valid]  # (M,)
        first_bag = torch.arange(B, device=row.device)[:, None] * layout.Q
        bag = (first_bag + quarter)[valid]
        tables, rows = (self.onset.weight, self.duration.weight), (row, notes.duration[valid])
        x = embedding_sum(tables, rows, bag, n_bags)
        if self.models_expression:
            active = self.active_features & ~notes.is_carry_in[..., None]
            expression = (notes.expression * active)[valid].flatten()  # (2 * M,)
            both = (2 * row[:, None] + torch.arange(2, device=row.device)).flatten()
            table = self.touch.weight.view(-1, x.shape[-1])
            x = x + weighted_embedding_sum(
                table, both, bag.repeat_interleave(2), n_bags, expression
            )
        # Notes that are still sounding as each quarter begins.
        offsets = layout.cell_offsets(batch)
        start = offsets.gather(1, notes.step)
        end = start + notes.duration
        first = offsets[:, ::steps, None]  # (B, Q, 1)
        sounding = (start[:, None] < first) & (first < end[:, None]) & valid[:, None]
        window, quarter, note = sounding.nonzero(as_tuple=True)
        bag = window * layout.Q + quarter
        row = part_pitch[window, note]
        x = x + weighted_embedding_sum(self.sounding.weight, row, bag, n_bags)
        if self.ends is not None:
            x = x + self._note_end_embedding(self.ends.weight, notes, offsets, end)
        x = x.view(B, layout.Q, -1)
        packing = QuarterPacking.from_batch(batch, layout)
        x = run_blocks(self.blocks, packing.pack(x + self.conditions(batch)), packing.valid)
        return self.posterior(packing.unpack(self.norm(x)), batch)

    def _note_end_embedding(
        self, table: Tensor, notes: NoteIndex, offsets: Tensor, end: Tensor
    ) -> Tensor:
        """Return embeddings of the step and part of note ends that lie within the window.

        A note ends at the first step after it. `end` `(B, K)` counts unmasked steps.
        `(B * Q, width)`
        """
        layout, B, steps = self.layout, len(offsets), self.layout.steps_per_quarter
        step = torch.searchsorted(offsets.contiguous(), end, right=True) - 1
        inside = notes.valid & (offsets.gather(1, step) == end)
        bag = torch.arange(B, device=end.device)[:, None] * layout.Q + step // steps
        row = step % steps * layout.n_parts + notes.part
        return weighted_embedding_sum(table, row[inside], bag[inside], B * layout.Q)
