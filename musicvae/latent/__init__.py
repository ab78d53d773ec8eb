"""Floor 6: songs as paths in the latent space: ways between them, and files that hold them."""

from musicvae.latent.between import Choices, between
from musicvae.latent.encoding import Encoding
from musicvae.latent.files import SUFFIX, Sizes, Stored, load, save
from musicvae.latent.mixing import WAYS, Latents, lerp, slerp
from musicvae.latent.morph import turning
from musicvae.latent.pairing import alike, by_likeness, by_position, nearest_places
from musicvae.latent.quantised import Coding

__all__ = [
    "SUFFIX",
    "WAYS",
    "Choices",
    "Coding",
    "Encoding",
    "Latents",
    "Sizes",
    "Stored",
    "alike",
    "between",
    "by_likeness",
    "by_position",
    "lerp",
    "load",
    "nearest_places",
    "save",
    "slerp",
    "turning",
]
