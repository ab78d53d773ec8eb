"""Reading of Humdrum scores in the `**kern` representation."""

from musicvae.io.notation.humdrum.reader import read_humdrum

__all__ = ["read_humdrum"]
