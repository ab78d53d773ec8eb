"""Cell decoder: latent slices -> notes, all cells at once.

A note is emitted once, at its onset, with its pitch and duration; sustain is derived. For each cell
(step, part) the decoder gives the log-odds of an onset, and a feature vector from which pitch and
duration are predicted. A `voice` has one pitch a cell (softmax); `chords` and `drums` may have any
number (one Bernoulli a pitch). Velocity and microtiming come from the same feature vector, in
presets that model them. Carry-ins have a cell of their own before the window's first step.
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
    TIMING_SCALE,
    VELOCITY_MEAN,
    VELOCITY_SCALE,
    DecoderTrunk,
    NoteIndex,
    QuarterPacking,
)

MAX_CHORD_NOTES = 16
INITIAL_CHORD_LOGIT = -4.0  # few of all pitches start at once
EXPRESSION_STD = (1.5, 1.5)  # of velocity and microtiming around their prediction, standardized
IMPOSSIBLE_LOGIT = -1e4


class NoteNLL(NamedTuple):
    """Negative log-likelihood of a window's notes in nats, by attribute. Each `(B,)`."""

    onset: Tensor
    pitch: Tensor
    duration: Tensor
    expression: Tensor
    """Velocity and microtiming; 0 where the preset models neither."""
    context_free_nll: Tensor
    """The total if cells were predicted from the latent alone, without the notes before; 0 for
    decoders that always do so."""

    @property
    def total(self) -> Tensor:
        """Sum over attributes, the reconstruction term of the ELBO."""
        return self.onset + self.pitch + self.duration + self.expression


