"""Floor 5: the encoder. Notes -> mean and log-variance of a latent slice for each bar or quarter.

The cells of a quarter are embedded all at once, by one linear map of its onset roll, a second of
what is still sounding as it begins, and a third of the durations (where the preset has them, of
velocities and microtiming too); written as sums of embeddings, so that the roll is never built.
Residual convolutions over quarters follow. The weights are the same for every quarter, which is
what lets a few thousand windows teach them.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from musicvae.config.preset import Preset
from musicvae.data import Batch
from musicvae.networks.layers import (
    Conditions,
    Layout,
    NoteIndex,
    QuarterPacking,
    build_blocks,
    run,
    summed,
    weighed,
)


class SliceEncoder(nn.Module):
    """What encoders end with: quarters `(B, Q, width)` to the posterior of each slice."""

    layout: Layout
    slices: int

    def end(self, preset: Preset) -> None:
        """Make the last layer. Encoders call it last, so that seeds keep their weights."""
        config = preset.model
        self.slices = self.layout.slices(config)
        self.out = nn.Linear(config.width * (self.layout.Q // self.slices), 2 * config.latent)
        nn.init.normal_(self.out.weight, std=0.02)
        with torch.no_grad():
            self.out.bias[config.latent :] = -3.0  # begin with a narrow posterior

    def posterior(self, x: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        """`mu`, `logvar`, each `(B, slices, latent)`; 0 in slices that are not there."""
        x = x.reshape(len(x), self.slices, -1)
        mu, logvar = self.out(x).float().chunk(2, -1)  # the KL is counted in float32
        open_ = self.layout.open_steps(batch).reshape(len(x), self.slices, -1).any(-1, keepdim=True)
        return mu * open_, logvar.clamp(-9, 1) * open_


class Encoder(SliceEncoder):
    """`Batch` -> `mu`, `logvar`, each `(B, slices, latent)`; 0 in slices that are not there."""

    def __init__(self, preset: Preset) -> None:
        super().__init__()
        config, self.layout = preset.model, Layout.of(preset)
        lay, width = self.layout, config.width
        cells = lay.steps * lay.parts
        self.onset = nn.Embedding((cells + lay.parts) * lay.pitches, width)
        self.duration = nn.Embedding(lay.longest + 1, width)
        self.sounding = nn.Embedding(lay.parts * lay.pitches, width)
        self.touched = config.velocity or config.microtiming
        self.told: Tensor
        told = torch.tensor([config.velocity, config.microtiming])
        self.register_buffer("told", told, persistent=False)
        if self.touched:
            self.touch = nn.Embedding((cells + lay.parts) * lay.pitches, 2 * width)
            nn.init.normal_(self.touch.weight, std=0.1)
        for table in (self.onset, self.duration, self.sounding):
            nn.init.normal_(table.weight, std=0.3)
        self.conditions = Conditions(preset, width)
        self.blocks = build_blocks(preset)
        self.norm = nn.LayerNorm(width)
        self.ends = nn.Embedding(cells, width) if config.ends else None
        self.end(preset)

    def forward(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Encode windows."""
        lay, at = self.layout, NoteIndex.of(batch, self.layout)
        B, there = len(batch.notes), at.real  # (B, K)
        quarter, step = at.cell // lay.steps, at.cell % lay.steps
        line = at.part * lay.pitches + at.pitch
        step = torch.where(at.carry, lay.steps, step)  # carry-ins have rows of their own
        row = (step * lay.parts * lay.pitches + line)[there]  # (M,)
        place = torch.arange(B, device=row.device)[:, None] * lay.Q
        bag = (place + quarter)[there]
        tables, rows = (self.onset.weight, self.duration.weight), (row, at.duration[there])
        x = summed(tables, rows, bag, B * lay.Q)
        if self.touched:
            touch = (at.touch * (self.told & ~at.carry[..., None]))[there].flatten()  # (2 * M,)
            both = (2 * row[:, None] + torch.arange(2, device=row.device)).flatten()
            table = self.touch.weight.view(-1, x.shape[-1])
            x = x + weighed(table, both, bag.repeat_interleave(2), B * lay.Q, touch)
        # What sounds on as each quarter begins.
        cells = lay.line(batch)
        begin = cells.gather(1, at.cell)
        first = cells[:, :: lay.steps, None]  # (B, Q, 1)
        on = (begin[:, None] < first) & (first < (begin + at.duration)[:, None]) & there[:, None]
        window, quarter, note = on.nonzero(as_tuple=True)
        bag = window * lay.Q + quarter
        x = x + weighed(self.sounding.weight, line[window, note], bag, B * lay.Q)
        if self.ends is not None:
            x = x + self._endings(self.ends.weight, at, cells, begin + at.duration)
        x = x.view(B, lay.Q, -1)
        packing = QuarterPacking.of(batch, lay)
        x = run(self.blocks, packing.pack(x + self.conditions(batch)), packing.real)
        return self.posterior(packing.unpack(self.norm(x)), batch)

    def _endings(self, table: Tensor, at: NoteIndex, cells: Tensor, end: Tensor) -> Tensor:
        """In which cell of which part notes end: the first one that is silent again, if the window
        has it. `end` `(B, K)` counts open cells. `(B * Q, width)`
        """
        lay, B = self.layout, len(cells)
        cell = torch.searchsorted(cells.contiguous(), end, right=True) - 1
        inside = at.real & (cells.gather(1, cell) == end)
        place = torch.arange(B, device=end.device)[:, None] * lay.Q + cell // lay.steps
        row = cell % lay.steps * lay.parts + at.part
        return weighed(table, row[inside], place[inside], B * lay.Q)
