"""Floor 8: the façade. A trained model, and what one can do with it."""

from musicvae.model.facade import MusicVAE

__all__ = ["MusicVAE"]
