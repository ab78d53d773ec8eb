"""Floor 5: which device to compute on, in which precision, compiled or not."""

from __future__ import annotations

import torch
from torch import nn

from musicvae.errors import ConfigError
from musicvae.networks.layers import Block


def is_bf16_fast(device: str) -> bool:
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


def pick_precision(name: str, device: str) -> str:
    """One of `config.PRECISIONS`; for `auto` bf16 where the device has instructions for it.

    Raises `ConfigError` where the device cannot train in the one named.
    """
    where = pick_device(device)
    if name == "16-mixed" and where != "cuda":
        raise ConfigError(
            f"--precision 16-mixed: gradients in fp16 need a GPU of CUDA, and this is {where}; "
            "use bf16-mixed or 32-true"
        )
    if name != "auto":
        return name
    return "bf16-mixed" if is_bf16_fast(where) else "32-true"


def autocast(device: torch.device, precision: str) -> torch.autocast:
    """A context in which matrices are multiplied in `precision`; losses stay in float32."""
    half = {"bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}.get(precision)
    return torch.autocast(device.type, half or torch.bfloat16, enabled=half is not None)


def compile_blocks(model: nn.Module, device: str) -> str:
    """Let torch.compile make a model's blocks, for any number of rows; why not, if it cannot."""
    try:
        torch.compile(lambda x: x.sin() + 1)(torch.ones(4, device=device))
    except (RuntimeError, OSError, ImportError) as error:
        return str(error).strip().split("\n")[0]
    for module in model.modules():
        if isinstance(module, Block):
            module.compile(dynamic=True)
    return ""
