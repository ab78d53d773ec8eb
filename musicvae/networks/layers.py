"""Floor 5: what encoder and decoder share: where notes fall among quarters, and their blocks.

A window is a row of Q quarters, `grid.max_steps / grid.steps_per_quarter` a bar. Each quarter has
cells, one for each of its steps and each part. Quarters past a bar's end are closed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from musicvae.config.preset import Preset
from musicvae.config.sections import ModelConfig
from musicvae.data import Batch

VELOCITY_MEAN, VELOCITY_SPREAD = 72.0, 16.0  # MIDI velocity
TIMING_SPREAD = 36.0  # 960ths of a quarter
_ROUND = 64
_HEAD = 32  # channels of a head of attention


@dataclass(frozen=True)
class Layout:
    """The sizes of a preset's windows."""

    bars: int  # N
    quarters: int  # quarters of a bar
    steps: int  # steps of a quarter
    parts: int  # R
    pitches: int = 88  # P, from the piano's lowest A on
    lowest: int = 21

    @classmethod
    def of(cls, preset: Preset) -> Layout:
        """The layout of a preset."""
        grid = preset.grid
        quarters = grid.max_steps // grid.steps_per_quarter
        return cls(grid.bars, quarters, grid.steps_per_quarter, len(preset.parts))

    @property
    def Q(self) -> int:  # noqa: N802 -- a shape letter
        """Quarters of a window."""
        return self.bars * self.quarters

    def slices(self, config: ModelConfig) -> int:
        """Slices of a window's latent."""
        return {"bar": self.bars, "quarter": self.Q, "window": 1}[config.slices]

    @property
    def max_steps(self) -> int:
        """Cells of the longest bar."""
        return self.quarters * self.steps

    @property
    def longest(self) -> int:
        """The longest duration in cells: the whole window."""
        return self.bars * self.max_steps

    def open_steps(self, batch: Batch) -> Tensor:
        """Which cells exist: `(B, Q, steps)` bool."""
        step = torch.arange(self.max_steps, device=batch.steps.device)
        open_ = (step >= batch.lead[..., None]) & (step < batch.steps[..., None])  # (B, N, T)
        return open_.reshape(len(open_), self.Q, self.steps)

    def sounding(self, batch: Batch) -> Tensor:
        """Which parts sound in the bar of each quarter: `(B, Q, R)` bool."""
        return batch.present.repeat_interleave(self.quarters, dim=1)

    def line(self, batch: Batch) -> Tensor:
        """For each cell of each bar the number of open cells before it: `(B, N * T)` int64."""
        open_ = self.open_steps(batch).flatten(1).long()
        return open_.cumsum(1) - open_


@dataclass(frozen=True)
class QuarterPacking:
    """The open quarters of each window moved together, so that neighbours in music are neighbours.

    L is the most open quarters of any window here.
    """

    index: Tensor  # (B, L) the quarter of the window that stands in each place
    real: Tensor  # (B, L) bool: an open quarter rather than padding
    place: Tensor  # (B, Q) where each open quarter went

    @classmethod
    def of(cls, batch: Batch, layout: Layout) -> QuarterPacking:
        """The packing of a batch's windows."""
        open_ = layout.open_steps(batch).any(-1)  # (B, Q)
        count = open_.sum(1)
        length = int(count.max())
        index = (~open_).to(torch.uint8).argsort(dim=1, stable=True)[:, :length]
        real = torch.arange(length, device=open_.device) < count[:, None]
        return cls(index, real, (open_.cumsum(1) - 1).clamp(min=0))

    def cpu(self) -> QuarterPacking:
        """The same on the CPU."""
        return QuarterPacking(self.index.cpu(), self.real.cpu(), self.place.cpu())

    def pack(self, x: Tensor) -> Tensor:
        """`(B, Q, F)` -> `(B, L, F)`, padding zero."""
        packed = x.gather(1, self.index[..., None].expand(-1, -1, x.shape[-1]))
        return packed * self.real[..., None]

    def unpack(self, x: Tensor) -> Tensor:
        """`(B, L, F)` -> `(B, Q, F)`, closed quarters zero; the inverse of `pack`."""
        whole = x.new_zeros(len(x), self.place.shape[1], x.shape[-1])
        index = self.index[..., None].expand_as(x)
        return whole.scatter_add(1, index, x * self.real[..., None])


