"""Posterior probabilities of the notes of a song under a denoising model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch

from musicvae.arrays import Bools, Floats32, Ints
from musicvae.config.loading import current_corruption
from musicvae.config.preset import Preset
from musicvae.data import Batch
from musicvae.data.batch import ModelInput, WindowBatcher, fits_preset
from musicvae.errors import ConfigError
from musicvae.networks.cell_decoder import CellDecoder
from musicvae.networks.step_decoder import StepDecoder
from musicvae.networks.vae import VAE, without_notes
from musicvae.representation.bars import cell_index
from musicvae.representation.windows import window_bounds

BATCH_SIZE = 32  # windows


@dataclass(frozen=True, kw_only=True, eq=False)
class NotePosterior:
    """Probabilities of the notes of one pass, in its own key, for the unmasked cells of its bars.

    R slots, P pitches of the model.
    """

    model_input: ModelInput
    onset_probability: Floats32  # (cells, R, P) that a note of this pitch starts here
    duration_steps: Ints  # (cells, R) most probable duration of a note that starts here
    is_covered: Bools  # (cells,) whether the cell lies in a window that the model takes
    lowest_pitch: int  # of the model
    is_drum: Bools  # (R,)
    is_polyphonic: Bools  # (R,) whether several notes may start at once

    @property
    def observed(self) -> tuple[Ints, Ints, Ints]:
        """Cell, slot and column of `onset_probability` of each note of the pass. `(M,)` each"""
        notes = self.model_input.model_pass.notes
        return (
            cell_index(self.model_input.bars.grid, notes),
            notes.part,
            self.pitch_to_column(notes.pitch, notes.part),
        )

    def pitch_to_column(self, pitch: Ints, slot: Ints) -> Ints:
        """Return the columns of `onset_probability` for pitches of the song. `(M,)`"""
        column = pitch - self.transposition(slot) - self.lowest_pitch
        return np.clip(column, 0, self.onset_probability.shape[2] - 1)

    def column_to_pitch(self, column: Ints, slot: Ints) -> Ints:
        """Return the pitches of columns, the inverse of `pitch_to_column`. `(M,)`"""
        return column + self.transposition(slot) + self.lowest_pitch

    def transposition(self, slot: Ints) -> Ints:
        """Return the semitones subtracted from the pitches of slots, 0 for drums. `(M,)`"""
        return np.where(self.is_drum[slot], 0, self.model_input.key)


def corruption_vector(preset: Preset, corruption: Mapping[str, float]) -> torch.Tensor:
    """Return amounts of corruption by kind as the model's condition. `(D,)`

    Names of kinds from earlier versions are accepted. Raises `ConfigError` for kinds that the model
    was not trained on.
    """
    kinds = preset.training.condition_kinds
    amounts = {current_corruption(name): share for name, share in corruption.items()}
    unknown = [name for name in amounts if name not in kinds]
    if not kinds or unknown:
        task = f"corruption by {unknown[0]}" if unknown else "denoising"
        reason = f"was not trained on {task}"
        trained = f" (but on {', '.join(kinds)})" if kinds else ""
        raise ConfigError(f"{preset.name}: {reason}{trained}; choose another --checkpoint")
    return torch.tensor([amounts.get(name, 0.0) for name in kinds])


def require_cell_decoder(vae: VAE) -> CellDecoder:
    """Return the decoder; raise `ConfigError` unless it gives each cell's probabilities alone."""
    decoder = vae.decoder
    if not isinstance(decoder, CellDecoder) or isinstance(decoder, StepDecoder):
        raise ConfigError(
            f"{vae.preset.name}: a model with decoder={vae.preset.model.decoder} cannot denoise; "
            "choose another --checkpoint"
        )
    return decoder


@torch.no_grad()
def note_posterior(
    vae: VAE, inputs: list[ModelInput], corruption: Mapping[str, float]
) -> list[NotePosterior]:
    """Return the note probabilities of inputs over the same bars, given amounts of corruption.

    Windows overlap by half; their probabilities are averaged, weighted towards the middle of each.
    Raises `ConfigError` for kinds of corruption that the model was not trained on.
    """
    preset, device, grid = vae.preset, next(vae.parameters()).device, inputs[0].bars.grid
    amounts, decoder = corruption_vector(preset, corruption), require_cell_decoder(vae)
    batcher, size, R = WindowBatcher(inputs, preset, amounts), preset.grid.bars, len(preset.parts)
    first, stop = window_bounds(len(grid), size, max(1, size // 2))
    fits = fits_preset(grid, first, stop, preset)
    first = first[fits]
    layout, offsets = vae.layout, grid.cell_offsets
    sources, begin = np.repeat(np.arange(len(inputs)), len(first)), np.tile(first, len(inputs))
    shape = (len(inputs), int(offsets[-1]), R)
    total = np.zeros((*shape, layout.n_pitches), np.float32)
    length = np.zeros(shape, np.int64)
    weight, best = np.zeros(shape[:2], np.float32), np.zeros(shape[:2], np.float32)
    index = np.arange(size)
    bar_weight = np.minimum(index + 1, size - index).astype(np.float32)
    for i in range(0, len(sources), BATCH_SIZE):
        source, at = sources[i : i + BATCH_SIZE], begin[i : i + BATCH_SIZE]
        batch = Batch(*(tensor.to(device) for tensor in batcher.batch(source, at)))
        slices = vae.latent_slices(vae.encode(batch).mu)
        context = without_notes(batch)
        probability, duration = (t.numpy() for t in decoder.note_probabilities(slices, context))
        window, cell, bar, column = unmasked_cells(batch, at, layout.max_bar_steps, offsets)
        for w in range(len(at)):  # one by one, since windows of an input overlap
            own = window == w
            c, k, s = cell[own], column[own], source[w]
            share = bar_weight[bar[own]]
            total[s, c] += share[:, None, None] * probability[w, k]
            weight[s, c] += share
            better = share > best[s, c]
            length[s, c[better]] = duration[w, k[better]]
            best[s, c[better]] = share[better]
    total /= np.maximum(weight, 1e-9)[..., None, None]
    kinds = np.array([part.kind for part in preset.parts])
    return [
        NotePosterior(
            model_input=model_input,
            onset_probability=total[s],
            duration_steps=length[s],
            is_covered=weight[s] > 0,
            lowest_pitch=layout.lowest_pitch,
            is_drum=kinds == "drums",
            is_polyphonic=kinds != "voice",
        )
        for s, model_input in enumerate(inputs)
    ]


def unmasked_cells(
    batch: Batch, first: Ints, bar_width: int, cell_offsets: Ints
) -> tuple[Ints, Ints, Ints, Ints]:
    """Return the unmasked cells of windows that begin at bars `first` `(B,)` of a song.

    `bar_width` is the number of columns of a bar, `cell_offsets` `(N + 1,)` the first cell of each
    of the song's bars. Returns window, cell in the song, bar in the window and column, `(C,)` each.
    """
    steps, lead = batch.steps.cpu().numpy(), batch.lead_steps.cpu().numpy()
    step = np.arange(bar_width)
    window, bar, at = np.nonzero((step >= lead[..., None]) & (step < steps[..., None]))
    cell = cell_offsets[first[window] + bar] + at - lead[window, bar]
    return window, cell, bar, bar * bar_width + at
