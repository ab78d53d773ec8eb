"""Device, numeric precision and compilation of models."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import torch
from torch import nn

from musicvae.errors import ConfigError
from musicvae.networks.layers import ConvBlock
from musicvae.threads import THREADS_SPIN

_Class = TypeVar("_Class", bound=type)


def is_bf16_fast(device: str) -> bool:
    """Return whether bf16 is faster than float32: on CUDA, and on CPUs with instructions for it."""
    if device != "cpu":
        return device == "cuda"
    probes = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(getattr(torch.cpu, probe, lambda: False)() for probe in probes)


def pick_device(name: str = "auto") -> str:
    """Return `cpu`, `cuda` or `mps`: the device named, or for `auto` the fastest available.

    Raises `ConfigError` if the device named is not available.
    """
    available = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    if name == "auto":
        return next(device for device, usable in available.items() if usable)
    if not available.get(name, False):
        raise ConfigError(f"--device {name}: not available to torch here; use --device cpu")
    return name


def pick_precision(name: str, device: str) -> str:
    """Return one of `config.training.PRECISIONS`; for `auto` bf16 where it is fast.

    Raises `ConfigError` if the device cannot train in the precision named.
    """
    picked = pick_device(device)
    if name == "16-mixed" and picked != "cuda":
        raise ConfigError(
            f"--precision 16-mixed: needs a CUDA GPU, and the device is {picked}; "
            "use bf16-mixed or 32-true"
        )
    if name != "auto":
        return name
    return "bf16-mixed" if is_bf16_fast(picked) else "32-true"


def autocast(device: torch.device, precision: str) -> torch.autocast:
    """Return a context that multiplies matrices in `precision`; losses stay in float32."""
    half = {"bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}.get(precision)
    return torch.autocast(device.type, half or torch.bfloat16, enabled=half is not None)


def compile_blocks(model: nn.Module, device: str) -> str:
    """Compile a model's convolution blocks for any number of rows.

    Returns the reason in one line if torch.compile does not work here, else an empty string.
    """
    try:
        torch.compile(lambda x: x.sin() + 1)(torch.ones(4, device=device))
    except (RuntimeError, OSError, ImportError) as error:
        return str(error).strip().split("\n")[0]
    for module in model.modules():
        if isinstance(module, ConvBlock):
            module.compile(dynamic=True)
    return ""


@contextmanager
def one_thread(*, needed: bool = THREADS_SPIN) -> Iterator[None]:
    """Compute in one thread if threads spin while they wait (`needed`).

    A song is decoded in many small products, so one thread is about as fast as several; threads
    that spin between them are several times slower as soon as other processes compute, too.
    """
    before = torch.get_num_threads()
    if needed:
        torch.set_num_threads(1)
    try:
        yield
    finally:
        if needed:
            torch.set_num_threads(before)


def in_one_thread(
    names: Iterable[str], *, needed: bool = THREADS_SPIN
) -> Callable[[_Class], _Class]:
    """Return a class decorator by which the methods `names` compute as in `one_thread`."""

    def decorate(cls: _Class) -> _Class:
        for name in names if needed else ():
            setattr(cls, name, one_thread(needed=True)(getattr(cls, name)))
        return cls

    return decorate