@dataclass(frozen=True)
class NoteIndex:
    """Where the notes of a batch fall; all `(B, K)`."""

    real: Tensor  # bool: a note rather than padding
    carry: Tensor  # bool: sounding before the window began
    cell: Tensor  # cell of the window in 0 .. N*T-1; of a carry-in, the first open one
    part: Tensor
    pitch: Tensor  # 0 .. P-1
    duration: Tensor  # 1 .. longest
    touch: Tensor  # (B, K, 2) float: velocity and timing, each in spreads from its middle

    @classmethod
    def of(cls, batch: Batch, layout: Layout) -> NoteIndex:
        """Read a batch's notes. Pitches outside the layout are moved to its edge."""
        bar, position, part, pitch, duration, velocity, timing = batch.notes.unbind(-1)
        index = torch.arange(batch.notes.shape[1], device=batch.notes.device)
        step = torch.where(position > 0, position - 1, batch.lead[:, :1])
        return cls(
            real=index < batch.n_notes[:, None],
            carry=position == 0,
            cell=bar * layout.max_steps + step,
            part=part,
            pitch=(pitch - layout.lowest).clamp(0, layout.pitches - 1),
            duration=duration.clamp(1, layout.longest),
            touch=torch.stack(
                [(velocity - VELOCITY_MEAN) / VELOCITY_SPREAD, timing / TIMING_SPREAD], -1
            ),
        )

    def thinned(self, share: float) -> NoteIndex:
        """The same with about this share of the notes left out, drawn by torch's generator."""
        kept = torch.rand(self.real.shape, device=self.real.device) >= share
        return replace(self, real=self.real & kept) if share else self


