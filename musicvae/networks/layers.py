"""Layers shared by encoders and decoders, and the index tensors that place notes among quarters.

A window is a row of Q quarters, `grid.max_steps / grid.steps_per_quarter` a bar. Each quarter has
one cell for each of its steps and each part. Quarters past a bar's end are masked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from musicvae.chords.chord_map import QUALITY_TONES
from musicvae.config.preset import Preset
from musicvae.config.sections import ModelConfig
from musicvae.data import Batch
from musicvae.representation.part_traits import RESOLUTION, allowed_steps
from musicvae.representation.part_traits import SIZES as TRAIT_SIZES

VELOCITY_MEAN, VELOCITY_SCALE = 72.0, 16.0  # MIDI velocity
TIMING_SCALE = 36.0  # 960ths of a quarter
PAD_MULTIPLE = 64
N_CHORD_FEATURES = 3 * 12 + 2
HEAD_WIDTH = 32  # channels of an attention head
MASKED_BIAS = -1e4  # added to attention logits of masked keys


@dataclass(frozen=True)
class Layout:
    """Sizes of a preset's windows."""

    n_bars: int  # N
    quarters_per_bar: int
    steps_per_quarter: int
    n_parts: int  # R
    n_pitches: int = 88  # P, from the lowest A of a piano
    lowest_pitch: int = 21

    @classmethod
    def from_preset(cls, preset: Preset) -> Layout:
        """Return the layout of a preset."""
        grid = preset.grid
        return cls(grid.bars, grid.quarters, grid.steps_per_quarter, len(preset.parts))

    @property
    def Q(self) -> int:  # noqa: N802 -- a shape letter
        """Number of quarters in a window."""
        return self.n_bars * self.quarters_per_bar

    def n_slices(self, config: ModelConfig) -> int:
        """Return the number of latent slices of a window."""
        return {"bar": self.n_bars, "quarter": self.Q, "window": 1}[config.slices]

    @property
    def max_bar_steps(self) -> int:
        """Number of steps in the longest bar."""
        return self.quarters_per_bar * self.steps_per_quarter

    @property
    def max_duration_steps(self) -> int:
        """Longest duration of a note in steps: the whole window."""
        return self.n_bars * self.max_bar_steps

    def unmasked_steps(self, batch: Batch) -> Tensor:
        """Return the mask of steps that lie within their bar. `(B, Q, steps)` bool"""
        step = torch.arange(self.max_bar_steps, device=batch.steps.device)
        mask = (step >= batch.lead_steps[..., None]) & (step < batch.steps[..., None])  # (B, N, T)
        return mask.reshape(len(mask), self.Q, self.steps_per_quarter)

    def active_parts(self, batch: Batch) -> Tensor:
        """Return which parts sound in the bar of each quarter. `(B, Q, R)` bool"""
        return batch.present.repeat_interleave(self.quarters_per_bar, dim=1)

    def cell_offsets(self, batch: Batch) -> Tensor:
        """Return the number of unmasked steps before each step. `(B, N * T)` int64"""
        mask = self.unmasked_steps(batch).flatten(1).long()
        return mask.cumsum(1) - mask


def latent_size(preset: Preset) -> int:
    """Return Z, the size of the latent of one window of a preset."""
    return Layout.from_preset(preset).n_slices(preset.model) * preset.model.latent


