"""Priors over paths of latents, from which new songs are sampled.

In: `PathConditioning` (bars, meters, keys, active parts), and bars that are known already.
Out: latents `(n, W, Z)` of n songs of W windows. Fitted on frozen encodings by `training`.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from musicvae.networks.priors.base import Prior
from musicvae.networks.priors.flow import FlowPrior
from musicvae.networks.priors.gaussian import LinearGaussianPrior
from musicvae.networks.priors.midime import MidiMePrior

__all__ = ["Prior", "load_prior", "prior_tensors"]


def load_prior(tensors: Mapping[str, Tensor], device: torch.device | str = "cpu") -> Prior | None:
    """Return the prior stored in a checkpoint's tensors, or None if there are none.

    Raises `TypeError` or `RuntimeError` if they are of an unknown kind.
    """
    if not tensors:
        return None
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
    return {f"prior.{name}": torch.from_numpy(t) for name, t in prior.tensors().items()}
