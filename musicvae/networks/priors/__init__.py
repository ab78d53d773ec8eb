"""Floor 5: the priors over paths of latents, as a checkpoint's tensors and back."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from musicvae.networks.priors.flow import FlowPrior
from musicvae.networks.priors.gaussian import LinearGaussianPrior
from musicvae.networks.priors.midime import MidiMePrior

Prior = LinearGaussianPrior | FlowPrior | MidiMePrior


def load_prior(tensors: Mapping[str, Tensor], device: torch.device | str = "cpu") -> Prior | None:
    """The prior that a checkpoint's tensors are; none if there are none.

    Raises `TypeError` or `RuntimeError` if they are of no kind known here.
    """
    if not tensors:
        return None
    if "step" in tensors:
        return LinearGaussianPrior(**{name: tensor.float().numpy() for name, tensor in tensors.items()})
    if "small.shift" in tensors:
        return MidiMePrior.from_tensors(tensors)
    return FlowPrior.from_tensors(tensors).to(device)


def prior_tensors(prior: Prior | None) -> dict[str, Tensor]:
    """The inverse of `load_prior`, named as in a checkpoint: `prior.NAME`."""
    if prior is None:
        return {}
    return {f"prior.{name}": torch.from_numpy(t) for name, t in prior.tensors().items()}
