"""Networks and stored tensors that must fit each other, checked before memory is taken."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

import torch
from torch import Tensor, nn

from musicvae.config.preset import Preset
from musicvae.networks.vae import VAE

Network = TypeVar("Network", bound=nn.Module)


def build_to_fit(make: Callable[[], Network], tensors: Mapping[str, Tensor]) -> Network:
    """Return `make()`, once a copy of it without memory has the names and shapes of `tensors`.

    Raises `RuntimeError` if it has not.
    """
    try:
        with torch.device("meta"):
            wanted = {name: tensor.shape for name, tensor in make().state_dict().items()}
    except (TypeError, ValueError, OverflowError) as error:  # sizes beyond those of any tensor
        raise RuntimeError(str(error)) from None
    if wanted.keys() != tensors.keys():
        name = min(wanted.keys() ^ tensors.keys())
        raise RuntimeError(f"{'no' if name in wanted else 'an unknown'} tensor {name[:80]!r}")
    for name, shape in wanted.items():
        if tensors[name].shape != shape:
            found = "x".join(map(str, tensors[name].shape))
            raise RuntimeError(f"{name} is {found}, not {'x'.join(map(str, shape))}")
    return make()


def check_weights(preset: Preset, tensors: Mapping[str, Tensor]) -> None:
    """Raise `RuntimeError` unless tensors have the names and shapes of the preset's network.

    A size of the preset that no tensor has room for is refused before any layer is made.
    """
    model, largest = preset.model, max((tensor.numel() for tensor in tensors.values()), default=0)
    sizes = (model.latent, model.width, model.rank, model.kernel, preset.grid.max_steps)
    if max(sizes) > largest or max(model.blocks, len(preset.parts)) > max(len(tensors), largest):
        raise RuntimeError("sizes beyond those of its tensors")
    if model.blocks > len(tensors):
        raise RuntimeError(f"{len(tensors)} tensors for {model.blocks:,} blocks")
    with torch.device("meta"):
        build_to_fit(lambda: VAE(preset), tensors)
