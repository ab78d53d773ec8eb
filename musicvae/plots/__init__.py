"""Floor 9: pictures. A song as a piano roll in rows of bars, and the curves of a training run.

Figures are built with matplotlib's objects alone, without pyplot: no window, no global state, and
the same picture every time.
"""

from musicvae.plots.curves import plot_curves
from musicvae.plots.roll import plot_song

__all__ = ["plot_curves", "plot_song"]
