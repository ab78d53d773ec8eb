"""Roll decoder: latent slices -> the piano roll itself, in one shot.

Convolutions over quarters, then one linear map from the state of a quarter to all of its cells, an
onset and a sustain plane over every pitch. Planes become notes by a threshold and by
`representation.pianoroll.from_roll`: a note lasts as long as its pitch is sustained. The baseline
of the usual piano-roll VAE: onset and end of a note are predicted independently.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from musicvae.config.preset import Preset
from musicvae.data import Batch
from musicvae.data.batch import NOTE_FIELDS
from musicvae.networks.cell_decoder import NoteNLL, sample_bernoulli
from musicvae.networks.layers import DecoderTrunk, NoteIndex, QuarterPacking
from musicvae.representation.grid import Grid
from musicvae.representation.pianoroll import PLANES, from_roll

INITIAL_LOGIT = -4.0  # most cells of a roll are empty


class RollDecoder(DecoderTrunk):
    """Decoder that predicts a roll of two planes, onset and sustain.

    With `model.loss = "cross-entropy"` the roll holds logits, one Bernoulli a cell; with `squared`
    it holds the values themselves, whose targets are 0 and 1.
    """

    def __init__(self, preset: Preset) -> None:
        super().__init__(preset)
        layout = self.layout
        self.squared = preset.model.loss == "squared"
        cells = layout.steps_per_quarter * layout.n_parts
        self.out = nn.Linear(preset.model.width, cells * 2 * layout.n_pitches)
        nn.init.normal_(self.out.weight, std=0.02)
        nn.init.constant_(self.out.bias, 0.0 if self.squared else INITIAL_LOGIT)
        is_voice = torch.tensor([part.kind == "voice" for part in preset.parts])
        self.is_voice: Tensor
        self.register_buffer("is_voice", is_voice, persistent=False)

    def predict_planes(self, z: Tensor, batch: Batch, packing: QuarterPacking) -> Tensor:
        """Return the decoder's output for the unmasked quarters. `(B, L*steps, R, 2, P)`"""
        layout, x = self.layout, self.hidden_states(z, batch, packing)
        return self.out(x).reshape(len(x), -1, layout.n_parts, 2, layout.n_pitches).float()

    def target_planes(self, batch: Batch, packing: QuarterPacking) -> Tensor:
        """Return onset and sustain planes of a batch's notes, 0 and 1. `(B, L*steps, R, 2, P)`"""
        layout, notes = self.layout, NoteIndex.from_batch(batch, self.layout)
        B, steps = len(batch.notes), layout.steps_per_quarter
        rows, width = packing.index.shape[1] * steps, layout.n_parts * layout.n_pitches
        offsets = layout.cell_offsets(batch)  # (B, N*T)
        start = offsets.gather(1, notes.step)
        part_pitch = notes.part * layout.n_pitches + notes.pitch
        valid = notes.valid.float()
        # Onsets, each in its packed cell.
        row = packing.position.gather(1, notes.step // steps) * steps + notes.step % steps
        onsets = notes.valid & ~notes.is_carry_in
        onset = start.new_zeros(B, rows * width, dtype=torch.float32)
        index = (row * width + part_pitch) * onsets
        onset = onset.scatter_add(1, index, onsets.float()).clamp(max=1)
        # Sustain: +1 where it begins and -1 where it ends along the unmasked steps, then summed.
        edges = start.new_zeros(B, (layout.max_duration_steps + 1) * width, dtype=torch.float32)
        first = start + (~notes.is_carry_in).long()
        last = (start + notes.duration).clamp(max=layout.max_duration_steps)
        first = torch.minimum(first, last)
        edges = edges.scatter_add(1, (first * width + part_pitch) * notes.valid, valid)
        edges = edges.scatter_add(1, (last * width + part_pitch) * notes.valid, -valid)
        sounding = edges.reshape(B, layout.max_duration_steps + 1, width).cumsum(1) > 0.5
        step = torch.arange(steps, device=offsets.device)
        cell = (packing.index[..., None] * steps + step).flatten(1)  # (B, rows)
        index = offsets.gather(1, cell)[..., None].expand(-1, -1, width)
        sustain = sounding.gather(1, index).float()
        shape = (B, rows, layout.n_parts, layout.n_pitches)
        return torch.stack([onset.reshape(shape), sustain.reshape(shape)], 3)

    def loss(self, z: Tensor, batch: Batch) -> NoteNLL:
        """Return the loss of the roll: its onset plane as `onset`, its sustain plane as `duration`.

        Cross-entropy: ``-sum(x log p + (1 - x) log(1 - p))`` in nats. Squared: ``||x - x'||^2``,
        up to a constant the nats under a Gaussian of variance 1/2. Masked cells and silent parts
        do not count.
        """
        packing = QuarterPacking.from_batch(batch, self.layout)
        planes, target = self.predict_planes(z, batch, packing), self.target_planes(batch, packing)
        if self.squared:
            loss = (planes - target) ** 2
        else:
            loss = F.binary_cross_entropy_with_logits(planes, target, reduction="none")
        loss = loss * self.onset_mask(batch, packing)[..., None, None]
        onset, sustain = loss.sum((1, 2, 4)).unbind(1)
        zero = torch.zeros_like(onset)
        return NoteNLL(onset, zero, sustain, expression=zero, context_free_nll=zero)

    @torch.no_grad()
    def decode(
        self, z: Tensor, context: Batch, temperature: float, generator: torch.Generator
    ) -> Tensor:
        """Return notes as rows `(M, 8)`; see `VAE.decode`."""
        packing = QuarterPacking.from_batch(context, self.layout)
        planes = self.predict_planes(z, context, packing)
        return self.planes_to_rows(planes, context, packing, temperature, generator)

    def planes_to_rows(
        self,
        planes: Tensor,
        context: Batch,
        packing: QuarterPacking,
        temperature: float,
        generator: torch.Generator,
    ) -> Tensor:
        """Return notes as rows from `predict_planes`; inverts `target_planes` at temperature 0.

        A sustained run without an onset is no note, except from the window's first step on, where
        it is a carry-in.
        """
        layout = self.layout
        if self.squared:
            planes = planes.clamp(1e-4, 1 - 1e-4).logit()
        mask = self.onset_mask(context, packing)[..., None, None].cpu()
        onset, sustain = (sample_bernoulli(planes.cpu(), temperature, generator) & mask).unbind(3)
        is_voice = self.is_voice.cpu()[:, None]
        best = F.one_hot(planes[:, :, :, 0].argmax(-1).cpu(), layout.n_pitches).bool()
        onset = onset & (best | ~is_voice)  # (B, L*steps, R, P)
        # A carry-in counts as an onset while the lengths of runs are measured.
        B, steps, lead = len(planes), context.steps.cpu().numpy(), context.lead_steps.cpu().numpy()
        window, first = torch.arange(B), torch.from_numpy(lead[:, 0] % layout.steps_per_quarter)
        starts = onset[window, first]  # (B, R, P)
        carried = sustain[window, first] & ~starts & ~(is_voice & starts.any(-1, keepdim=True))
        onset[window, first] = starts | carried
        unused = [torch.zeros_like(sustain)] * (len(PLANES) - 2)
        packed = torch.stack([onset, sustain, *unused], 3)
        packed = packed.reshape(B, packing.index.shape[1], -1).to(torch.uint8)
        roll = packing.cpu().unpack(packed)  # (B, Q, steps * R * C * P)
        bars = (B * layout.n_bars, layout.max_bar_steps)
        roll = roll.reshape(*bars, layout.n_parts, len(PLANES), layout.n_pitches)
        grid = _concatenated_grid(steps, lead)
        notes, _ = from_roll(roll.permute(0, 2, 3, 1, 4).numpy(), grid)
        note_window, bar = np.divmod(notes.bar, layout.n_bars)
        is_carry_in = (bar == 0) & (notes.step == lead[note_window, 0])
        is_carry_in &= carried.numpy()[note_window, notes.part, notes.pitch]
        position = np.where(is_carry_in, 0, 1 + notes.step)
        rows = np.zeros((len(notes), 1 + len(NOTE_FIELDS)), np.int64)
        pitch = notes.pitch + layout.lowest_pitch
        columns = (note_window, bar, position, notes.part, pitch, notes.duration)
        rows[:, : len(columns)] = np.stack(columns, 1)
        return torch.from_numpy(rows)


def _concatenated_grid(steps: np.ndarray, lead: np.ndarray) -> Grid:
    """Return the bars of all windows in a row as a grid; only its steps are meaningful."""
    unused = np.zeros(steps.size, np.int64)
    return Grid(
        steps_per_quarter=1,
        ticks_per_quarter=1,
        steps=steps.reshape(-1),
        lead_steps=lead.reshape(-1),
        **dict.fromkeys(("numerator", "denominator", "start_ticks", "length_ticks"), unused),
    )
