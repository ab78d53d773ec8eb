"""Floor 9: pictures. A song as a piano roll in rows of bars, several of them in a strip or square,
what was changed in one, how odd it is, what it sounds like, its latents; the curves of a training
run, the figures of an evaluation, matrices of attributes, and a map of songs.

All have one style, on light or on dark paper (`themes.py`). Figures are built with matplotlib's
objects alone, without pyplot: no window, no global state, and the same picture every time.
"""

from musicvae.plots.anomaly import plot_scores
from musicvae.plots.comparison import plot_square, plot_strip
from musicvae.plots.evaluation import plot_evaluation
from musicvae.plots.heatmap import plot_matrix
from musicvae.plots.latents import plot_latents
from musicvae.plots.note_edits import plot_changes
from musicvae.plots.pianoroll import plot_song
from musicvae.plots.song_map import plot_map
from musicvae.plots.spectrogram import plot_sound
from musicvae.plots.themes import DARK, LIGHT, Theme, theme
from musicvae.plots.training_curves import plot_curves

__all__ = [
    "DARK",
    "LIGHT",
    "Theme",
    "plot_changes",
    "plot_curves",
    "plot_evaluation",
    "plot_latents",
    "plot_map",
    "plot_matrix",
    "plot_scores",
    "plot_song",
    "plot_sound",
    "plot_square",
    "plot_strip",
    "theme",
]
