"""Memory that a model needs, estimated before any of it is taken."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import torch

from musicvae.config.preset import Preset
from musicvae.errors import ConfigError
from musicvae.networks.vae import VAE, n_parameters

BYTES_PER_WEIGHT = 4
COPIES_IN_TRAINING = 6
"""Weights, gradients, two moments, the moving average, and the best state so far."""
_TENSORS_PER_BLOCK = 8  # activations that a residual block keeps for the backward pass


def count_parameters(preset: Preset) -> int:
    """Return the number of parameters of the network of a preset, without memory for them."""
    with torch.device("meta"):
        return n_parameters(VAE(preset))


def training_bytes(preset: Preset) -> int:
    """Return roughly how much memory training takes: weights and the activations of one batch."""
    weights = COPIES_IN_TRAINING * count_parameters(preset)
    quarters = preset.grid.bars * -(-preset.grid.max_steps // preset.grid.steps_per_quarter)
    cells = preset.grid.bars * preset.grid.max_steps * len(preset.parts)
    per_window = 2 * preset.model.blocks * _TENSORS_PER_BLOCK * quarters * preset.model.width
    per_window += cells * preset.model.rank
    return BYTES_PER_WEIGHT * (weights + preset.training.batch * per_window)


def available_bytes() -> int | None:
    """Return the memory that is free on this machine, None where the system does not tell."""
    if sys.platform == "linux":
        for line in Path("/proc/meminfo").read_text("ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return 1024 * int(line.split()[1])
    if sys.platform == "win32":
        return None
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def require_memory(preset: Preset, device: str = "cpu") -> None:
    """Raise `ConfigError` for a model whose training does not fit into the free memory.

    That of the GPU on `cuda`, else that of the machine, which other devices share.
    """
    needed = training_bytes(preset)
    free = torch.cuda.mem_get_info()[0] if device == "cuda" else available_bytes()
    if free is not None and needed > free:
        parameters, where = (
            count_parameters(preset) / 1e6,
            " on the GPU" if device == "cuda" else "",
        )
        raise ConfigError(
            f"preset {preset.name}: {parameters:,.0f} million parameters in batches of "
            f"{preset.training.batch:,} take about {needed / 2**30:,.0f} GB to train, and "
            f"{free / 2**30:,.0f} GB are free{where}; reduce model.width, model.blocks, "
            "model.latent or training.batch"
        )
