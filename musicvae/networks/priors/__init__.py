"""Priors over paths of latents, from which new songs are sampled.

In: `PathConditioning` (bars, meters, keys, active parts), and bars that are known already.
Out: latents `(n, W, Z)` of n songs of W windows. Fitted on frozen encodings by `training`.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from musicvae.config.plugins import plugin, plugin_name
from musicvae.networks.priors.base import Prior
from musicvae.networks.priors.flow import FlowPrior
from musicvae.networks.priors.gaussian import LinearGaussianPrior
from musicvae.networks.priors.midime import MidiMePrior

PLUGIN_MARK = "::"
"""Between the name of a prior that is a plug-in and the names of its tensors."""

__all__ = ["Prior", "load_prior", "prior_tensors"]


def load_prior(tensors: Mapping[str, Tensor], device: torch.device | str = "cpu") -> Prior | None:
    """Return the prior stored in a checkpoint's tensors, or None if there are none.

    Raises `TypeError` or `RuntimeError` if they are of an unknown kind, and `ConfigError` for a
    plug-in that is not installed.
    """
    if not tensors:
        return None
    kind, is_plugin, _ = next(iter(tensors)).partition(PLUGIN_MARK)
    if is_plugin:
        own = {n.partition(PLUGIN_MARK)[2]: tensor.to(device) for n, tensor in tensors.items()}
        restored: Prior = plugin("prior", kind).from_tensors(own)
        return restored
    if "step" in tensors:
        arrays = {name: tensor.float().numpy() for name, tensor in tensors.items()}
        return LinearGaussianPrior(**arrays)  # TypeError for other names
    if "small.shift" in tensors:
        return MidiMePrior.from_tensors(tensors)
    if "begin.weight" in tensors:
        return FlowPrior.from_tensors(tensors).to(device)
    raise TypeError("prior of an unknown kind")


def prior_tensors(prior: Prior | None) -> dict[str, Tensor]:
    """Return a prior's tensors, named as in a checkpoint: `prior.NAME`; inverts `load_prior`."""
    if prior is None:
        return {}
    kind = plugin_name("prior", type(prior))
    mark = "" if kind is None else f"{kind}{PLUGIN_MARK}"
    return {f"prior.{mark}{name}": torch.from_numpy(t) for name, t in prior.tensors().items()}
