"""Augmentation of batches: corrupted inputs of denoising models, and mixed drum kits.

Takes of one drummer are similar, and a model trained on few kits takes unfamiliar beats for errors.
Drums of different takes played together are beats, too.
"""

from __future__ import annotations

import numpy as np
import torch

from musicvae.arrays import Ints, ragged_range
from musicvae.config.preset import Preset
from musicvae.data import Batch
from musicvae.data.corruption import WindowGrid, apply_corruptions, corrupt, sample_amounts
from musicvae.networks.vae import to_note_rows, with_notes
from musicvae.representation.note_table import BAR, PITCH, POSITION, WINDOW


def mix_drum_kits(batch: Batch, share: float, rng: np.random.Generator) -> Batch:
    """Replace some of the drums in a `share` of the windows by those of another window.

    The other window has the same bars. Each pitch is taken from either window with probability one
    half. For presets with a single slot, of drums.
    """
    B = len(batch.n_notes)
    partner = _random_partners(batch, rng)
    is_mixed = (rng.random(B) < share) & (partner != np.arange(B))
    rows = to_note_rows(batch)
    swapped = is_mixed[:, None] & (rng.random((B, 128)) < 0.5)  # pitches taken from the partner
    kept = rows[~swapped[rows[:, WINDOW], rows[:, PITCH]]]
    begin = np.searchsorted(rows[:, WINDOW], np.arange(B + 1))
    count = np.where(is_mixed, np.diff(begin)[partner], 0)
    window = np.repeat(np.arange(B), count)
    taken = rows[ragged_range(count, begin[partner])]
    taken[:, WINDOW] = window
    taken = taken[swapped[window, taken[:, PITCH]]]
    mixed = np.concatenate([kept, taken])
    mixed = mixed[np.lexsort(tuple(mixed[:, c] for c in (PITCH, POSITION, BAR, WINDOW)))]
    present = batch.present.clone()
    present[torch.from_numpy(is_mixed)] |= batch.present[torch.from_numpy(partner[is_mixed])]
    return with_notes(batch, torch.from_numpy(mixed))._replace(present=present)


def _random_partners(batch: Batch, rng: np.random.Generator) -> Ints:
    """Pair each window with another one of the same bars, or with itself if it has none, `(B,)`."""
    bars = torch.cat([batch.steps, batch.lead_steps, batch.meter], 1).numpy()
    group = np.unique(bars, axis=0, return_inverse=True)[1].reshape(-1)
    partner = np.arange(len(group))
    for each in np.unique(group).tolist():
        members = rng.permutation(np.flatnonzero(group == each))
        partner[members] = np.roll(members, 1)
    return partner


def corrupt_batch(
    batch: Batch,
    preset: Preset,
    rng: np.random.Generator,
    *,
    kind: str | None = None,
    amount: float | None = None,
) -> Batch:
    """Return the windows with corrupted notes; bars, meters and present parts are unchanged.

    `kind` and `amount` default to those of the preset's training; see `musicvae.data.corruption`.
    With several kinds each window draws its own amounts, which are in the `corruption` of the
    result.
    """
    training = preset.training
    grid = WindowGrid(
        steps=batch.steps.cpu().numpy(),
        lead_steps=batch.lead_steps.cpu().numpy(),
        kinds=tuple(part.kind for part in preset.parts),
    )
    kinds, max_amount = training.condition_kinds, amount
    if max_amount is None:
        max_amount = training.corruption_amount
    if kinds and kind is None:
        amounts = sample_amounts(kinds, len(grid.steps), max_amount, rng)
        rows = apply_corruptions(to_note_rows(batch), grid, kinds, amounts, rng)
    else:
        kind = training.effective_corruption if kind is None else kind
        rows = corrupt(to_note_rows(batch), grid, kind, max_amount, rng)
        amounts = np.zeros((len(grid.steps), len(kinds)))
        amounts[:, [kind == each for each in kinds]] = max_amount
    condition = torch.from_numpy(amounts).to(batch.corruption)
    return with_notes(batch, torch.from_numpy(rows))._replace(corruption=condition)
