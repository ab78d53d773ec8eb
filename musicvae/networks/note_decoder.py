"""Note decoder: the cell decoder, made autoregressive over notes.

Notes are emitted in order (quarter, step, part). A GRU over quarters summarizes the notes of the
quarters before; within a quarter, a running sum of embeddings holds the notes emitted so far. Both
add corrections to the predictions from the latent, and the corrections begin at zero: without this
direct path an autoregressive decoder learns to ignore the latent (posterior collapse).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from musicvae.config.preset import Preset
from musicvae.data import Batch
from musicvae.networks.cell_decoder import CellDecoder, NoteNLL
from musicvae.networks.layers import (
    NoteIndex,
    QuarterPacking,
    embedding_sum,
    round_up,
    weighted_embedding_sum,
)


class NoteDecoder(CellDecoder):
    """Decoder that predicts each cell from the latent and the notes before it."""

    def __init__(self, preset: Preset) -> None:
        super().__init__(preset)
        layout, hidden = self.layout, preset.model.hidden
        cells = layout.steps_per_quarter * layout.n_parts
        self.input_dropout = preset.training.decoder_input_dropout
        # Embeddings of notes before (`heard`), of their durations, and of notes still sounding.
        self.heard = nn.Embedding((cells + layout.n_parts) * layout.n_pitches, hidden)
        self.heard_duration = nn.Embedding(layout.max_duration_steps + 1, hidden)
        self.held = nn.Embedding(layout.n_parts * layout.n_pitches, hidden)
        for table in (self.heard, self.heard_duration, self.held):
            nn.init.normal_(table.weight, std=0.2)
        self.recurrence = nn.GRUCell(hidden, hidden)
        self.from_state = nn.Linear(preset.model.width, hidden)
        self.from_memory = nn.Linear(hidden, hidden)
        self.of_cell = nn.Parameter(torch.randn(cells, hidden) * 0.1)
        self.strictly_before: Tensor
        strictly_before = torch.ones(cells, cells).tril(-1)
        self.register_buffer("strictly_before", strictly_before, persistent=False)
        self.correct = nn.Linear(hidden, preset.model.rank + 1)
        nn.init.zeros_(self.correct.weight)
        nn.init.zeros_(self.correct.bias)

    def loss(self, z: Tensor, batch: Batch) -> NoteNLL:
        """Return the negative log-likelihood of a batch's notes, each given those before it."""
        notes = NoteIndex.from_batch(batch, self.layout)
        packing = QuarterPacking.from_batch(batch, self.layout)
        row = self.note_cells(notes, packing)
        without, with_context = self._with_and_without_context(z, batch, notes, packing)
        context_free = self.note_nll(*without, notes, row)
        nll = self.note_nll(*with_context, notes, row)
        return nll._replace(context_free_nll=context_free.total)

    @torch.no_grad()
    def decode_teacher_forced(self, z: Tensor, batch: Batch) -> Tensor:
        """Return the likeliest notes of each cell given the true ones before it, as rows."""
        packing = QuarterPacking.from_batch(batch, self.layout)
        notes = NoteIndex.from_batch(batch, self.layout)
        _, (onset, feature) = self._with_and_without_context(z, batch, notes, packing)
        chosen, duration = self.sample_cells(onset, feature, slice(None), 0.0, torch.Generator())
        return self._chosen_rows(chosen, duration, feature, packing)

    def _with_and_without_context(
        self, z: Tensor, batch: Batch, notes: NoteIndex, packing: QuarterPacking
    ) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
        """Return `cell_features` from the latent alone, and corrected by the true notes before."""
        x = self.hidden_states(z, batch, packing)
        onset, feature = self.cell_features(x, batch, packing)
        correction = self._context_corrections(x, batch, notes, packing)
        correction = F.pad(correction, (0, 0, 0, 0, 1, 0))  # none for carry-ins
        corrected = (onset + correction[..., -1], feature + correction[..., :-1])
        return (onset, feature), corrected

    def _context_corrections(
        self, x: Tensor, batch: Batch, notes: NoteIndex, packing: QuarterPacking
    ) -> Tensor:
        """Return what the notes before add to each cell. `(B, L*steps, R, rank + 1)`"""
        layout, (B, L, _) = self.layout, x.shape
        notes = notes.drop_notes(self.input_dropout) if self.training else notes
        steps, valid, quarters = layout.steps_per_quarter, notes.valid, packing.valid
        cells = steps * layout.n_parts
        quarter, step = notes.step // steps, notes.step % steps
        part_pitch = notes.part * layout.n_pitches + notes.pitch
        row = torch.where(notes.is_carry_in, steps, step) * layout.n_parts * layout.n_pitches
        row = (row + part_pitch)[valid]
        # One bag for each window's carry-ins, then one for each cell of the n unmasked quarters.
        nth = (quarters.flatten().cumsum(0) - 1).view_as(quarters)  # (B, L), 0 .. n-1
        cell = nth.gather(1, packing.position.gather(1, quarter)) * cells
        cell = cell + step * layout.n_parts + notes.part
        window = torch.arange(B, device=x.device)[:, None]
        bag = torch.where(notes.is_carry_in, window, B + cell)[valid]
        n = int(quarters.sum())
        tables = (self.heard.weight, self.heard_duration.weight)
        rows = (row, notes.duration[valid])
        emitted = embedding_sum(tables, rows, bag, B + round_up(n) * cells)
        carried, emitted = emitted[:B], emitted[B:].view(-1, cells, emitted.shape[-1])
        so_far = self.strictly_before @ emitted  # the sum over the cells before each
        per_quarter = torch.zeros(B, L, emitted.shape[-1], dtype=emitted.dtype, device=x.device)
        per_quarter = per_quarter.masked_scatter(quarters[..., None], emitted[:n].sum(1))
        memory = self._quarter_states(torch.cat([carried[:, None], per_quarter[:, :-1]], 1))
        start, first = self._note_and_quarter_offsets(batch, notes, packing)
        sounding = (start[:, None] < first) & (first < (start + notes.duration)[:, None])
        sounding = sounding & valid[:, None] & quarters[..., None]
        window, position, note = sounding.nonzero(as_tuple=True)
        bag = nth[window, position]
        held = weighted_embedding_sum(self.held.weight, part_pitch[window, note], bag, n)
        context = (self.from_memory(memory) + self.from_state(x))[quarters] + held  # (n, hidden)
        context = F.pad(context, (0, 0, 0, round_up(n) - n))
        of_cell = self.of_cell.to(so_far.dtype)
        hidden = F.silu(context.to(so_far.dtype)[:, None] + so_far + of_cell)  # (n, cells, hidden)
        corrections = self.correct(hidden)[:n]  # (n, cells, rank + 1)
        whole = corrections.new_zeros(B, L, *corrections.shape[1:])
        whole = whole.masked_scatter(quarters[..., None, None], corrections)
        return whole.reshape(B, L * steps, layout.n_parts, -1)

    def _quarter_states(self, emitted: Tensor) -> Tensor:
        """Return the state of the recurrence before each quarter. `(B, L, hidden)`"""
        state = emitted.new_zeros(len(emitted), emitted.shape[-1])
        states = []
        for q in range(emitted.shape[1]):
            state = self.recurrence(emitted[:, q], state)
            states.append(state)
        return torch.stack(states, 1)

    def _note_and_quarter_offsets(
        self, batch: Batch, notes: NoteIndex, packing: QuarterPacking
    ) -> tuple[Tensor, Tensor]:
        """Return unmasked steps before each note `(B, K)` and each packed quarter `(B, L, 1)`."""
        offsets = self.layout.cell_offsets(batch)
        first = offsets[:, :: self.layout.steps_per_quarter].gather(1, packing.index)
        return offsets.gather(1, notes.step), first[..., None]

    @torch.no_grad()
    def decode(
        self, z: Tensor, context: Batch, temperature: float, generator: torch.Generator
    ) -> Tensor:
        """Return notes as rows `(M, 8)`, decoded cell by cell, all windows in parallel."""
        layout, packing = self.layout, QuarterPacking.from_batch(context, self.layout)
        steps, parts = layout.steps_per_quarter, layout.n_parts
        x = self.hidden_states(z, context, packing)
        onset, feature = self.cell_features(x, context, packing)
        B, L = x.shape[:2]
        first = layout.cell_offsets(context)[:, ::steps].gather(1, packing.index)  # (B, L)
        until = torch.zeros(B, parts, layout.n_pitches, dtype=torch.long, device=z.device)
        chosen = torch.zeros(*onset.shape, layout.n_pitches, dtype=torch.bool)
        duration = torch.ones(onset.shape, dtype=torch.long)
        corrected = feature.clone()
        is_voice = self.is_voice.tolist()
        rows = self.heard.weight.view(steps + 1, parts, layout.n_pitches, -1)

        def emit(step: int, part: int, row: int, start: Tensor) -> Tensor:
            """Record until when the notes chosen in a cell sound; return their embedding."""
            new = chosen[:, row, part].to(z.device)
            length = duration[:, row, part].to(z.device)
            end = torch.where(new, (start + length)[:, None], 0)
            if is_voice[part]:  # a voice leaves its note for the next one, as in training
                until[:, part] = torch.where(new.any(-1, keepdim=True), end, until[:, part])
            else:
                until[:, part] = torch.where(new, end, until[:, part])
            n = new.sum(1, keepdim=True)
            embedding: Tensor = new.float() @ rows[step, part] + n * self.heard_duration(length)
            return embedding

        memory = z.new_zeros(B, rows.shape[-1])
        so_far = torch.zeros_like(memory)
        for part in range(parts):
            cells = onset[:, 0, part], feature[:, 0, part]
            notes = self.sample_cells(*cells, part, temperature, generator)
            chosen[:, 0, part], duration[:, 0, part] = notes
            so_far = so_far + emit(steps, part, 0, first[:, 0])
        for q in range(L):
            memory = self.recurrence(so_far, memory)
            begin = first[:, q, None, None]
            sounding = ((until > begin) & (begin > 0)).flatten(1)
            state = self.from_memory(memory) + self.from_state(x[:, q])
            state = state + sounding.float() @ self.held.weight
            so_far = torch.zeros_like(memory)
            for cell in range(steps * parts):
                step, part = divmod(cell, parts)
                row = 1 + q * steps + step
                change = self.correct(F.silu(state + so_far + self.of_cell[cell]))
                logits = onset[:, row, part] + change[:, -1]
                found = corrected[:, row, part] = feature[:, row, part] + change[:, :-1]
                notes = self.sample_cells(logits, found, part, temperature, generator)
                chosen[:, row, part], duration[:, row, part] = notes
                so_far = so_far + emit(step, part, row, first[:, q] + step)
        return self._chosen_rows(chosen, duration, corrected, packing)
