"""Floor 6: songs as paths in the latent space: ways between them, and files that hold them."""

from musicvae.latent.blend import BlendOptions, blend
from musicvae.latent.crossfade import crossfade
from musicvae.latent.encoding import Encoding
from musicvae.latent.file import SUFFIX, FileSizes, LatentFile, load, save
from musicvae.latent.interpolation import INTERPOLATORS, Latents, lerp, slerp
from musicvae.latent.matching import alike, match_by_dtw, match_by_position, nearest_places
from musicvae.latent.quantization import Quantization

__all__ = [
    "SUFFIX",
    "WAYS",
    "BlendOptions",
    "Quantization",
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
