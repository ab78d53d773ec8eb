"""Floor 5: encoders, decoders, the VAE, objectives, the path prior. No input or output here."""

from musicvae.networks.devices import pick_device
from musicvae.networks.priors import Prior, load_prior, prior_tensors
from musicvae.networks.priors.conditioning import EncodedPaths, PathConditioning
from musicvae.networks.priors.flow import FlowPrior
from musicvae.networks.priors.gaussian import LinearGaussianPrior
from musicvae.networks.priors.midime import MidiMePrior
from musicvae.networks.vae import VAE, Posterior

__all__ = [
    "VAE",
    "EncodedPaths",
    "FlowPrior",
    "LinearGaussianPrior",
    "MidiMePrior",
    "PathConditioning",
    "Posterior",
    "Prior",
    "load_prior",
    "pick_device",
    "prior_tensors",
]
