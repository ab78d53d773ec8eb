"""Floor 5: encoders, decoders, the VAE, objectives, the path prior. No input or output here."""

from musicvae.models.prior import PathPrior
from musicvae.models.vae import VAE, Posterior

__all__ = ["VAE", "PathPrior", "Posterior"]
