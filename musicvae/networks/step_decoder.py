"""Step decoder: one recurrence over all steps of a window, autoregressive.

As in the flat models of MusicVAE (Roberts et al. 2018), each step reads its latent slice and the
notes of the step before (in training the true ones), and the window's whole latent is the first
state. Within a step the parts follow one another. Unlike in the other decoders every prediction
goes through the recurrence, so it learns pitches slowest; it serves as a baseline.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from musicvae.config.preset import Preset
from musicvae.data import Batch
from musicvae.networks.cell_decoder import IMPOSSIBLE_LOGIT, CellDecoder, NoteNLL
from musicvae.networks.layers import NoteIndex, QuarterPacking


class StepDecoder(CellDecoder):
    """Decoder that predicts the notes of each step from the latent and the steps before."""

    def __init__(self, preset: Preset) -> None:
        super().__init__(preset)
        for unused in ("cell", "carried", "onset", "carry_onset"):
            delattr(self, unused)
        self.blocks = nn.ModuleList()
        layout, model, hidden = self.layout, preset.model, preset.model.hidden
        steps = layout.steps_per_quarter
        self.input_dropout = preset.training.decoder_input_dropout
        self.sampling_probability = preset.training.scheduled_sampling
        self.heard = nn.Embedding(layout.n_parts * layout.n_pitches, hidden)
        self.heard_duration = nn.Embedding(layout.max_duration_steps + 1, hidden)
        self.of_step = nn.Parameter(torch.randn(steps + 1, hidden) * 0.1)  # last: carry-ins
        self.of_part = nn.Parameter(torch.randn(layout.n_parts, hidden) * 0.1)
        self.begin = nn.Linear(self.n_slices * model.latent, hidden)
        self.from_state = nn.Linear(model.width, hidden)
        self.recurrence = nn.GRU(hidden, hidden, batch_first=True)
        self.say = nn.Linear(hidden, hidden)
        self.tell = nn.Linear(hidden, model.rank + 1)

    def loss(self, z: Tensor, batch: Batch) -> NoteNLL:
        """Return the negative log-likelihood of a batch's notes, each given those before it."""
        notes = NoteIndex.from_batch(batch, self.layout)
        packing = QuarterPacking.from_batch(batch, self.layout)
        row = self.note_cells(notes, packing)
        inputs = notes.drop_notes(self.input_dropout) if self.training else notes
        emitted = self._note_embeddings(inputs, row, packing)
        if self.training and self.sampling_probability:
            emitted = self._scheduled_sampling(z, batch, emitted, packing)
        return self.note_nll(*self._cell_outputs(z, batch, emitted, packing), notes, row)

    @torch.no_grad()
    def decode_teacher_forced(self, z: Tensor, batch: Batch) -> Tensor:
        """Return the likeliest notes of each cell given the true ones before it, as rows."""
        notes = NoteIndex.from_batch(batch, self.layout)
        packing = QuarterPacking.from_batch(batch, self.layout)
        emitted = self._note_embeddings(notes, self.note_cells(notes, packing), packing)
        onset, feature = self._cell_outputs(z, batch, emitted, packing)
        chosen, duration = self.sample_cells(onset, feature, slice(None), 0.0, torch.Generator())
        return self._chosen_rows(chosen, duration, feature, packing)

    def _note_embeddings(self, notes: NoteIndex, row: Tensor, packing: QuarterPacking) -> Tensor:
        """Return the summed embedding of the notes in each cell. `(B, 1 + L*steps, R, hidden)`"""
        layout = self.layout
        rows = 1 + packing.index.shape[1] * layout.steps_per_quarter
        note = self.heard(notes.part * layout.n_pitches + notes.pitch)
        note = note + self.heard_duration(notes.duration)
        note = note * notes.valid[..., None]  # (B, K, hidden)
        cell = ((row * layout.n_parts + notes.part) * notes.valid)[..., None].expand_as(note)
        summed = note.new_zeros(len(note), rows * layout.n_parts, note.shape[-1])
        return summed.scatter_add(1, cell, note).unflatten(1, (rows, layout.n_parts))

    def _scheduled_sampling(
        self, z: Tensor, batch: Batch, emitted: Tensor, packing: QuarterPacking
    ) -> Tensor:
        """Return `emitted` with the notes of random steps replaced by the decoder's own.

        Those are what it predicts given the true notes before (Bengio et al. 2015, in parallel as
        in Duckworth et al. 2019).
        """
        with torch.no_grad():
            cells = self._cell_outputs(z, batch, emitted, packing)
            chosen, duration = (
                each.to(z.device)
                for each in self.sample_cells(*cells, slice(None), 0.0, torch.Generator())
            )
        table = self.heard.weight.view(self.layout.n_parts, self.layout.n_pitches, -1)
        predicted = torch.einsum("btrp,rph->btrh", chosen.to(table.dtype), table)
        predicted = predicted + chosen.sum(-1, keepdim=True) * self.heard_duration(duration)
        replaced = torch.rand(*emitted.shape[:2], 1, 1, device=z.device) < self.sampling_probability
        return torch.where(replaced, predicted.to(emitted.dtype), emitted)

    def _step_inputs(
        self, z: Tensor, batch: Batch, packing: QuarterPacking
    ) -> tuple[Tensor, Tensor]:
        """Return the input of each step besides notes `(B, 1 + L*steps, hidden)`, and the first
        state of the recurrence `(1, B, hidden)`.
        """
        x = self.from_state(self.hidden_states(z, batch, packing))  # (B, L, hidden)
        steps = (x[:, :, None] + self.of_step[:-1]).flatten(1, 2)
        inputs = torch.cat([x[:, :1] + self.of_step[-1], steps], 1)
        mask = self.layout.unmasked_steps(batch).reshape(len(z), self.n_slices, -1).any(-1)
        return inputs, torch.tanh(self.begin((z * mask[..., None]).flatten(1)))[None]

    def _cell_outputs(
        self, z: Tensor, batch: Batch, emitted: Tensor, packing: QuarterPacking
    ) -> tuple[Tensor, Tensor]:
        """Return onset logits and features, shaped as from `CellDecoder.cell_features`."""
        inputs, state = self._step_inputs(z, batch, packing)
        before = F.pad(emitted.sum(2)[:, :-1], (0, 0, 1, 0))  # (B, 1 + L*steps, hidden)
        states, _ = self.recurrence(inputs + before, state)
        so_far = F.pad(emitted[:, :, :-1].cumsum(2), (0, 0, 1, 0))  # parts before, in the same step
        hidden = F.silu(self.say(states)[:, :, None] + so_far + self.of_part)
        out = self.tell(hidden)  # (B, 1 + L*steps, R, rank + 1)
        onset = out[..., -1].masked_fill(~self.cell_mask(batch, packing), IMPOSSIBLE_LOGIT)
        return onset, out[..., :-1]

    @torch.no_grad()
    def decode(
        self, z: Tensor, context: Batch, temperature: float, generator: torch.Generator
    ) -> Tensor:
        """Return notes as rows `(M, 8)`, decoded cell by cell, all windows in parallel."""
        layout, packing = self.layout, QuarterPacking.from_batch(context, self.layout)
        inputs, state = self._step_inputs(z, context, packing)
        mask = self.cell_mask(context, packing)  # (B, 1 + L*steps, R)
        chosen = torch.zeros(*mask.shape, layout.n_pitches, dtype=torch.bool)
        duration = torch.ones(mask.shape, dtype=torch.long)
        features = inputs.new_zeros(*mask.shape, self.rank)
        table = self.heard.weight.view(layout.n_parts, layout.n_pitches, -1)
        emitted = torch.zeros_like(inputs[:, 0])
        for row in range(mask.shape[1]):
            output, state = self.recurrence((inputs[:, row] + emitted)[:, None], state)
            output, emitted = self.say(output[:, 0]), torch.zeros_like(emitted)
            for part in range(layout.n_parts):
                out = self.tell(F.silu(output + emitted + self.of_part[part]))
                onset = out[:, -1].masked_fill(~mask[:, row, part], IMPOSSIBLE_LOGIT)
                feature = features[:, row, part] = out[:, :-1]
                notes = self.sample_cells(onset, feature, part, temperature, generator)
                chosen[:, row, part], duration[:, row, part] = notes
                new, length = (each.to(z.device) for each in notes)
                n = new.sum(1, keepdim=True)
                emitted = emitted + new.to(table.dtype) @ table[part]
                emitted = emitted + n * self.heard_duration(length)
        return self._chosen_rows(chosen, duration, features, packing)
