"""Floor 7: what the encoder of a denoising model hears: windows with something wrong."""

from __future__ import annotations

import numpy as np
import torch

from musicvae.config import Preset
from musicvae.corruptions import Ground, corrupt
from musicvae.dataset import Batch
from musicvae.models.vae import rows_of, with_notes


def corrupted(
    batch: Batch,
    preset: Preset,
    rng: np.random.Generator,
    *,
    kind: str | None = None,
    amount: float | None = None,
) -> Batch:
    """The same windows with other notes; bars, meters and which parts sound stay as they are.

    `kind` and `amount` are those of the preset's training if not given. See `corruptions`.
    """
    training = preset.training
    ground = Ground(
        steps=batch.steps.cpu().numpy(),
        lead=batch.lead.cpu().numpy(),
        kinds=tuple(part.kind for part in preset.parts),
    )
    rows = corrupt(
        rows_of(batch),
        ground,
        training.noise if kind is None else kind,
        training.corruption_amount if amount is None else amount,
        rng,
    )
    return with_notes(batch, torch.from_numpy(rows))
