"""Floor 6: how probable each note of a song is, to a model that learned to mend."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from musicvae.arrays import Floats32, Ints
from musicvae.config.preset import Preset
from musicvae.data import Batch
from musicvae.data.batch import ModelInput, WindowBatcher, fits_preset
from musicvae.errors import ConfigError
from musicvae.networks.cell_decoder import CellDecoder
from musicvae.networks.vae import VAE, without_notes
from musicvae.representation.bars import cell_index
from musicvae.representation.windows import window_bounds

_CHUNK = 32  # windows at once


@dataclass(frozen=True, kw_only=True, eq=False)
class NotePosterior:
    """What is believed of one group of a song's parts, in its own key; cells are open ones."""

    source: ModelInput
    probability: Floats32  # (cells, R, P) that this pitch starts here
    duration: Ints  # (cells, R) the likeliest length of what starts here
    known: NDArray[np.bool_]  # (cells,) what the model has heard at all
    lowest: int
    drums: NDArray[np.bool_]  # (R,) which slots are drums
    chordal: NDArray[np.bool_]  # (R,) which slots may start several notes at once

    @property
    def heard(self) -> tuple[Ints, Ints, Ints]:
        """Cell, slot and column of `probability` of each note of the group. `(M,)` each"""
        notes = self.source.group.notes
        return (
            cell_index(self.source.bars.grid, notes),
            notes.part,
            self.columns(notes.pitch, notes.part),
        )

    def columns(self, pitch: Ints, slot: Ints) -> Ints:
        """Columns of `probability` for pitches of the song. `(M,)`"""
        return np.clip(pitch - self.key_of(slot) - self.lowest, 0, self.probability.shape[2] - 1)

    def pitches(self, column: Ints, slot: Ints) -> Ints:
        """The inverse of `columns`."""
        return column + self.key_of(slot) + self.lowest

    def key_of(self, slot: Ints) -> Ints:
        """What was taken off the pitches of slots; nothing off drums. `(M,)`"""
        return np.where(self.drums[slot], 0, self.source.key)


def corruption_vector(preset: Preset, damage: Mapping[str, float]) -> torch.Tensor:
    """Amounts of damage by name as the model is told them. `(D,)`

    Raises `ConfigError` if it learned of no such damage.
    """
    kinds = preset.training.condition_kinds
    unknown = [name for name in damage if name not in kinds]
    if not kinds or unknown:
        learned = f"it knows {', '.join(kinds)}" if kinds else "it did not learn to mend notes"
        what = f"damage by {unknown[0]}" if unknown else "repair"
        raise ConfigError(
            f"{preset.name}: not a model for {what}: {learned}; choose another --checkpoint"
        )
    return torch.tensor([damage.get(name, 0.0) for name in kinds])


def require_cell_decoder(vae: VAE) -> CellDecoder:
    """The decoder, if it is one that says of each cell by itself how probable notes are."""
    if not isinstance(vae.decoder, CellDecoder):
        raise ConfigError(f"{vae.preset.name}: not a model for repair: choose another --checkpoint")
    return vae.decoder


@torch.no_grad()
def note_posterior(
    vae: VAE, sources: list[ModelInput], damage: Mapping[str, float]
) -> list[NotePosterior]:
    """What the model believes of every cell of these sources, all over the same bars, if its notes
    may have this damage. Windows overlap by half, and the middle of each counts most.

    Raises `ConfigError` if the model learned of no such damage.
    """
    preset, device, grid = vae.preset, next(vae.parameters()).device, sources[0].bars.grid
    amounts, decoder = corruption_vector(preset, damage), require_cell_decoder(vae)
    cutter, size, R = WindowBatcher(sources, preset, amounts), preset.grid.bars, len(preset.parts)
    first, stop = window_bounds(len(grid), size, max(1, size // 2))
    fits = fits_preset(grid, first, stop, preset)
    first, stop = first[fits], stop[fits]
    lay = vae.layout
    nth, begin = np.repeat(np.arange(len(sources)), len(first)), np.tile(first, len(sources))
    shape = (len(sources), int(grid.cell_offsets[-1]), R)
    total, length = np.zeros((*shape, lay.pitches), np.float32), np.zeros(shape, np.int64)
    weight, best = np.zeros(shape[:2], np.float32), np.zeros(shape[:2], np.float32)
    place = np.arange(size)
    trust = np.minimum(place + 1, size - place).astype(np.float32)  # of each bar of a window
    for i in range(0, len(nth), _CHUNK):
        source, at = nth[i : i + _CHUNK], begin[i : i + _CHUNK]
        batch = Batch(*(tensor.to(device) for tensor in cutter.batch(source, at)))
        slices = vae.latent_slices(vae.encode(batch).mu)
        probability, duration = (t.numpy() for t in decoder.note_probabilities(slices, without_notes(batch)))
        window, cell, bar, column = unmasked_cells(batch, at, lay.max_steps, grid.cell_offsets)
        for w in range(len(at)):  # windows of a source overlap
            mine = window == w
            c, k, s = cell[mine], column[mine], source[w]
            sure = trust[bar[mine]]
            total[s, c] += sure[:, None, None] * probability[w, k]
            weight[s, c] += sure
            better = sure > best[s, c]
            length[s, c[better]] = duration[w, k[better]]
            best[s, c[better]] = sure[better]
    total /= np.maximum(weight, 1e-9)[..., None, None]
    kinds = np.array([part.kind for part in preset.parts])
    return [
        NotePosterior(
            source=source,
            probability=total[s],
            duration=length[s],
            known=weight[s] > 0,
            lowest=lay.lowest,
            drums=kinds == "drums",
            chordal=kinds != "voice",
        )
        for s, source in enumerate(sources)
    ]


def unmasked_cells(
    batch: Batch, first: Ints, width: int, base: Ints
) -> tuple[Ints, Ints, Ints, Ints]:
    """Of each open cell of windows: the window, the cell of the song, the bar and the column."""
    steps, lead = batch.steps.cpu().numpy(), batch.lead.cpu().numpy()
    step = np.arange(width)
    window, bar, at = np.nonzero((step >= lead[..., None]) & (step < steps[..., None]))
    cell = base[first[window] + bar] + at - lead[window, bar]
    return window, cell, bar, bar * width + at
