"""Floor 5: which device to compute on."""

from __future__ import annotations

import torch

from musicvae.errors import ConfigError


def bf16_pays(device: str) -> bool:
    """Whether bf16 is faster there: on GPUs, and on processors with instructions for it."""
    if device != "cpu":
        return device == "cuda"
    probes = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(getattr(torch.cpu, probe, lambda: False)() for probe in probes)


def pick_device(name: str = "auto") -> str:
    """`cpu`, `cuda` or `mps`: the one named, or the best there is for `auto`.

    Raises `ConfigError` if the one named is not there.
    """
    there = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    if name == "auto":
        return next(device for device, usable in there.items() if usable)
    if not there.get(name, False):
        raise ConfigError(f"--device {name}: torch finds none here; use --device cpu")
    return name
