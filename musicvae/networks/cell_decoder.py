"""Floor 5: the cell decoder. Latent slices -> notes, all cells at once.

A note is emitted once, at its onset, as pitch and duration; sustain is derived. Of each cell
(step, part) the decoder gives the log-odds that a note starts there and a feature from which pitch
and duration follow. A `voice` has one pitch a cell (softmax); `chords` and `drums` may have any
(one Bernoulli a pitch). Velocity and microtiming follow from the same feature, in presets that have
them. Carry-ins have a cell of their own before the window's first step.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from musicvae.config.preset import Preset
from musicvae.data import Batch
from musicvae.networks.layers import (
    TIMING_SPREAD,
    VELOCITY_MEAN,
    VELOCITY_SPREAD,
    NoteIndex,
    QuarterPacking,
    Trunk,
)

_CHORD = 16  # most notes that start at once
_RARE = -4.0  # log-odds that a pitch is in a chord, to begin with
_TOUCH_WIDTH = (1.5, 1.5)  # of velocity and microtiming around what is decoded, in spreads
NEVER = -1e4  # log-odds of what cannot be


class NoteNLL(NamedTuple):
    """Negative log-likelihood in nats a window, by what is told. Each `(B,)`."""

    onset: Tensor
    pitch: Tensor
    duration: Tensor
    touch: Tensor
    """Velocity and microtiming; 0 where the preset has neither."""
    direct: Tensor
    """What the cells alone, without hearing the notes before, would cost; 0 where that is all."""

    @property
    def total(self) -> Tensor:
        """Their sum, the reconstruction term of the ELBO."""
        return self.onset + self.pitch + self.duration + self.touch


class CellDecoder(Trunk):
    """`z` `(B, slices, latent)` and the bars of a batch -> notes."""

    def __init__(self, preset: Preset) -> None:
        super().__init__(preset)
        config, lay = preset.model, self.layout
        width = config.width
        self.rank = config.rank
        self.cell = nn.Linear(width, lay.steps * lay.parts * config.rank)
        self.carried = nn.Linear(width, lay.parts * config.rank)
        self.onset = nn.Linear(width, lay.steps * lay.parts)
        self.carry_onset = nn.Linear(width, lay.parts)
        self.pitch = nn.Linear(config.rank, lay.pitches, bias=False)
        self.pitch_bias = nn.Parameter(torch.zeros(lay.parts, lay.pitches))
        self.duration = nn.Linear(config.rank, lay.longest)
        self.touched = config.velocity or config.microtiming
        if self.touched:
            self.touch = nn.Embedding(lay.parts * lay.pitches, 2 * (config.rank + 1))
            nn.init.normal_(self.touch.weight, std=0.05)
            self.told: Tensor
            told = torch.tensor([config.velocity, config.microtiming]).float()
            self.register_buffer("told", told, persistent=False)
        self.single: Tensor
        single = torch.tensor([part.kind == "voice" for part in preset.parts])
        self.register_buffer("single", single, persistent=False)
        with torch.no_grad():  # few of all pitches start at once
            self.pitch_bias[~single] = _RARE
        self.all_single = bool(single.all())

    def features(self, x: Tensor, batch: Batch, packing: QuarterPacking) -> tuple[Tensor, Tensor]:
        """Log-odds of onsets `(B, 1 + L*steps, R)` and cell features, the same with `rank` last.

        Row 0 is for carry-ins, then follow the cells of the open quarters, packed.
        """
        lay, B, rows = self.layout, len(x), x.shape[1] * self.layout.steps
        cell = self.cell(x).reshape(B, rows, lay.parts, self.rank)
        carried = self.carried(x[:, 0]).reshape(B, 1, lay.parts, self.rank)
        able = torch.cat([batch.present[:, :1], self.able(batch, packing)], 1)
        onset = self.onset(x).reshape(B, rows, lay.parts)
        onset = torch.cat([self.carry_onset(x[:, 0])[:, None], onset], 1)
        onset = onset.masked_fill(~able, NEVER)
        return onset, torch.cat([carried, cell], 1)

    def _row(self, at: NoteIndex, packing: QuarterPacking) -> Tensor:
        """The row of each note's cell in `features`. `(B, K)`"""
        quarter, step = at.cell // self.layout.steps, at.cell % self.layout.steps
        packed = packing.place.gather(1, quarter) * self.layout.steps + step
        return torch.where(at.carry, 0, 1 + packed)

    def loss(self, z: Tensor, batch: Batch) -> NoteNLL:
        """Negative log-likelihood of a batch's notes."""
        at, packing = NoteIndex.of(batch, self.layout), QuarterPacking.of(batch, self.layout)
        onset, feature = self.features(self.states(z, batch, packing), batch, packing)
        return self.weigh(onset, feature, at, self._row(at, packing))

    def weigh(self, onset: Tensor, feature: Tensor, at: NoteIndex, row: Tensor) -> NoteNLL:
        """The notes' negative log-likelihood under these cells; `row` as `_row` gives it."""
        B, rows, R = onset.shape
        place = (row * R + at.part) * at.real  # (B, K)
        starts = torch.zeros(B, rows * R, device=onset.device)
        starts = starts.scatter_add(1, place, at.real.float()).clamp(max=1).reshape(B, rows, R)
        onset_loss = F.binary_cross_entropy_with_logits(onset.float(), starts, reduction="none")
        of_note = feature.flatten(1, 2).gather(1, place[..., None].expand(-1, -1, self.rank))
        pitch_logits = (self.pitch(of_note) + self.pitch_bias[at.part]).float()  # (B, K, P)
        pitch_loss = _cross_entropy(pitch_logits, at.pitch)
        if not self.all_single:
            pitch_loss = pitch_loss * self.single[at.part]
        duration_loss = _cross_entropy(self.duration(of_note).float(), at.duration - 1)
        pitch_total = (pitch_loss * at.real).sum(1)
        if not self.all_single:
            pitch_total = pitch_total + self._chord_loss(feature, starts, place, at)
        duration_total = (duration_loss * at.real).sum(1)
        none = torch.zeros_like(pitch_total)
        touch = self._touch_loss(of_note, at) if self.touched else none
        return NoteNLL(onset_loss.sum((1, 2)), pitch_total, duration_total, touch, none)

    def _touch_loss(self, of_note: Tensor, at: NoteIndex) -> Tensor:
        """Velocity and microtiming as Gaussians of a fixed width around what is decoded. `(B,)`"""
        wrong = (self.touches(of_note, at.part * self.layout.pitches + at.pitch) - at.touch).float()
        width = torch.tensor(_TOUCH_WIDTH, device=wrong.device)
        spread = torch.tensor([VELOCITY_SPREAD, TIMING_SPREAD], device=wrong.device)
        nats = 0.5 * (wrong / width) ** 2 + (width * spread * math.sqrt(2 * math.pi)).log()
        nats = nats * self.told * (at.real & ~at.carry)[..., None]
        return nats.sum((1, 2))

    def touches(self, feature: Tensor, line: Tensor) -> Tensor:
        """Velocity and microtiming, in spreads, of pitches in cells: `(..., rank)`, `(...)` to
        `(..., 2)`. `line` counts parts and pitches.
        """
        table = self.touch(line).unflatten(-1, (2, -1))
        return (table[..., :-1] * feature[..., None, :]).sum(-1) + table[..., -1]

    def _chord_loss(self, feature: Tensor, starts: Tensor, place: Tensor, at: NoteIndex) -> Tensor:
        """One Bernoulli a pitch in each cell of a chordal part where anything starts. `(B,)`"""
        lay, (B, rows, R) = self.layout, starts.shape
        logits = (self.pitch(feature) + self.pitch_bias).float()  # (B, rows, R, P)
        place = (place * lay.pitches + at.pitch) * at.real
        target = torch.zeros(B, rows * R * lay.pitches, device=starts.device)
        target = target.scatter_add(1, place, at.real.float()).clamp(max=1).view_as(logits)
        loss = F.binary_cross_entropy_with_logits(logits, target, reduction="none").sum(-1)
        return (loss * starts * ~self.single).sum((1, 2))

    @torch.no_grad()
    def note_probabilities(self, z: Tensor, frame: Batch) -> tuple[Tensor, Tensor]:
        """How probable it is that each pitch starts in each cell `(B, N * T, R, P)`, and the
        likeliest duration there `(B, N * T, R)`; 0 in cells that are closed. On the CPU.
        """
        packing, lay = QuarterPacking.of(frame, self.layout), self.layout
        onset, feature = self.features(self.states(z, frame, packing), frame, packing)
        onset, feature = onset[:, 1:].float(), feature[:, 1:].float()
        logits = self.pitch(feature) + self.pitch_bias  # (B, L * steps, R, P)
        pitch = torch.where(self.single[:, None], logits.softmax(-1), logits.sigmoid())
        length = 1 + self.duration(feature).argmax(-1, keepdim=True)
        told = torch.cat([onset.sigmoid()[..., None] * pitch, length.to(pitch.dtype)], -1)
        shape = (len(z), lay.Q * lay.steps, lay.parts, lay.pitches + 1)
        whole = packing.unpack(told.reshape(len(z), packing.index.shape[1], -1)).reshape(shape)
        return whole[..., :-1].cpu(), whole[..., -1].long().cpu()

    @torch.no_grad()
    def decode_expression(self, z: Tensor, batch: Batch) -> Tensor:
        """Velocity and timing, as in `Batch`, that the notes of a batch would have. `(B, K, 2)`"""
        at, packing = NoteIndex.of(batch, self.layout), QuarterPacking.of(batch, self.layout)
        _, feature = self.features(self.states(z, batch, packing), batch, packing)
        place = (self._row(at, packing) * self.layout.parts + at.part) * at.real
        of_note = feature.flatten(1, 2).gather(1, place[..., None].expand(-1, -1, self.rank))
        touch = self.touches(of_note, at.part * self.layout.pitches + at.pitch).float()
        spread = torch.tensor([VELOCITY_SPREAD, TIMING_SPREAD], device=touch.device)
        return touch * spread + torch.tensor([VELOCITY_MEAN, 0.0], device=touch.device)

    @torch.no_grad()
    def decode(
        self, z: Tensor, frame: Batch, temperature: float, generator: torch.Generator
    ) -> Tensor:
        """Notes as rows `(M, 8)`; see `VAE.decode`."""
        packing = QuarterPacking.of(frame, self.layout)
        onset, feature = self.features(self.states(z, frame, packing), frame, packing)
        starts = sample_bernoulli(onset.float().cpu(), temperature, generator)
        window, row, part = starts.nonzero(as_tuple=True)
        of_cell = feature[window, row, part]  # most cells are silent: only these are looked at
        chosen, duration = self.sounds(of_cell, part, temperature, generator)
        cell, pitch = chosen.nonzero(as_tuple=True)
        at = (window[cell], row[cell], part[cell], pitch)
        return self._told(*at, duration[cell], of_cell[cell], packing)

    def choose(
        self,
        onset: Tensor,
        feature: Tensor,
        parts: int | slice,
        temperature: float,
        generator: torch.Generator,
    ) -> tuple[Tensor, Tensor]:
        """From log-odds `(...)` and features `(..., rank)` of cells of `parts`: which pitches start
        there `(..., P)`, and for how long `(...)`. On the CPU.
        """
        starts = sample_bernoulli(onset.float().cpu(), temperature, generator)
        chosen, duration = self.sounds(feature, parts, temperature, generator)
        return chosen & starts[..., None], duration

    def sounds(
        self,
        feature: Tensor,
        parts: int | slice | Tensor,
        temperature: float,
        generator: torch.Generator,
    ) -> tuple[Tensor, Tensor]:
        """`choose` where it is known that something starts."""
        logits = (self.pitch(feature) + self.pitch_bias[parts]).float().cpu()
        chosen = F.one_hot(draw(logits, temperature, generator), self.layout.pitches).bool()
        if not self.all_single:
            single = self.single[parts].cpu()
            chord = sample_chord(logits, temperature, generator)
            chosen = torch.where(single[..., None], chosen, chord)
        duration = 1 + draw(self.duration(feature).float().cpu(), temperature, generator)
        return chosen, duration

    def _rows(self, chosen: Tensor, duration: Tensor, feature: Tensor, packing: QuarterPacking) -> Tensor:
        """Notes as rows from chosen cells `(B, 1 + L*steps, R)` and their features."""
        window, row, part, pitch = chosen.nonzero(as_tuple=True)
        at = (window, row, part, pitch)
        return self._told(*at, duration[at[:3]], feature[at[:3]], packing)

    def _told(
        self,
        window: Tensor,
        row: Tensor,
        part: Tensor,
        pitch: Tensor,
        length: Tensor,
        feature: Tensor,
        packing: QuarterPacking,
    ) -> Tensor:
        """Notes as rows from where they stand `(M,)` and their cells' features `(M, rank)`."""
        lay = self.layout
        packed = (row - 1).clamp(min=0)
        quarter = packing.index.cpu()[window, packed // lay.steps]
        bar = torch.where(row == 0, 0, quarter // lay.quarters)
        step = quarter % lay.quarters * lay.steps + packed % lay.steps
        position = torch.where(row == 0, 0, 1 + step)
        velocity = timing = torch.zeros_like(bar)
        if self.touched:
            line = (part * lay.pitches + pitch).to(feature.device)
            touch = self.touches(feature.float(), line).cpu()
            played = touch * torch.tensor([VELOCITY_SPREAD, TIMING_SPREAD])
            loud, late = played.round().long().unbind(-1)
            velocity = (loud + int(VELOCITY_MEAN)).clamp(1, 127) if self.told[0] else velocity
            timing = torch.where(row > 0, late, 0) if self.told[1] else timing
        rows = (window, bar, position, part, pitch + lay.lowest, length, velocity, timing)
        return torch.stack(rows, 1)


def _cross_entropy(logits: Tensor, target: Tensor) -> Tensor:
    return F.cross_entropy(logits.flatten(0, 1), target.flatten(), reduction="none").view_as(target)


def sample_bernoulli(logits: Tensor, temperature: float, generator: torch.Generator) -> Tensor:
    """Yes or no for each logit: the likelier, or drawn."""
    if temperature <= 0:
        return logits > 0
    uniform = torch.rand(logits.shape, generator=generator)
    return uniform < torch.sigmoid(logits / temperature)


def sample_chord(logits: Tensor, temperature: float, generator: torch.Generator) -> Tensor:
    """Which pitches of a cell start `(..., P)`, at least one and at most 16: the likeliest, as many
    as are expected, or drawn.

    Taking all that are likelier than not would thin out chords wherever the latents are unsure.
    """
    if temperature <= 0:
        n = torch.sigmoid(logits).sum(-1).round()
    else:
        drawn = sample_bernoulli(logits, temperature, generator)
        n, logits = drawn.sum(-1), torch.where(drawn, logits + 1e3, logits)
    most = logits.topk(min(_CHORD, logits.shape[-1]), -1).values
    last = most.gather(-1, n.long().clamp(1, most.shape[-1])[..., None] - 1)
    return logits >= last


def draw(logits: Tensor, temperature: float, generator: torch.Generator) -> Tensor:
    """An index along the last axis: the likeliest, or drawn with Gumbel noise."""
    if temperature <= 0:
        return logits.argmax(-1)
    uniform = torch.rand(logits.shape, generator=generator).clamp(1e-9, 1 - 1e-9)
    return (logits / temperature - (-uniform.log()).log()).argmax(-1)