@dataclass(frozen=True)
class QuarterPacking:
    """Index that moves the unmasked quarters of each window together, in order.

    L is the largest number of unmasked quarters of a window in the batch.
    """

    index: Tensor  # (B, L) the quarter at each packed position
    valid: Tensor  # (B, L) bool: an unmasked quarter, not padding
    position: Tensor  # (B, Q) the packed position of each unmasked quarter

    @classmethod
    def from_batch(cls, batch: Batch, layout: Layout) -> QuarterPacking:
        """Return the packing of a batch's windows."""
        mask = layout.unmasked_steps(batch).any(-1)  # (B, Q)
        count = mask.sum(1)
        length = int(count.max())
        index = (~mask).to(torch.uint8).argsort(dim=1, stable=True)[:, :length]
        valid = torch.arange(length, device=mask.device) < count[:, None]
        return cls(index, valid, (mask.cumsum(1) - 1).clamp(min=0))

    def cpu(self) -> QuarterPacking:
        """Return a copy on the CPU."""
        return QuarterPacking(self.index.cpu(), self.valid.cpu(), self.position.cpu())

    def pack(self, x: Tensor) -> Tensor:
        """Return `x` `(B, Q, F)` packed `(B, L, F)`, padding zero."""
        packed = x.gather(1, self.index[..., None].expand(-1, -1, x.shape[-1]))
        return packed * self.valid[..., None]

    def unpack(self, x: Tensor) -> Tensor:
        """Return `x` `(B, L, F)` unpacked `(B, Q, F)`, masked quarters zero; inverts `pack`."""
        whole = x.new_zeros(len(x), self.position.shape[1], x.shape[-1])
        index = self.index[..., None].expand_as(x)
        return whole.scatter_add(1, index, x * self.valid[..., None])


@dataclass(frozen=True)
class NoteIndex:
    """Cell, pitch and duration of the notes of a batch; all `(B, K)`."""

    valid: Tensor  # bool: a note, not padding
    is_carry_in: Tensor  # bool: sounding before the window began
    step: Tensor  # step of the window in 0 .. N*T-1; of a carry-in, the first unmasked one
    part: Tensor
    pitch: Tensor  # 0 .. P-1
    duration: Tensor  # 1 .. max_duration_steps
    expression: Tensor  # (B, K, 2) float: standardized velocity and timing

    @classmethod
    def from_batch(cls, batch: Batch, layout: Layout) -> NoteIndex:
        """Read a batch's notes. Pitches outside the layout are clamped to its range."""
        bar, position, part, pitch, duration, velocity, timing = batch.notes.unbind(-1)
        index = torch.arange(batch.notes.shape[1], device=batch.notes.device)
        step = torch.where(position > 0, position - 1, batch.lead_steps[:, :1])
        return cls(
            valid=index < batch.n_notes[:, None],
            is_carry_in=position == 0,
            step=bar * layout.max_bar_steps + step,
            part=part,
            pitch=(pitch - layout.lowest_pitch).clamp(0, layout.n_pitches - 1),
            duration=duration.clamp(1, layout.max_duration_steps),
            expression=torch.stack(
                [(velocity - VELOCITY_MEAN) / VELOCITY_SCALE, timing / TIMING_SCALE], -1
            ),
        )

    def drop_notes(self, probability: float) -> NoteIndex:
        """Return a copy without about this share of the notes, chosen by torch's generator."""
        kept = torch.rand(self.valid.shape, device=self.valid.device) >= probability
        return replace(self, valid=self.valid & kept) if probability else self


