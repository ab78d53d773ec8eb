"""Networks and stored tensors that must fit each other, checked before memory is taken."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TypeVar

import torch
from torch import Tensor, nn

from musicvae.config.preset import Preset
from musicvae.config.sections import DECODERS, ENCODERS
from musicvae.networks.layers import N_CHORD_FEATURES, Layout
from musicvae.networks.vae import VAE
from musicvae.representation.part_traits import SIZES as TRAIT_SIZES

Network = TypeVar("Network", bound=nn.Module)
MAX_UNCHECKED_WEIGHTS = 1 << 27
"""Half a gigabyte: networks that may be larger are built without memory first."""


def load_network(
    make: Callable[[], Network], tensors: Mapping[str, Tensor], max_weights: float
) -> Network:
    """Return `make()` with `tensors` as its weights, on the CPU, in evaluation mode.

    `max_weights` is an upper bound of its number of weights. Only where that is large is a copy
    without memory compared first: torch's meta device costs a second, for compilers it imports.
    Raises `RuntimeError` unless names and shapes of `tensors` are those of the network.
    """
    try:
        if max_weights > MAX_UNCHECKED_WEIGHTS:
            with torch.device("meta"):
                _require_same_shapes(make(), tensors)
        network = make()
    except (TypeError, ValueError, OverflowError) as error:  # sizes beyond those of any tensor
        raise RuntimeError(str(error)) from None
    _require_same_shapes(network, tensors)
    network.load_state_dict(tensors)
    return network.eval()


def load_vae(preset: Preset, tensors: Mapping[str, Tensor]) -> VAE:
    """Return the network of a preset with stored weights; arguments as of `load_network`."""
    return load_network(partial(VAE, preset), tensors, max_vae_weights(preset))


def max_vae_weights(preset: Preset) -> float:
    """Return an upper bound of the number of weights of a preset's network; inf with plug-ins."""
    config, layout = preset.model, Layout.from_preset(preset)
    if config.encoder not in ENCODERS or config.decoder not in DECODERS:
        return float("inf")
    rank = config.rank + 1
    widest = max(config.width, config.hidden, rank)
    cells = (layout.steps_per_quarter + 1) * layout.n_parts
    conditions = len(preset.meters) + 2 * len(preset.training.condition_kinds)
    squares = 2 * config.blocks * (config.kernel + 4) + config.kernel + layout.steps_per_quarter
    rows = cells * (6 * layout.n_pitches + rank) + 4 * layout.max_duration_steps
    rows += 4 * layout.Q * (config.latent + 2 + config.blocks) + 2 * conditions
    rows += 2 * N_CHORD_FEATURES + layout.n_parts * (layout.n_pitches + 2 * sum(TRAIT_SIZES))
    return widest * (widest * (squares + 24) + rows + 16 * config.blocks + 64)


def _require_same_shapes(network: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    wanted = {name: tensor.shape for name, tensor in network.state_dict().items()}
    if wanted.keys() != tensors.keys():
        name = min(wanted.keys() ^ tensors.keys())
        raise RuntimeError(f"{'no' if name in wanted else 'an unknown'} tensor {name[:80]!r}")
    for name, shape in wanted.items():
        if tensors[name].shape != shape:
            found = "x".join(map(str, tensors[name].shape))
            raise RuntimeError(f"{name} is {found}, not {'x'.join(map(str, shape))}")
