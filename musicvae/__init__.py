"""A variational autoencoder on MIDI, bar by bar.

Names below are imported on first use, so that `import musicvae` stays light.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from musicvae.alignment import align
    from musicvae.bars import Bars
    from musicvae.config import Preset
    from musicvae.dataset import Windows
    from musicvae.errors import MusicVAEError
    from musicvae.model import MusicVAE
    from musicvae.song import Part, Song
    from musicvae.training import train

__version__ = "0.1.0"

_HOMES = {
    "Bars": "musicvae.bars",
    "MusicVAE": "musicvae.model",
    "MusicVAEError": "musicvae.errors",
    "Part": "musicvae.song",
    "Preset": "musicvae.config",
    "Song": "musicvae.song",
    "Windows": "musicvae.dataset",
    "align": "musicvae.alignment",
    "train": "musicvae.training",
}

__all__ = [
    "Bars",
    "MusicVAE",
    "MusicVAEError",
    "Part",
    "Preset",
    "Song",
    "Windows",
    "__version__",
    "align",
    "train",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'musicvae' has no attribute {name!r}")
