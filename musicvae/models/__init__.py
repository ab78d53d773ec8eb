"""Floor 5: encoders, decoders, the VAE, objectives, the path prior. No input or output here."""

from musicvae.models.devices import pick_device
from musicvae.models.flow import FlowPrior
from musicvae.models.paths import PathFrame, Paths
from musicvae.models.prior import PathPrior
from musicvae.models.prior_kinds import Prior, prior_of, tensors_of
from musicvae.models.small import SmallPrior
from musicvae.models.vae import VAE, Posterior

__all__ = [
    "VAE",
    "FlowPrior",
    "PathFrame",
    "PathPrior",
    "Paths",
    "Posterior",
    "Prior",
    "SmallPrior",
    "pick_device",
    "prior_of",
    "tensors_of",
]
