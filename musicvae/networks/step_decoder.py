"""Floor 5: the flat decoder. One recurrence over all steps of a window, hearing what it played.

As in the reference's flat models (Roberts et al. 2018) a step reads its latent slice and the notes
of the step before, in training the true ones; the window's whole latent is its first state. Inside
a step the parts follow one another. Nothing of a cell is said without the recurrence, which makes
this the slowest way to learn pitches: it is here to be compared with.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from musicvae.config.preset import Preset
from musicvae.data import Batch
from musicvae.networks.cell_decoder import NEVER, CellDecoder, NoteNLL
from musicvae.networks.layers import NoteIndex, QuarterPacking


class StepDecoder(CellDecoder):
    """`z` `(B, slices, latent)` and the bars of a batch -> notes, one step after another."""

    def __init__(self, preset: Preset) -> None:
        super().__init__(preset)
        for direct in ("cell", "carried", "onset", "carry_onset"):
            delattr(self, direct)
        self.blocks = nn.ModuleList()
        lay, model, hidden = self.layout, preset.model, preset.model.hidden
        self.deaf = preset.training.hearing_dropout
        self.sampled = preset.training.scheduled_sampling
        self.heard = nn.Embedding(lay.parts * lay.pitches, hidden)
        self.heard_duration = nn.Embedding(lay.longest + 1, hidden)
        self.of_step = nn.Parameter(torch.randn(lay.steps + 1, hidden) * 0.1)  # last: carry-ins
        self.of_part = nn.Parameter(torch.randn(lay.parts, hidden) * 0.1)
        self.begin = nn.Linear(self.slices * model.latent, hidden)
        self.from_state = nn.Linear(model.width, hidden)
        self.recurrence = nn.GRU(hidden, hidden, batch_first=True)
        self.say = nn.Linear(hidden, hidden)
        self.tell = nn.Linear(hidden, model.rank + 1)

    def loss(self, z: Tensor, batch: Batch) -> NoteNLL:
        """Negative log-likelihood of a batch's notes, each given those before it."""
        at, packing = NoteIndex.of(batch, self.layout), QuarterPacking.of(batch, self.layout)
        row = self._row(at, packing)
        heard = self._played(at.thinned(self.deaf) if self.training else at, row, packing)
        if self.training and self.sampled:
            heard = self._mixed(z, batch, heard, packing)
        return self.weigh(*self._cells(z, batch, heard, packing), at, row)

    @torch.no_grad()
    def decode_teacher_forced(self, z: Tensor, batch: Batch) -> Tensor:
        """The likeliest notes of each cell when the true ones before it were heard."""
        at, packing = NoteIndex.of(batch, self.layout), QuarterPacking.of(batch, self.layout)
        heard = self._played(at, self._row(at, packing), packing)
        onset, feature = self._cells(z, batch, heard, packing)
        chosen, duration = self.choose(onset, feature, slice(None), 0.0, torch.Generator())
        return self._rows(chosen, duration, feature, packing)

    def _played(self, at: NoteIndex, row: Tensor, packing: QuarterPacking) -> Tensor:
        """What the notes of each cell sound like to later ones. `(B, 1 + L*steps, R, hidden)`"""
        lay, rows = self.layout, 1 + packing.index.shape[1] * self.layout.steps
        note = self.heard(at.part * lay.pitches + at.pitch) + self.heard_duration(at.duration)
        note = note * at.real[..., None]  # (B, K, hidden)
        place = ((row * lay.parts + at.part) * at.real)[..., None].expand_as(note)
        played = note.new_zeros(len(note), rows * lay.parts, note.shape[-1])
        return played.scatter_add(1, place, note).unflatten(1, (rows, lay.parts))

    def _mixed(self, z: Tensor, batch: Batch, heard: Tensor, packing: QuarterPacking) -> Tensor:
        """Some steps' true notes replaced by those the decoder would have played there, as it
        hears the true ones before (Bengio et al. 2015, in parallel as Duckworth et al. 2019).
        """
        with torch.no_grad():
            cells = self._cells(z, batch, heard, packing)
            chosen, duration = (
                each.to(z.device)
                for each in self.choose(*cells, slice(None), 0.0, torch.Generator())
            )
        table = self.heard.weight.view(self.layout.parts, self.layout.pitches, -1)
        own = torch.einsum("btrp,rph->btrh", chosen.to(table.dtype), table)
        own = own + chosen.sum(-1, keepdim=True) * self.heard_duration(duration)
        drawn = torch.rand(*heard.shape[:2], 1, 1, device=z.device) < self.sampled
        return torch.where(drawn, own.to(heard.dtype), heard)

    def _drive(self, z: Tensor, batch: Batch, packing: QuarterPacking) -> tuple[Tensor, Tensor]:
        """What each step is told besides notes `(B, 1 + L*steps, hidden)`, and the first state."""
        x = self.from_state(self.states(z, batch, packing))  # (B, L, hidden)
        steps = (x[:, :, None] + self.of_step[:-1]).flatten(1, 2)
        drive = torch.cat([x[:, :1] + self.of_step[-1], steps], 1)
        open_ = self.layout.open_steps(batch).reshape(len(z), self.slices, -1).any(-1)
        return drive, torch.tanh(self.begin((z * open_[..., None]).flatten(1)))[None]

    def _cells(
        self, z: Tensor, batch: Batch, heard: Tensor, packing: QuarterPacking
    ) -> tuple[Tensor, Tensor]:
        """Log-odds of onsets and cell features, as `CellDecoder.features` gives them."""
        drive, state = self._drive(z, batch, packing)
        before = F.pad(heard.sum(2)[:, :-1], (0, 0, 1, 0))  # (B, 1 + L*steps, hidden)
        said, _ = self.recurrence(drive + before, state)
        so_far = F.pad(heard[:, :, :-1].cumsum(2), (0, 0, 1, 0))  # the parts before, in its step
        hidden = F.silu(self.say(said)[:, :, None] + so_far + self.of_part)
        told = self.tell(hidden)  # (B, 1 + L*steps, R, rank + 1)
        onset = told[..., -1].masked_fill(~self._able(batch, packing), NEVER)
        return onset, told[..., :-1]

    def _able(self, batch: Batch, packing: QuarterPacking) -> Tensor:
        return torch.cat([batch.present[:, :1], self.able(batch, packing)], 1)

    @torch.no_grad()
    def decode(
        self, z: Tensor, frame: Batch, temperature: float, generator: torch.Generator
    ) -> Tensor:
        """Notes as rows, made cell after cell; windows side by side."""
        lay, packing = self.layout, QuarterPacking.of(frame, self.layout)
        drive, state = self._drive(z, frame, packing)
        able = self._able(frame, packing)  # (B, 1 + L*steps, R)
        chosen = torch.zeros(*able.shape, lay.pitches, dtype=torch.bool)
        duration = torch.ones(able.shape, dtype=torch.long)
        shapes = drive.new_zeros(*able.shape, self.rank)
        table = self.heard.weight.view(lay.parts, lay.pitches, -1)
        heard = torch.zeros_like(drive[:, 0])
        for row in range(able.shape[1]):
            said, state = self.recurrence((drive[:, row] + heard)[:, None], state)
            said, heard = self.say(said[:, 0]), torch.zeros_like(heard)
            for part in range(lay.parts):
                told = self.tell(F.silu(said + heard + self.of_part[part]))
                odds = told[:, -1].masked_fill(~able[:, row, part], NEVER)
                shape = shapes[:, row, part] = told[:, :-1]
                found = self.choose(odds, shape, part, temperature, generator)
                chosen[:, row, part], duration[:, row, part] = found
                new, length = (each.to(z.device) for each in found)
                n = new.sum(1, keepdim=True)
                heard = heard + new.to(table.dtype) @ table[part] + n * self.heard_duration(length)
        return self._rows(chosen, duration, shapes, packing)