def rounded(n: int) -> int:
    """`n` rounded up, so that few lengths come: kernels are made, and kept, for each."""
    return -(-n // _ROUND) * _ROUND


def summed(tables: Sequence[Tensor], rows: Sequence[Tensor], bag: Tensor, n_bags: int) -> Tensor:
    """Sums of rows of tables `(.., width)`: the i-th is of those whose `bag` `(M,)` is i, `rows` of
    each table `(M,)`. `(n_bags, width)`

    The same as adding up embeddings, which are never there one by one.
    """
    offsets = np.cumsum([0, *(len(table) for table in tables[:-1])]).tolist()
    row = torch.cat([each + offset for each, offset in zip(rows, offsets, strict=True)])
    return weighed(torch.cat(list(tables)), row, bag.repeat(len(tables)), n_bags)


def weighed(
    table: Tensor, row: Tensor, bag: Tensor, n_bags: int, share: Tensor | None = None
) -> Tensor:
    """`summed` of one table, each row times its `share` `(M,)` if there is one."""
    order = bag.argsort(stable=True)
    begin = torch.searchsorted(bag[order], torch.arange(n_bags, device=bag.device))
    shares = None if share is None else share[order].to(table.dtype)
    return F.embedding_bag(row[order], table, begin, mode="sum", per_sample_weights=shares)


def run(blocks: nn.ModuleList, x: Tensor, real: Tensor) -> Tensor:
    """Blocks one after the other over packed quarters, padding kept at zero. `(B, L, width)`

    Padding costs nothing: the quarters of all windows are laid end to end, and one window's first
    quarter is no neighbour of the last one of the window before.
    """
    line, window = x[real], real.nonzero()[:, 0]  # (n, width), (n,)
    for block in blocks:
        if isinstance(block, Attention):
            line = block(_spread(line, x, real), real)[real]
        else:
            line = block(line, window)
    return _spread(line, x, real)


def _spread(line: Tensor, x: Tensor, real: Tensor) -> Tensor:
    """Quarters laid end to end `(n, width)` in their places again, shaped like `x`."""
    return torch.zeros_like(x).masked_scatter(real[..., None], line.to(x.dtype))


class Trunk(nn.Module):
    """What decoders begin with: latent slices and conditions through blocks over quarters."""

    def __init__(self, preset: Preset) -> None:
        super().__init__()
        config, self.layout = preset.model, Layout.of(preset)
        lay, width = self.layout, config.width
        self.slices = lay.slices(config)
        self.enter = nn.Linear(config.latent, width * (lay.Q // self.slices))
        self.conditions = Conditions(preset, width)
        self.blocks = build_blocks(preset)
        self.norm = nn.LayerNorm(width)

    def states(self, z: Tensor, batch: Batch, packing: QuarterPacking) -> Tensor:
        """What the latents say of each open quarter. `(B, L, width)`"""
        x = self.enter(z).reshape(len(z), self.layout.Q, -1)  # (B, slices, ...) -> (B, Q, width)
        x = packing.pack(x + self.conditions(batch))
        states: Tensor = self.norm(run(self.blocks, x, packing.real))
        return states

    def able(self, batch: Batch, packing: QuarterPacking) -> Tensor:
        """Where a note may start: not past a bar's end, nor where a part is silent.

        `(B, L*steps, R)` bool.
        """
        lay = self.layout
        able = lay.open_steps(batch)[..., None] & lay.sounding(batch)[:, :, None]
        return packing.pack(able.flatten(2)).bool().reshape(len(able), -1, lay.parts)


class Block(nn.Module):
    """A residual block over quarters: norm, a convolution over `kernel` of them, SiLU, linear."""

    def __init__(self, width: int, kernel: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.mix = nn.Linear(width * kernel, width)
        self.out = nn.Linear(width, width)
        self.dropout = nn.Dropout(dropout)
        self.reach = kernel // 2
        nn.init.zeros_(self.out.weight)

    def forward(self, x: Tensor, window: Tensor) -> Tensor:
        """`x` `(n, width)`, `window` `(n,)` to which window each belongs; the same shape."""
        n, index = len(x), _around(window, self.reach)
        y = F.pad(self.norm(x), (0, 0, 0, 1)).index_select(0, index.flatten())
        y = F.silu(self.mix(y.view(len(index), -1)))  # (n, kernel * width) -> (n, width)
        out: Tensor = x + self.dropout(self.out(y)[:n])
        return out


def _around(window: Tensor, reach: int) -> Tensor:
    """For each row of `window` `(n,)` the rows up to `reach` away in the same window, else `n`.

    `(m, 2 * reach + 1)`, m being n rounded up.
    """
    n = len(window)
    m = rounded(n)
    row = torch.arange(m, device=window.device)[:, None]
    other = row + torch.arange(-reach, reach + 1, device=window.device)
    inside = (other >= 0) & (other < n) & (row < n)
    here, there = window[row.clamp(max=n - 1)], window[other.clamp(0, n - 1)]
    return torch.where(inside & (here == there), other, n)


def build_blocks(preset: Preset) -> nn.ModuleList:
    """The blocks of one side."""
    config = preset.model
    blocks: list[nn.Module] = [
        Block(config.width, config.kernel, config.dropout) for _ in range(config.blocks)
    ]
    if config.attention:
        blocks.insert(config.blocks - 1, Attention(config.width, Layout.of(preset).Q))
    return nn.ModuleList(blocks)


class Attention(nn.Module):
    """Every quarter of a window looks at all others: a residual layer of self-attention.

    How far apart two quarters are counts too, through a bias for each distance.
    """

    def __init__(self, width: int, longest: int) -> None:
        super().__init__()
        self.heads = max(1, width // _HEAD)
        self.norm = nn.LayerNorm(width)
        self.mix = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.apart = nn.Parameter(torch.zeros(self.heads, 2 * longest - 1))
        nn.init.zeros_(self.out.weight)

    def forward(self, x: Tensor, real: Tensor) -> Tensor:
        """`x` `(B, L, width)`, `real` `(B, L)` bool: which quarters are there; the same shape."""
        q, k, v = self.mix(self.norm(x)).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        place = torch.arange(x.shape[1], device=x.device)
        apart = self.apart[:, place[:, None] - place + self.apart.shape[1] // 2]  # (heads, L, L)
        bias = (
            apart + torch.zeros(real.shape, device=x.device).masked_fill(~real, -1e4)[:, None, None]
        )
        with torch.autocast(x.device.type, enabled=False):  # so few are quicker in float32
            seen = F.scaled_dot_product_attention(q.float(), k.float(), v.float(), bias)
        out: Tensor = x + self.out(seen.transpose(1, 2).flatten(2)) * real[..., None]
        return out


class Conditions(nn.Module):
    """What both sides are told of a window: meter and place of each bar, which parts play, and
    where a model learns from several kinds of damage, which there are and how much.
    """

    def __init__(self, preset: Preset, width: int) -> None:
        super().__init__()
        layout = self.layout = Layout.of(preset)
        self.meter = nn.Embedding(len(preset.meters) + 1, width)
        self.place = nn.Parameter(torch.randn(layout.bars, layout.quarters, width) * 0.1)
        self.present = nn.Linear(layout.parts, width, bias=False)
        nn.init.normal_(self.meter.weight, std=0.1)
        self.n_kinds = len(preset.training.told)
        if self.n_kinds:
            self.damage = nn.Linear(2 * self.n_kinds, width, bias=False)

    def forward(self, batch: Batch) -> Tensor:
        """`(B, Q, width)`."""
        bars = self.meter(batch.meter) + self.present(batch.present.float())  # (B, N, width)
        if self.n_kinds:
            told = torch.cat([(batch.corruption > 0).float(), batch.corruption], -1)
            bars = bars + self.damage(told)[:, None]
        out: Tensor = (bars[:, :, None] + self.place).flatten(1, 2)
        return out
