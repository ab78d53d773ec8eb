"""Floor 6: songs as paths in the latent space: ways between them, and files that hold them."""

from musicvae.latent.blend import Choices, blend
from musicvae.latent.crossfade import turning
from musicvae.latent.encoding import Encoding
from musicvae.latent.file import SUFFIX, Sizes, Stored, load, save
from musicvae.latent.interpolation import WAYS, Latents, lerp, slerp
from musicvae.latent.matching import alike, by_likeness, by_position, nearest_places
from musicvae.latent.quantization import Coding

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
    "blend",
    "by_likeness",
    "by_position",
    "lerp",
    "load",
    "nearest_places",
    "save",
    "slerp",
    "turning",
]
