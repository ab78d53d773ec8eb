"""Floor 5: encoders, decoders, the VAE, objectives, the path prior. No input or output here."""

from musicvae.models.devices import pick_device
from musicvae.models.prior import Path, PathPrior
from musicvae.models.vae import VAE, Posterior

__all__ = ["VAE", "Path", "PathPrior", "Posterior", "pick_device"]
