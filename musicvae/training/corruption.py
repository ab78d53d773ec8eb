"""Corrupted encoder inputs for denoising models."""

from __future__ import annotations

import numpy as np
import torch

from musicvae.config.preset import Preset
from musicvae.data import Batch
from musicvae.data.corruption import WindowGrid, apply_corruptions, corrupt, sample_amounts
from musicvae.networks.vae import to_note_rows, with_notes


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
