"""Encoder, decoders, the VAE, training objectives, and priors over paths of latents.

In: a `Batch` of windows. Out: posteriors `(B, Z)`, losses in nats, and notes as rows `(M, 8)`.
Nothing here reads or writes files.
"""

from musicvae.networks.devices import pick_device
from musicvae.networks.vae import VAE, Posterior

__all__ = ["VAE", "Posterior", "pick_device"]
