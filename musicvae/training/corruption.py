"""Floor 7: what the encoder of a denoising model hears: windows with something wrong."""

from __future__ import annotations

import numpy as np
import torch

from musicvae.config.preset import Preset
from musicvae.data import Batch
from musicvae.data.corruption import Ground, corrupt, corrupt_all, drawn_amounts
from musicvae.networks.vae import rows_of, with_notes


def corrupted(
    batch: Batch,
    preset: Preset,
    rng: np.random.Generator,
    *,
    kind: str | None = None,
    amount: float | None = None,
) -> Batch:
    """The same windows with other notes; bars, meters and which parts sound stay as they are.

    `kind` and `amount` are those of the preset's training if not given. See `corruptions`. Of
    several kinds each window gets amounts of its own, which then stand in its `damage`.
    """
    training = preset.training
    ground = Ground(
        steps=batch.steps.cpu().numpy(),
        lead=batch.lead.cpu().numpy(),
        kinds=tuple(part.kind for part in preset.parts),
    )
    kinds, most = training.told, training.corruption_amount if amount is None else amount
    if kinds and kind is None:
        amounts = drawn_amounts(kinds, len(ground.steps), most, rng)
        rows = corrupt_all(rows_of(batch), ground, kinds, amounts, rng)
    else:
        kind = training.noise if kind is None else kind
        rows = corrupt(rows_of(batch), ground, kind, most, rng)
        amounts = np.zeros((len(ground.steps), len(kinds)))
        amounts[:, [kind == each for each in kinds]] = most
    told = torch.from_numpy(amounts).to(batch.damage)
    return with_notes(batch, torch.from_numpy(rows))._replace(damage=told)
