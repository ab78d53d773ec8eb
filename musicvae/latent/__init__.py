"""Songs as paths of latents: encoding, interpolation, quantization, and `.z` files.

In go songs and a checkpoint (`codec.Codec`); out come `Encoding`s `(passes, windows, latents)`,
decoded songs, and note probabilities for the denoising tools.
"""

from musicvae.latent.blend import BlendOptions, blend
from musicvae.latent.crossfade import crossfade
from musicvae.latent.encoding import Encoding
from musicvae.latent.file import SUFFIX, FileSizes, LatentFile, load, save
from musicvae.latent.interpolation import INTERPOLATORS, Latents, lerp, slerp
from musicvae.latent.matching import dtw_path, match_by_dtw, match_by_position
from musicvae.latent.quantization import Quantization

__all__ = [
    "INTERPOLATORS",
    "SUFFIX",
    "BlendOptions",
    "Encoding",
    "FileSizes",
    "LatentFile",
    "Latents",
    "Quantization",
    "blend",
    "crossfade",
    "dtw_path",
    "lerp",
    "load",
    "match_by_dtw",
    "match_by_position",
    "save",
    "slerp",
]
