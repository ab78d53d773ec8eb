"""Floor 5: the list decoder. As the cell decoder, but each note hears those before it.

Notes are emitted in order (quarter, step, part). A recurrent network walks the quarters and reads
what was played in each; inside a quarter a running sum of embeddings holds what has been played so
far. Both correct what the latents alone say of the next cell, and the corrections begin at zero:
without that direct path a decoder that hears its own notes learns to ignore the latents.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from musicvae.config.preset import Preset
from musicvae.data import Batch
from musicvae.networks.cell_decoder import CellDecoder, NoteNLL
from musicvae.networks.layers import NoteIndex, QuarterPacking, rounded, summed, weighed


class NoteDecoder(CellDecoder):
    """`z` `(B, slices, latent)` and the bars of a batch -> notes, one after another."""

    def __init__(self, preset: Preset) -> None:
        super().__init__(preset)
        lay, hidden = self.layout, preset.model.hidden
        cells = lay.steps * lay.parts
        self.deaf = preset.training.hearing_dropout
        self.heard = nn.Embedding((cells + lay.parts) * lay.pitches, hidden)
        self.heard_duration = nn.Embedding(lay.longest + 1, hidden)
        self.held = nn.Embedding(lay.parts * lay.pitches, hidden)
        for table in (self.heard, self.heard_duration, self.held):
            nn.init.normal_(table.weight, std=0.2)
        self.recurrence = nn.GRUCell(hidden, hidden)
        self.from_state = nn.Linear(preset.model.width, hidden)
        self.from_memory = nn.Linear(hidden, hidden)
        self.of_cell = nn.Parameter(torch.randn(cells, hidden) * 0.1)
        self.before: Tensor
        self.register_buffer("before", torch.ones(cells, cells).tril(-1), persistent=False)
        self.correct = nn.Linear(hidden, preset.model.rank + 1)
        nn.init.zeros_(self.correct.weight)
        nn.init.zeros_(self.correct.bias)

    def loss(self, z: Tensor, batch: Batch) -> NoteNLL:
        """Negative log-likelihood of a batch's notes, each given those before it."""
        at, packing = NoteIndex.of(batch, self.layout), QuarterPacking.of(batch, self.layout)
        row = self._row(at, packing)
        alone, heard = self._both(z, batch, at, packing)
        direct = self.weigh(*alone, at, row)
        return self.weigh(*heard, at, row)._replace(direct=direct.total)

    @torch.no_grad()
    def decode_teacher_forced(self, z: Tensor, batch: Batch) -> Tensor:
        """The likeliest notes of each cell when the true ones before it were heard."""
        packing = QuarterPacking.of(batch, self.layout)
        _, heard = self._both(z, batch, NoteIndex.of(batch, self.layout), packing)
        chosen, duration = self.choose(*heard, slice(None), 0.0, torch.Generator())
        return self._rows(chosen, duration, heard[1], packing)

    def _both(
        self, z: Tensor, batch: Batch, at: NoteIndex, packing: QuarterPacking
    ) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
        """Log-odds and features as `features` gives them: of the cells alone, and corrected by
        what each hears of the true notes before it.
        """
        x = self.states(z, batch, packing)
        onset, feature = self.features(x, batch, packing)
        correction = self._corrections(x, batch, at, packing)  # (B, L*steps, R, rank + 1)
        correction = F.pad(correction, (0, 0, 0, 0, 1, 0))  # carry-ins hear nothing
        heard = (onset + correction[..., -1], feature + correction[..., :-1])
        return (onset, feature), heard

    def _corrections(self, x: Tensor, batch: Batch, at: NoteIndex, packing: QuarterPacking) -> Tensor:
        """What hearing the notes before changes in each cell. `(B, L*steps, R, rank + 1)`"""
        lay, (B, L, _) = self.layout, x.shape
        at = at.thinned(self.deaf) if self.training else at
        cells, there, real = lay.steps * lay.parts, at.real, packing.real
        quarter, step = at.cell // lay.steps, at.cell % lay.steps
        line = at.part * lay.pitches + at.pitch
        row = (torch.where(at.carry, lay.steps, step) * lay.parts * lay.pitches + line)[there]
        length = at.duration[there]  # (M,)
        # One place for each window's carry-ins, then one for each cell of the n open quarters.
        nth = (real.flatten().cumsum(0) - 1).view_as(real)  # (B, L), 0 .. n-1
        begun = nth.gather(1, packing.place.gather(1, quarter)) * cells + step * lay.parts + at.part
        window = torch.arange(B, device=x.device)[:, None]
        place = torch.where(at.carry, window, B + begun)[there]
        n = int(real.sum())
        n_places = B + rounded(n) * cells
        tables = (self.heard.weight, self.heard_duration.weight)
        played = summed(tables, (row, length), place, n_places)
        carried, played = played[:B], played[B:].view(-1, cells, played.shape[-1])
        so_far = self.before @ played  # the sum over the cells before each, as a matrix product
        each = torch.zeros(B, L, played.shape[-1], dtype=played.dtype, device=x.device)
        each = each.masked_scatter(real[..., None], played[:n].sum(1))
        memory = self._memories(torch.cat([carried[:, None], each[:, :-1]], 1))
        begin, first = self._line(batch, at, packing)
        on = (begin[:, None] < first) & (first < (begin + at.duration)[:, None]) & there[:, None]
        window, place, note = (on & real[..., None]).nonzero(as_tuple=True)
        held = weighed(self.held.weight, line[window, note], nth[window, place], n)
        context = (self.from_memory(memory) + self.from_state(x))[real] + held  # (n, hidden)
        context = F.pad(context, (0, 0, 0, rounded(n) - n))
        of_cell = self.of_cell.to(so_far.dtype)
        hidden = F.silu(context.to(so_far.dtype)[:, None] + so_far + of_cell)  # (n, cells, hidden)
        corrected = self.correct(hidden)[:n]  # (n, cells, rank + 1)
        whole = corrected.new_zeros(B, L, *corrected.shape[1:])
        whole = whole.masked_scatter(real[..., None, None], corrected)
        return whole.reshape(B, L * lay.steps, lay.parts, -1)

    def _memories(self, heard: Tensor) -> Tensor:
        """The recurrence over quarters: what was heard before each. `(B, L, hidden)`"""
        state = heard.new_zeros(len(heard), heard.shape[-1])
        states = []
        for q in range(heard.shape[1]):
            state = self.recurrence(heard[:, q], state)
            states.append(state)
        return torch.stack(states, 1)

    def _line(self, batch: Batch, at: NoteIndex, packing: QuarterPacking) -> tuple[Tensor, Tensor]:
        """Open cells before each note `(B, K)`, and before each packed quarter `(B, L, 1)`."""
        cells = self.layout.line(batch)
        first = cells[:, :: self.layout.steps].gather(1, packing.index)
        return cells.gather(1, at.cell), first[..., None]

    @torch.no_grad()
    def decode(
        self, z: Tensor, frame: Batch, temperature: float, generator: torch.Generator
    ) -> Tensor:
        """Notes as rows `(M, 8)`, made cell after cell; windows side by side."""
        lay, packing = self.layout, QuarterPacking.of(frame, self.layout)
        x = self.states(z, frame, packing)
        onset, feature = self.features(x, frame, packing)
        B, L = x.shape[:2]
        first = lay.line(frame)[:, :: lay.steps].gather(1, packing.index)  # (B, L)
        until = torch.zeros(B, lay.parts, lay.pitches, dtype=torch.long, device=z.device)
        chosen = torch.zeros(*onset.shape, lay.pitches, dtype=torch.bool)
        duration = torch.ones(onset.shape, dtype=torch.long)
        shapes = feature.clone()
        single = self.single.tolist()
        rows = self.heard.weight.view(lay.steps + 1, lay.parts, lay.pitches, -1)

        def hear(step: int, part: int, row: int, begin: Tensor) -> Tensor:
            """Note down what was chosen in a cell; what it sounds like to those after it."""
            new = chosen[:, row, part].to(z.device)
            length = duration[:, row, part].to(z.device)
            end = torch.where(new, (begin + length)[:, None], 0)
            if single[part]:  # a voice leaves its note for the next one, as in training
                until[:, part] = torch.where(new.any(-1, keepdim=True), end, until[:, part])
            else:
                until[:, part] = torch.where(new, end, until[:, part])
            n = new.sum(1, keepdim=True)
            heard: Tensor = new.float() @ rows[step, part] + n * self.heard_duration(length)
            return heard

        memory = z.new_zeros(B, rows.shape[-1])
        heard = torch.zeros_like(memory)
        for part in range(lay.parts):
            found = self.choose(
                onset[:, 0, part], feature[:, 0, part], part, temperature, generator
            )
            chosen[:, 0, part], duration[:, 0, part] = found
            heard = heard + hear(lay.steps, part, 0, first[:, 0])
        for q in range(L):
            memory = self.recurrence(heard, memory)
            sounding = ((until > first[:, q, None, None]) & (first[:, q, None, None] > 0)).flatten(
                1
            )
            context = self.from_memory(memory) + self.from_state(x[:, q])
            context = context + sounding.float() @ self.held.weight
            heard = torch.zeros_like(memory)
            for cell in range(lay.steps * lay.parts):
                step, part = divmod(cell, lay.parts)
                row = 1 + q * lay.steps + step
                change = self.correct(F.silu(context + heard + self.of_cell[cell]))
                odds = onset[:, row, part] + change[:, -1]
                shape = shapes[:, row, part] = feature[:, row, part] + change[:, :-1]
                found = self.choose(odds, shape, part, temperature, generator)
                chosen[:, row, part], duration[:, row, part] = found
                heard = heard + hear(step, part, row, first[:, q] + step)
        return self._rows(chosen, duration, shapes, packing)
