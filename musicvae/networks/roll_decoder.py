"""Floor 5: the roll decoder. Latent slices -> the piano roll itself, in one shot.

The mirror image of the encoder: convolutions over quarters, then one linear map from what is known
of a quarter to all of its cells, an onset and a sustain plane over every pitch. Planes become notes
by a threshold, and by the rule of `rolls.from_roll`: a note lasts as long as its pitch is
sustained. It knows notes as cells, not as things: nothing ties a note's end to its beginning.
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
from musicvae.networks.layers import NoteIndex, QuarterPacking, Trunk
from musicvae.representation.grid import Grid
from musicvae.representation.pianoroll import PLANES, from_roll

_UNLIKELY = -4.0  # log-odds of a cell before anything is learned


class RollDecoder(Trunk):
    """`z` `(B, slices, latent)` and the bars of a batch -> a roll of two planes.

    With `model.loss = "cross-entropy"` the roll holds log-odds, one Bernoulli a cell; with
    `squared` it holds the values themselves, which should be 0 or 1.
    """

    def __init__(self, preset: Preset) -> None:
        super().__init__(preset)
        lay = self.layout
        self.squared = preset.model.loss == "squared"
        self.out = nn.Linear(preset.model.width, lay.steps * lay.parts * 2 * lay.pitches)
        nn.init.normal_(self.out.weight, std=0.02)
        nn.init.constant_(self.out.bias, 0.0 if self.squared else _UNLIKELY)
        single = torch.tensor([part.kind == "voice" for part in preset.parts])
        self.single: Tensor
        self.register_buffer("single", single, persistent=False)

    def planes(self, z: Tensor, batch: Batch, packing: QuarterPacking) -> Tensor:
        """What is said of each cell of the open quarters. `(B, L*steps, R, 2, P)`"""
        lay, x = self.layout, self.states(z, batch, packing)
        return self.out(x).reshape(len(x), -1, lay.parts, 2, lay.pitches).float()

    def target(self, batch: Batch, packing: QuarterPacking) -> Tensor:
        """The onset and sustain planes of a batch's notes, 0 and 1. `(B, L*steps, R, 2, P)`"""
        lay, at = self.layout, NoteIndex.of(batch, self.layout)
        B, rows = len(batch.notes), packing.index.shape[1] * lay.steps
        line = lay.line(batch)  # (B, N*T)
        begin = line.gather(1, at.cell)
        place = at.part * lay.pitches + at.pitch
        real = at.real.float()
        # Onsets, each in its packed cell.
        row = packing.place.gather(1, at.cell // lay.steps) * lay.steps + at.cell % lay.steps
        starts = at.real & ~at.carry
        onset = begin.new_zeros(B, rows * lay.parts * lay.pitches, dtype=torch.float32)
        where = (row * lay.parts * lay.pitches + place) * starts
        onset = onset.scatter_add(1, where, starts.float()).clamp(max=1)
        # Sustain: +1 where it begins and -1 where it ends along the open cells, summed up.
        width = lay.parts * lay.pitches
        edges = begin.new_zeros(B, (lay.longest + 1) * width, dtype=torch.float32)
        first = begin + (~at.carry).long()
        last = (begin + at.duration).clamp(max=lay.longest)
        first = torch.minimum(first, last)
        edges = edges.scatter_add(1, (first * width + place) * at.real, real)
        edges = edges.scatter_add(1, (last * width + place) * at.real, -real)
        sounding = edges.reshape(B, lay.longest + 1, width).cumsum(1) > 0.5
        steps = torch.arange(lay.steps, device=line.device)
        cell = (packing.index[..., None] * lay.steps + steps).flatten(1)  # (B, rows)
        index = line.gather(1, cell)[..., None].expand(-1, -1, width)
        sustain = sounding.gather(1, index).float()
        shape = (B, rows, lay.parts, lay.pitches)
        return torch.stack([onset.reshape(shape), sustain.reshape(shape)], 3)

    def loss(self, z: Tensor, batch: Batch) -> NoteNLL:
        """What the roll costs, its onset plane as `onset`, its sustain plane as `duration`.

        Cross-entropy: ``-sum(x log p + (1 - x) log(1 - p))`` in nats. Squared: ``||x - x'||^2``,
        up to a constant the nats under a Gaussian of variance 1/2. Cells that are not there, and
        those of silent parts, cost nothing.
        """
        packing = QuarterPacking.of(batch, self.layout)
        said, target = self.planes(z, batch, packing), self.target(batch, packing)
        if self.squared:
            cost = (said - target) ** 2
        else:
            cost = F.binary_cross_entropy_with_logits(said, target, reduction="none")
        cost = cost * self.able(batch, packing)[..., None, None]
        onset, sustain = cost.sum((1, 2, 4)).unbind(1)
        none = torch.zeros_like(onset)
        return NoteNLL(onset=onset, pitch=none, duration=sustain, touch=none, direct=none)

    @torch.no_grad()
    def decode(
        self, z: Tensor, frame: Batch, temperature: float, generator: torch.Generator
    ) -> Tensor:
        """Notes as rows; see `VAE.decode`."""
        packing = QuarterPacking.of(frame, self.layout)
        return self.notes(self.planes(z, frame, packing), frame, packing, temperature, generator)

    def notes(
        self,
        said: Tensor,
        frame: Batch,
        packing: QuarterPacking,
        temperature: float,
        generator: torch.Generator,
    ) -> Tensor:
        """Planes as `planes` gives them -> notes as rows, the inverse of `target` at temperature 0.

        A sustained run without an onset is no note, except from the window's first cell on, where
        it is a carry-in.
        """
        lay = self.layout
        if self.squared:
            said = said.clamp(1e-4, 1 - 1e-4).logit()
        able = self.able(frame, packing)[..., None, None]
        yes = sample_bernoulli(said.cpu(), temperature, generator) & able.cpu()
        onset, held = yes.unbind(3)  # (B, L*steps, R, P)
        single = self.single.cpu()[:, None]
        best = F.one_hot(said[:, :, :, 0].argmax(-1).cpu(), lay.pitches).bool()
        onset = onset & (best | ~single)
        # What sounds on from before the window counts as an onset while the runs are measured.
        B, steps, lead = len(said), frame.steps.cpu().numpy(), frame.lead.cpu().numpy()
        window, first = torch.arange(B), torch.from_numpy(lead[:, 0] % lay.steps)
        begins = onset[window, first]  # (B, R, P)
        carried = held[window, first] & ~begins & ~(single & begins.any(-1, keepdim=True))
        onset[window, first] = begins | carried
        silent = [torch.zeros_like(held)] * (len(PLANES) - 2)
        planes = torch.stack([onset, held, *silent], 3)
        packed = planes.reshape(B, packing.index.shape[1], -1).to(torch.uint8)
        roll = packing.cpu().unpack(packed)  # (B, Q, steps * R * C * P)
        shape = (B * lay.bars, lay.max_steps, lay.parts, len(PLANES), lay.pitches)
        notes, _ = from_roll(roll.reshape(shape).permute(0, 2, 3, 1, 4).numpy(), _grid(steps, lead))
        window_, bar = np.divmod(notes.bar, lay.bars)
        over = (bar == 0) & (notes.step == lead[window_, 0])
        over &= carried.numpy()[window_, notes.part, notes.pitch]
        position = np.where(over, 0, 1 + notes.step)
        rows = np.zeros((len(notes), 1 + len(NOTE_FIELDS)), np.int64)
        known = (window_, bar, position, notes.part, notes.pitch + lay.lowest, notes.duration)
        rows[:, : len(known)] = np.stack(known, 1)
        return torch.from_numpy(rows)


def _grid(steps: np.ndarray, lead: np.ndarray) -> Grid:
    """The bars of all windows one after the other; only their cells count here."""
    none = np.zeros(steps.size, np.int64)
    return Grid(
        steps_per_quarter=1,
        ticks_per_quarter=1,
        steps=steps.reshape(-1),
        lead_steps=lead.reshape(-1),
        **dict.fromkeys(("numerator", "denominator", "start_ticks", "length_ticks"), none),
    )