class CellDecoder(DecoderTrunk):
    """Decoder that predicts all cells of a window independently, given its latent."""

    def __init__(self, preset: Preset) -> None:
        super().__init__(preset)
        config, layout = preset.model, self.layout
        width, cells = config.width, layout.steps_per_quarter * layout.n_parts
        self.rank = config.rank
        self.cell = nn.Linear(width, cells * config.rank)
        self.carried = nn.Linear(width, layout.n_parts * config.rank)
        self.onset = nn.Linear(width, cells)
        self.carry_onset = nn.Linear(width, layout.n_parts)
        self.pitch = nn.Linear(config.rank, layout.n_pitches, bias=False)
        self.pitch_bias = nn.Parameter(torch.zeros(layout.n_parts, layout.n_pitches))
        self.duration = nn.Linear(config.rank, layout.max_duration_steps)
        self.duration_gate = None
        if config.note_durations:  # how the feature of a cell is weighted for each pitch
            self.duration_gate = nn.Embedding(layout.n_parts * layout.n_pitches, config.rank)
            nn.init.ones_(self.duration_gate.weight)
        self.models_expression = config.velocity or config.microtiming
        if self.models_expression:
            self.touch = nn.Embedding(layout.n_parts * layout.n_pitches, 2 * (config.rank + 1))
            nn.init.normal_(self.touch.weight, std=0.05)
            self.active_features: Tensor
            active = torch.tensor([config.velocity, config.microtiming]).float()
            self.register_buffer("active_features", active, persistent=False)
        self.is_voice: Tensor
        voices = [part.kind == "voice" for part in preset.parts]
        is_voice = torch.tensor(voices)
        self.register_buffer("is_voice", is_voice, persistent=False)
        with torch.no_grad():
            for part, is_voice_part in enumerate(voices):
                if not is_voice_part:
                    self.pitch_bias[part] = INITIAL_CHORD_LOGIT
        self.all_voices = all(voices)

    def cell_features(
        self, x: Tensor, batch: Batch, packing: QuarterPacking
    ) -> tuple[Tensor, Tensor]:
        """Return onset logits `(B, 1 + L*steps, R)` and features, the same with `rank` last.

        Row 0 is for carry-ins; the steps of the unmasked quarters follow, packed.
        """
        layout, B = self.layout, len(x)
        rows = x.shape[1] * layout.steps_per_quarter
        cell = self.cell(x).reshape(B, rows, layout.n_parts, self.rank)
        carried = self.carried(x[:, 0]).reshape(B, 1, layout.n_parts, self.rank)
        onset = self.onset(x).reshape(B, rows, layout.n_parts)
        onset = torch.cat([self.carry_onset(x[:, 0])[:, None], onset], 1)
        onset = onset.masked_fill(~self.cell_mask(batch, packing), IMPOSSIBLE_LOGIT)
        return onset, torch.cat([carried, cell], 1)

    def cell_mask(self, batch: Batch, packing: QuarterPacking) -> Tensor:
        """Return where a note may start, with the row of carry-ins. `(B, 1 + L*steps, R)` bool"""
        return torch.cat([batch.present[:, :1], self.onset_mask(batch, packing)], 1)

    def note_cells(self, notes: NoteIndex, packing: QuarterPacking) -> Tensor:
        """Return the row of each note in `cell_features`. `(B, K)`"""
        steps = self.layout.steps_per_quarter
        quarter, step = notes.step // steps, notes.step % steps
        packed = packing.position.gather(1, quarter) * steps + step
        return torch.where(notes.is_carry_in, 0, 1 + packed)

    def loss(self, z: Tensor, batch: Batch) -> NoteNLL:
        """Return the negative log-likelihood of a batch's notes given `z` `(B, slices, latent)`."""
        notes = NoteIndex.from_batch(batch, self.layout)
        packing = QuarterPacking.from_batch(batch, self.layout)
        x = self.hidden_states(z, batch, packing)
        onset, feature = self.cell_features(x, batch, packing)
        return self.note_nll(onset, feature, notes, self.note_cells(notes, packing))

    def note_nll(self, onset: Tensor, feature: Tensor, notes: NoteIndex, row: Tensor) -> NoteNLL:
        """Return the notes' NLL under onset logits and features; `row` from `note_cells`."""
        B, rows, R = onset.shape
        cell = (row * R + notes.part) * notes.valid  # (B, K)
        onsets = torch.zeros(B, rows * R, device=onset.device)
        onsets = onsets.scatter_add(1, cell, notes.valid.float()).clamp(max=1).reshape(B, rows, R)
        onset_nll = F.binary_cross_entropy_with_logits(onset.float(), onsets, reduction="none")
        note_feature = self._note_features(feature, cell)
        pitch_logits = (self.pitch(note_feature) + self.pitch_bias[notes.part]).float()  # (B, K, P)
        pitch_nll = _cross_entropy(pitch_logits, notes.pitch)
        if not self.all_voices:
            pitch_nll = pitch_nll * self.is_voice[notes.part]
        part_pitch = notes.part * self.layout.n_pitches + notes.pitch
        duration_logits = self.duration_logits(note_feature, part_pitch)
        duration_nll = _cross_entropy(duration_logits.float(), notes.duration - 1)
        pitch_total = (pitch_nll * notes.valid).sum(1)
        if not self.all_voices:
            pitch_total = pitch_total + self._chord_nll(feature, onsets, cell, notes)
        duration_total = (duration_nll * notes.valid).sum(1)
        zero = torch.zeros_like(pitch_total)
        expression = self._expression_nll(note_feature, notes) if self.models_expression else zero
        return NoteNLL(onset_nll.sum((1, 2)), pitch_total, duration_total, expression, zero)

    def _note_features(self, feature: Tensor, cell: Tensor) -> Tensor:
        """Return the features of the cells that notes start in. `(B, K, rank)`"""
        return feature.flatten(1, 2).gather(1, cell[..., None].expand(-1, -1, self.rank))

    def duration_logits(self, feature: Tensor, part_pitch: Tensor) -> Tensor:
        """Return logits of durations from 1 step on, of pitches in cells. `(..., durations)`

        `feature` `(..., rank)`; `part_pitch` `(...)` is `part * P + pitch`.
        """
        if self.duration_gate is not None:
            feature = feature * self.duration_gate(part_pitch)
        logits: Tensor = self.duration(feature)
        return logits

    def _expression_nll(self, note_feature: Tensor, notes: NoteIndex) -> Tensor:
        """Return the NLL of velocity and microtiming, Gaussians of fixed width. `(B,)`"""
        part_pitch = notes.part * self.layout.n_pitches + notes.pitch
        error = (self.predict_expression(note_feature, part_pitch) - notes.expression).float()
        std = torch.tensor(EXPRESSION_STD, device=error.device)
        scale = torch.tensor([VELOCITY_SCALE, TIMING_SCALE], device=error.device)
        nats = 0.5 * (error / std) ** 2 + (std * scale * math.sqrt(2 * math.pi)).log()
        nats = nats * self.active_features * (notes.valid & ~notes.is_carry_in)[..., None]
        return nats.sum((1, 2))

    def predict_expression(self, feature: Tensor, part_pitch: Tensor) -> Tensor:
        """Return standardized velocity and microtiming of pitches in cells. `(..., 2)`

        `feature` `(..., rank)`; `part_pitch` `(...)` is `part * P + pitch`.
        """
        table = self.touch(part_pitch).unflatten(-1, (2, -1))
        return (table[..., :-1] * feature[..., None, :]).sum(-1) + table[..., -1]

    def _chord_nll(self, feature: Tensor, onsets: Tensor, cell: Tensor, notes: NoteIndex) -> Tensor:
        """Return the NLL of chords: a Bernoulli a pitch in each cell with an onset. `(B,)`"""
        B, rows, R = onsets.shape
        window, row, part = (onsets.bool() & ~self.is_voice).nonzero(as_tuple=True)  # (M,) each
        logits = (self.pitch(feature[window, row, part]) + self.pitch_bias[part]).float()  # (M, P)
        nth = torch.zeros(B * rows * R, dtype=torch.long, device=onsets.device)
        nth[(window * rows + row) * R + part] = torch.arange(len(window), device=onsets.device)
        of_window = torch.arange(B, device=onsets.device)[:, None] * rows * R
        there = notes.valid & ~self.is_voice[notes.part]
        target = torch.zeros_like(logits)
        target[nth[(of_window + cell)[there]], notes.pitch[there]] = 1
        nll = F.binary_cross_entropy_with_logits(logits, target, reduction="none").sum(-1)
        return torch.zeros(B, device=nll.device).index_add(0, window, nll)

    @torch.no_grad()
    def note_probabilities(self, z: Tensor, context: Batch) -> tuple[Tensor, Tensor]:
        """Return the probability of each note, and the likeliest duration of each cell. On the CPU.

        `(B, N * T, R, P)` float and `(B, N * T, R)` int64 in steps; both 0 in masked steps.
        """
        layout, packing = self.layout, QuarterPacking.from_batch(context, self.layout)
        x = self.hidden_states(z, context, packing)
        onset, feature = self.cell_features(x, context, packing)
        onset, feature = onset[:, 1:].float(), feature[:, 1:].float()
        logits = self.pitch(feature) + self.pitch_bias  # (B, L * steps, R, P)
        pitch = torch.where(self.is_voice[:, None], logits.softmax(-1), logits.sigmoid())
        part = torch.arange(layout.n_parts, device=pitch.device)
        likeliest = part * layout.n_pitches + pitch.argmax(-1)  # (B, L * steps, R)
        duration = 1 + self.duration_logits(feature, likeliest).argmax(-1, keepdim=True)
        packed = torch.cat([onset.sigmoid()[..., None] * pitch, duration.to(pitch.dtype)], -1)
        steps = layout.Q * layout.steps_per_quarter
        shape = (len(z), steps, layout.n_parts, layout.n_pitches + 1)
        whole = packing.unpack(packed.reshape(len(z), packing.index.shape[1], -1)).reshape(shape)
        return whole[..., :-1].cpu(), whole[..., -1].long().cpu()

    @torch.no_grad()
    def decode_expression(self, z: Tensor, batch: Batch) -> Tensor:
        """Return predicted velocity and timing of a batch's notes, units of `Batch`. `(B, K, 2)`"""
        notes = NoteIndex.from_batch(batch, self.layout)
        packing = QuarterPacking.from_batch(batch, self.layout)
        _, feature = self.cell_features(self.hidden_states(z, batch, packing), batch, packing)
        cell = (self.note_cells(notes, packing) * self.layout.n_parts + notes.part) * notes.valid
        part_pitch = notes.part * self.layout.n_pitches + notes.pitch
        found = self.predict_expression(self._note_features(feature, cell), part_pitch).float()
        scale = torch.tensor([VELOCITY_SCALE, TIMING_SCALE], device=found.device)
        return found * scale + torch.tensor([VELOCITY_MEAN, 0.0], device=found.device)

    @torch.no_grad()
    def decode(
        self, z: Tensor, context: Batch, temperature: float, generator: torch.Generator
    ) -> Tensor:
        """Return notes as rows `(M, 8)`; see `VAE.decode`."""
        packing = QuarterPacking.from_batch(context, self.layout)
        x = self.hidden_states(z, context, packing)
        onset, feature = self.cell_features(x, context, packing)
        onsets = sample_bernoulli(onset.float().cpu(), temperature, generator)
        window, row, part = onsets.nonzero(as_tuple=True)
        cell_feature = feature[window, row, part]  # most cells are silent and need no pitch
        chosen, duration = self.sample_pitches(cell_feature, part, temperature, generator)
        cell, pitch = chosen.nonzero(as_tuple=True)
        index = (window[cell], row[cell], part[cell], pitch)
        duration, own = duration[cell], cell_feature[cell]
        if self.duration_gate is not None:
            part_pitch = (part[cell] * self.layout.n_pitches + pitch).to(own.device)
            logits = self.duration_logits(own, part_pitch).float().cpu()
            duration = 1 + sample_categorical(logits, temperature, generator)
        return self._to_rows(*index, duration, own, packing)

    def sample_cells(
        self,
        onset: Tensor,
        feature: Tensor,
        parts: int | slice,
        temperature: float,
        generator: torch.Generator,
    ) -> tuple[Tensor, Tensor]:
        """Return which pitches start in cells `(..., P)` bool, and durations `(...)`. On the CPU.

        `onset` `(...)` are logits and `feature` `(..., rank)` features of cells of `parts`.
        """
        onsets = sample_bernoulli(onset.float().cpu(), temperature, generator)
        chosen, duration = self.sample_pitches(feature, parts, temperature, generator)
        return chosen & onsets[..., None], duration

    def sample_pitches(
        self,
        feature: Tensor,
        parts: int | slice | Tensor,
        temperature: float,
        generator: torch.Generator,
    ) -> tuple[Tensor, Tensor]:
        """Return pitches and durations as `sample_cells` does, for cells that have an onset."""
        logits = (self.pitch(feature) + self.pitch_bias[parts]).float().cpu()
        pitch = sample_categorical(logits, temperature, generator)
        chosen = F.one_hot(pitch, self.layout.n_pitches).bool()
        if not self.all_voices:
            is_voice = self.is_voice[parts].cpu()
            chord = sample_chord(logits, temperature, generator)
            chosen = torch.where(is_voice[..., None], chosen, chord)
        logits = self.duration(feature).float().cpu()
        return chosen, 1 + sample_categorical(logits, temperature, generator)

    def _chosen_rows(
        self, chosen: Tensor, duration: Tensor, feature: Tensor, packing: QuarterPacking
    ) -> Tensor:
        """Return notes as rows from chosen cells `(B, 1 + L*steps, R, P)` and their features."""
        window, row, part, pitch = chosen.nonzero(as_tuple=True)
        cell = (window, row, part)
        return self._to_rows(*cell, pitch, duration[cell], feature[cell], packing)

    def _to_rows(
        self,
        window: Tensor,
        row: Tensor,
        part: Tensor,
        pitch: Tensor,
        duration: Tensor,
        feature: Tensor,
        packing: QuarterPacking,
    ) -> Tensor:
        """Return notes as rows `(M, 8)` from their cells `(M,)` and features `(M, rank)`."""
        layout, steps = self.layout, self.layout.steps_per_quarter
        packed = (row - 1).clamp(min=0)
        quarter = packing.index.cpu()[window, packed // steps]
        bar = torch.where(row == 0, 0, quarter // layout.quarters_per_bar)
        step = quarter % layout.quarters_per_bar * steps + packed % steps
        position = torch.where(row == 0, 0, 1 + step)
        velocity = timing = torch.zeros_like(bar)
        if self.models_expression:
            part_pitch = (part * layout.n_pitches + pitch).to(feature.device)
            expression = self.predict_expression(feature.float(), part_pitch).cpu()
            expression = expression * torch.tensor([VELOCITY_SCALE, TIMING_SCALE])
            loudness, delay = expression.round().long().unbind(-1)
            has_velocity, has_timing = self.active_features
            if has_velocity:
                velocity = (loudness + int(VELOCITY_MEAN)).clamp(1, 127)
            timing = torch.where(row > 0, delay, 0) if has_timing else timing
        rows = (window, bar, position, part, pitch + layout.lowest_pitch, duration)
        return torch.stack((*rows, velocity, timing), 1)


def _cross_entropy(logits: Tensor, target: Tensor) -> Tensor:
    return F.cross_entropy(logits.flatten(0, 1), target.flatten(), reduction="none").view_as(target)


def sample_bernoulli(logits: Tensor, temperature: float, generator: torch.Generator) -> Tensor:
    """Return a Bernoulli sample of each logit; at temperature 0 its mode. Bool."""
    if temperature <= 0:
        return logits > 0
    uniform = torch.rand(logits.shape, generator=generator)
    return uniform < torch.sigmoid(logits / temperature)


def sample_chord(logits: Tensor, temperature: float, generator: torch.Generator) -> Tensor:
    """Return which pitches of a cell start, 1 to 16 of them. `(..., P)` bool

    At temperature 0 the likeliest pitches, as many as are expected: taking all that are likelier
    than not would thin out chords wherever the latent is uncertain.
    """
    if temperature <= 0:
        n = torch.sigmoid(logits).sum(-1).round()
    else:
        sampled = sample_bernoulli(logits, temperature, generator)
        n, logits = sampled.sum(-1), torch.where(sampled, logits + 1e3, logits)
    top = logits.topk(min(MAX_CHORD_NOTES, logits.shape[-1]), -1).values
    threshold = top.gather(-1, n.long().clamp(1, top.shape[-1])[..., None] - 1)
    return logits >= threshold


def sample_categorical(logits: Tensor, temperature: float, generator: torch.Generator) -> Tensor:
    """Return a categorical sample along the last axis (Gumbel-max); at temperature 0 the mode."""
    if temperature <= 0:
        return logits.argmax(-1)
    uniform = torch.rand(logits.shape, generator=generator).clamp(1e-9, 1 - 1e-9)
    return (logits / temperature - (-uniform.log()).log()).argmax(-1)
