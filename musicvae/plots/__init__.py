"""Floor 9: pictures. A song as a piano roll in rows of bars, several of them in a strip or square,
what was changed in one, how odd it is, what it sounds like, its latents; the curves of a training
run, the figures of an evaluation, matrices of attributes, and a map of songs.

All have one style, on light or on dark paper (`themes.py`). Figures are built with matplotlib's
objects alone, without pyplot: no window, no global state, and the same picture every time.
"""

from musicvae.plots.anomaly import plot_anomalies
from musicvae.plots.comparison import plot_grid, plot_comparison
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
    "plot_note_edits",
    "plot_training_curves",
    "plot_evaluation",
    "plot_latents",
    "plot_song_map",
    "plot_heatmap",
    "plot_anomalies",
    "plot_song",
    "plot_spectrogram",
    "plot_grid",
    "plot_comparison",
    "get_theme",
]
