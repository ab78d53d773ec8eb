"""Floor 5: encoders, decoders, the VAE, objectives, the path prior. No input or output here."""

from musicvae.networks.devices import pick_device
from musicvae.networks.priors import Prior, prior_of, tensors_of
from musicvae.networks.priors.conditioning import PathFrame, Paths
from musicvae.networks.priors.flow import FlowPrior
from musicvae.networks.priors.gaussian import PathPrior
from musicvae.networks.priors.midime import SmallPrior
from musicvae.networks.vae import VAE, Posterior

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
