"""Floor 9: pictures. A song as a piano roll in rows of bars, what was changed in one, how odd it
is, the curves of a training run, the figures of an evaluation, and a map of songs.

Figures are built with matplotlib's objects alone, without pyplot: no window, no global state, and
the same picture every time.
"""

from musicvae.plots.changes import plot_changes
from musicvae.plots.curves import plot_curves
from musicvae.plots.evaluation import plot_evaluation
from musicvae.plots.map import plot_map
from musicvae.plots.roll import plot_song
from musicvae.plots.scores import plot_scores

__all__ = [
    "plot_changes",
    "plot_curves",
    "plot_evaluation",
    "plot_map",
    "plot_scores",
    "plot_song",
]
