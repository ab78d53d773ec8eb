"""A variational autoencoder on MIDI, bar by bar.

Names below are imported on first use, so that `import musicvae` stays light.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any
from warnings import warn

from musicvae import threads as threads  # sets how threads wait, before torch is imported

if TYPE_CHECKING:
    from musicvae.config.plugins import register
    from musicvae.config.preset import Preset
    from musicvae.data.dataset import WindowDataset
    from musicvae.downbeats.barlines import estimate_barlines
    from musicvae.errors import MusicVAEError
    from musicvae.evaluation.evaluate import evaluate
    from musicvae.harmony.chord_estimation import estimate_chords
    from musicvae.io import read, write
    from musicvae.model import MusicVAE
    from musicvae.representation.bars import Bars
    from musicvae.song import Part, Song
    from musicvae.training.train import train

__version__ = "0.1.0"

__all__ = [
    "Bars",
    "MusicVAE",
    "MusicVAEError",
    "Part",
    "Preset",
    "Song",
    "WindowDataset",
    "__version__",
    "estimate_barlines",
    "estimate_chords",
    "evaluate",
    "read",
    "register",
    "train",
    "write",
]

_MODULES = {
    "Bars": "musicvae.representation.bars",
    "MusicVAE": "musicvae.model",
    "MusicVAEError": "musicvae.errors",
    "Part": "musicvae.song",
    "Preset": "musicvae.config.preset",
    "Song": "musicvae.song",
    "WindowDataset": "musicvae.data.dataset",
    "estimate_barlines": "musicvae.downbeats.barlines",
    "estimate_chords": "musicvae.harmony.chord_estimation",
    "evaluate": "musicvae.evaluation.evaluate",
    "read": "musicvae.io",
    "register": "musicvae.config.plugins",
    "train": "musicvae.training.train",
    "write": "musicvae.io",
}

_DEPRECATED: dict[str, str] = {
    "Windows": "WindowDataset",
    "align": "estimate_barlines",
}
"""Old public names, and the names that replace them."""

_DISPLAYED = {
    "Song": "musicvae.song",
    "Encoding": "musicvae.latent.encoding",
    "Evaluation": "musicvae.evaluation.evaluate",
    "PrepareReport": "musicvae.data.report",
}


def __getattr__(name: str) -> Any:
    if name in _DEPRECATED:
        new = _DEPRECATED[name]
        warn(f"musicvae.{name} is now musicvae.{new}", DeprecationWarning, stacklevel=2)
        name = new
    if name in _MODULES:
        return getattr(import_module(_MODULES[name]), name)
    raise AttributeError(f"module 'musicvae' has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*globals(), *_MODULES]


def load_ipython_extension(shell: Any) -> None:
    """Register the notebook displays of songs, encodings and reports with an IPython shell.

    Called by `%load_ext musicvae`, and by `import musicvae` inside a running IPython.
    """

    def bundle(thing: object, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        from musicvae.report.notebook import mime_bundle

        return mime_bundle(thing)

    for name, module in _DISPLAYED.items():
        shell.display_formatter.mimebundle_formatter.for_type_by_name(module, name, bundle)


if "IPython" in sys.modules and (_shell := sys.modules["IPython"].get_ipython()) is not None:
    load_ipython_extension(_shell)