def round_up(n: int) -> int:
    """Return `n` rounded up to a multiple of 64, which limits the number of compiled kernels."""
    return -(-n // PAD_MULTIPLE) * PAD_MULTIPLE


def embedding_sum(
    tables: Sequence[Tensor], rows: Sequence[Tensor], bag: Tensor, n_bags: int
) -> Tensor:
    """Return the sum of the embeddings in each bag, without a tensor of single embeddings.

    Args:
        tables: embedding tables, each `(.., width)`.
        rows: for each table the rows to add up, each `(M,)`.
        bag: the bag of each row. `(M,)`
        n_bags: number of bags.

    Returns `(n_bags, width)`.
    """
    offsets = np.cumsum([0, *(len(table) for table in tables[:-1])]).tolist()
    row = torch.cat([each + offset for each, offset in zip(rows, offsets, strict=True)])
    return weighted_embedding_sum(torch.cat(list(tables)), row, bag.repeat(len(tables)), n_bags)


def weighted_embedding_sum(
    table: Tensor, row: Tensor, bag: Tensor, n_bags: int, weight: Tensor | None = None
) -> Tensor:
    """Return `embedding_sum` of one table, each row times its `weight` `(M,)` if given."""
    order = bag.argsort(stable=True)
    begin = torch.searchsorted(bag[order], torch.arange(n_bags, device=bag.device))
    weights = None if weight is None else weight[order].to(table.dtype)
    return F.embedding_bag(row[order], table, begin, mode="sum", per_sample_weights=weights)


def run_blocks(blocks: nn.ModuleList, x: Tensor, valid: Tensor) -> Tensor:
    """Apply blocks to packed quarters in turn, padding kept at zero. `(B, L, width)`

    Padding costs nothing: the quarters of all windows are concatenated, and convolutions do not
    reach across the boundary of two windows.
    """
    rows, window = x[valid], valid.nonzero()[:, 0]  # (n, width), (n,)
    for block in blocks:
        if isinstance(block, AttentionBlock):
            rows = block(_scatter_rows(rows, x, valid), valid)[valid]
        else:
            rows = block(rows, window)
    return _scatter_rows(rows, x, valid)


def _scatter_rows(rows: Tensor, x: Tensor, valid: Tensor) -> Tensor:
    """Return concatenated quarters `(n, width)` at their packed positions, shaped like `x`."""
    return torch.zeros_like(x).masked_scatter(valid[..., None], rows.to(x.dtype))


class DecoderTrunk(nn.Module):
    """Shared decoder trunk: latent slices and conditions through blocks over quarters."""

    def __init__(self, preset: Preset) -> None:
        super().__init__()
        config, self.layout = preset.model, Layout.from_preset(preset)
        layout, width = self.layout, config.width
        self.n_slices = layout.n_slices(config)
        self.enter = nn.Linear(config.latent, width * (layout.Q // self.n_slices))
        self.conditions = ConditionEmbedding(preset, width)
        self.blocks = build_blocks(preset)
        self.norm = nn.LayerNorm(width)
        self.is_told_resolution = preset.conditions.parts
        self.allowed_steps: Tensor
        allowed = torch.from_numpy(allowed_steps(layout.steps_per_quarter)).bool()
        self.register_buffer("allowed_steps", allowed, persistent=False)

    def hidden_states(self, z: Tensor, batch: Batch, packing: QuarterPacking) -> Tensor:
        """Return the hidden state of each unmasked quarter. `(B, L, width)`"""
        x = self.enter(z).reshape(len(z), self.layout.Q, -1)  # (B, slices, ...) -> (B, Q, width)
        x = packing.pack(x + self.conditions(batch))
        states: Tensor = self.norm(run_blocks(self.blocks, x, packing.valid))
        return states

    def onset_mask(self, batch: Batch, packing: QuarterPacking) -> Tensor:
        """Return where a note may start: within its bar, in a part that sounds there, at its
        resolution.

        `(B, L*steps, R)` bool.
        """
        layout = self.layout
        mask = layout.unmasked_steps(batch)[..., None] & layout.active_parts(batch)[:, :, None]
        if self.is_told_resolution:  # (B, R) -> (B, 1, steps, R)
            allowed = self.allowed_steps[batch.traits[..., RESOLUTION].long()]
            mask = mask & allowed.transpose(1, 2)[:, None]
        return packing.pack(mask.flatten(2)).bool().reshape(len(mask), -1, layout.n_parts)


class ConvBlock(nn.Module):
    """A residual block: layer norm, convolution over `kernel` quarters, SiLU, linear."""

    def __init__(self, width: int, kernel: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.mix = nn.Linear(width * kernel, width)
        self.out = nn.Linear(width, width)
        self.dropout = nn.Dropout(dropout)
        self.reach = kernel // 2
        nn.init.zeros_(self.out.weight)

    def forward(self, x: Tensor, window: Tensor) -> Tensor:
        """Return `x` `(n, width)` transformed; `window` `(n,)` is the window of each quarter."""
        n, index = len(x), _neighbor_index(window, self.reach)
        y = F.pad(self.norm(x), (0, 0, 0, 1)).index_select(0, index.flatten())
        y = F.silu(self.mix(y.view(len(index), -1)))  # (n, kernel * width) -> (n, width)
        out: Tensor = x + self.dropout(self.out(y)[:n])
        return out


def _neighbor_index(window: Tensor, reach: int) -> Tensor:
    """Return for each row of `window` `(n,)` the rows up to `reach` away in that window, else `n`.

    `(m, 2 * reach + 1)`, m being n rounded up.
    """
    n = len(window)
    m = round_up(n)
    row = torch.arange(m, device=window.device)[:, None]
    other = row + torch.arange(-reach, reach + 1, device=window.device)
    inside = (other >= 0) & (other < n) & (row < n)
    own, neighbor = window[row.clamp(max=n - 1)], window[other.clamp(0, n - 1)]
    return torch.where(inside & (own == neighbor), other, n)


def build_blocks(preset: Preset) -> nn.ModuleList:
    """Return the residual blocks of an encoder or a decoder."""
    config = preset.model
    blocks: list[nn.Module] = [
        ConvBlock(config.width, config.kernel, config.dropout) for _ in range(config.blocks)
    ]
    if config.attention:
        longest = Layout.from_preset(preset).Q
        blocks.insert(config.blocks - 1, AttentionBlock(config.width, longest))
    return nn.ModuleList(blocks)


class RelativeAttention(nn.Module):
    """Multi-head self-attention with a learned bias for each distance (as in T5)."""

    def __init__(self, width: int, max_length: int, *, affine_norm: bool = True) -> None:
        super().__init__()
        self.heads = max(1, width // HEAD_WIDTH)
        self.norm = nn.LayerNorm(width, elementwise_affine=affine_norm)
        self.mix = nn.Linear(width, 3 * width)  # query, key and value
        self.out = nn.Linear(width, width)
        self.apart = nn.Parameter(torch.zeros(self.heads, 2 * max_length - 1))  # relative position

    def attend(self, x: Tensor, key_bias: Tensor) -> Tensor:
        """Return attention over normalized `x` `(B, L, width)`, the same shape.

        `key_bias` `(B, L)` is added to the logits of each key: 0, or `MASKED_BIAS` for padding.
        """
        q, k, v = self.mix(x).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        position = torch.arange(x.shape[1], device=x.device)
        distance = position[:, None] - position + self.apart.shape[1] // 2
        bias = self.apart[:, distance] + key_bias[:, None, None]  # (B, heads, L, L)
        with torch.autocast(x.device.type, enabled=False):  # faster in float32, so short
            mixed = F.scaled_dot_product_attention(q.float(), k.float(), v.float(), bias)
        out: Tensor = self.out(mixed.transpose(1, 2).flatten(2))
        return out


class AttentionBlock(RelativeAttention):
    """A residual block of self-attention over all quarters of a window."""

    def __init__(self, width: int, max_length: int) -> None:
        super().__init__(width, max_length)
        nn.init.zeros_(self.out.weight)

    def forward(self, x: Tensor, valid: Tensor) -> Tensor:
        """Return `x` `(B, L, width)` transformed; `valid` `(B, L)` bool is False for padding."""
        key_bias = torch.zeros(valid.shape, device=x.device).masked_fill(~valid, MASKED_BIAS)
        out: Tensor = x + self.attend(self.norm(x), key_bias) * valid[..., None]
        return out


class ChordEmbedding(nn.Module):
    """Linear embedding of the chords of one or several quarters; zero where they are unknown.

    A chord is described by its pitch classes, its root and its bass, and by whether it is known and
    whether there is one at all.
    """

    def __init__(self, width: int, n_quarters: int = 1) -> None:
        super().__init__()
        self.n_quarters = n_quarters
        self.tones: Tensor
        self.register_buffer("tones", torch.from_numpy(QUALITY_TONES).float(), persistent=False)
        self.embed = nn.Linear(n_quarters * N_CHORD_FEATURES, width, bias=False)

    def forward(self, chords: Tensor) -> Tensor:
        """Return the embedding of chords `(..., Q, 3)`, `n_quarters` at a time.

        `(..., Q / n_quarters, width)`.
        """
        root, quality, bass = chords.long().unbind(-1)
        is_known, has_root = quality >= 0, quality > 0
        semitone = torch.arange(12, device=chords.device)
        above_root = (semitone - root[..., None]).remainder(12)
        tones = self.tones[quality.clamp(min=0)].gather(-1, above_root)
        one_hot = [(each[..., None] == semitone) & has_root[..., None] for each in (root, bass)]
        flags = torch.stack([is_known, has_root], -1)
        features = torch.cat([tones * has_root[..., None], *one_hot, flags], -1)
        shape = (*features.shape[:-2], -1, self.n_quarters * N_CHORD_FEATURES)
        rows = features.reshape(shape)
        out: Tensor = self.embed(rows.to(self.embed.weight.dtype))
        return out


class TraitEmbedding(nn.Module):
    """Sum of embeddings of the traits of the part in each slot, see `part_traits`."""

    def __init__(self, n_parts: int, width: int) -> None:
        super().__init__()
        self.offset: Tensor
        first = np.cumsum((0, *TRAIT_SIZES))
        slot = np.arange(n_parts)[:, None] * first[-1]
        self.register_buffer("offset", torch.from_numpy(slot + first[:-1]), persistent=False)
        self.table = nn.Embedding(n_parts * sum(TRAIT_SIZES), width)
        nn.init.normal_(self.table.weight, std=0.1)

    def forward(self, traits: Tensor) -> Tensor:
        """Return the embedding of traits `(..., R, 4)`. `(..., width)`"""
        out: Tensor = self.table(traits.long() + self.offset).sum((-3, -2))
        return out


class ConditionEmbedding(nn.Module):
    """Embedding of what encoder and decoder are conditioned on.

    Meter and position of each bar, which parts sound in it and, for a model trained on several
    corruptions, which of them the notes have and how much; by choice the chord of each quarter and
    traits of the parts.
    """

    def __init__(self, preset: Preset, width: int) -> None:
        super().__init__()
        layout = self.layout = Layout.from_preset(preset)
        self.meter = nn.Embedding(len(preset.meters) + 1, width)
        self.place = nn.Parameter(torch.randn(layout.n_bars, layout.quarters_per_bar, width) * 0.1)
        self.present = nn.Linear(layout.n_parts, width, bias=False)
        nn.init.normal_(self.meter.weight, std=0.1)
        self.n_corruptions = len(preset.training.condition_kinds)
        if self.n_corruptions:
            self.damage = nn.Linear(2 * self.n_corruptions, width, bias=False)
        self.chords = ChordEmbedding(width) if preset.conditions.chords else None
        self.traits = TraitEmbedding(layout.n_parts, width) if preset.conditions.parts else None

    def forward(self, batch: Batch) -> Tensor:
        """Return the embedding of each quarter. `(B, Q, width)`"""
        bars = self.meter(batch.meter) + self.present(batch.present.float())  # (B, N, width)
        if self.n_corruptions:
            amount = batch.corruption
            corruption = torch.cat([(amount > 0).float(), amount], -1)
            bars = bars + self.damage(corruption)[:, None]
        if self.traits is not None:
            bars = bars + self.traits(batch.traits)[:, None]
        quarters = bars[:, :, None] + self.place
        if self.chords is not None:
            quarters = quarters + self.chords(batch.chords)
        return quarters.flatten(1, 2)
