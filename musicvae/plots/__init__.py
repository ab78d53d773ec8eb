"""Pictures: songs as piano rolls, note edits, anomalies, latents, spectrograms, maps and metrics.

In: songs, encodings, arrays or metrics. Out: PNG, SVG or PDF files (`plot_x`), or matplotlib
figures (`x_figure` of each module). All share one style, on a light or dark background. Pyplot is
not used: no window, no global state, and the same picture every time.
"""

from __future__ import annotations

import warnings
from typing import Any

from musicvae.plots.anomaly import plot_anomalies
from musicvae.plots.comparison import plot_comparison, plot_grid
from musicvae.plots.evaluation import plot_evaluation
from musicvae.plots.heatmap import plot_heatmap
from musicvae.plots.latents import plot_latents
from musicvae.plots.note_edits import plot_note_edits
from musicvae.plots.pianoroll import plot_song
from musicvae.plots.song_map import plot_song_map
from musicvae.plots.spectrogram import plot_spectrogram
from musicvae.plots.themes import DARK, LIGHT, Theme, get_theme
from musicvae.plots.training_curves import plot_training_curves

__all__ = [
    "DARK",
    "LIGHT",
    "Theme",
    "get_theme",
    "plot_anomalies",
    "plot_comparison",
    "plot_evaluation",
    "plot_grid",
    "plot_heatmap",
    "plot_latents",
    "plot_note_edits",
    "plot_song",
    "plot_song_map",
    "plot_spectrogram",
    "plot_training_curves",
]

_DEPRECATED = {
    "plot_changes": "plot_note_edits",
    "plot_curves": "plot_training_curves",
    "plot_map": "plot_song_map",
    "plot_matrix": "plot_heatmap",
    "plot_scores": "plot_anomalies",
    "plot_sound": "plot_spectrogram",
    "plot_square": "plot_grid",
    "plot_strip": "plot_comparison",
    "theme": "get_theme",
}


def __getattr__(name: str) -> Any:
    """Return the function that replaces a deprecated name."""
    if name not in _DEPRECATED:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    new = _DEPRECATED[name]
    warnings.warn(
        f"musicvae.plots.{name} is deprecated; use {new}", DeprecationWarning, stacklevel=2
    )
    return globals()[new]
