"""Floor 6: what a model that learned to mend believes of songs, cell by cell and bar by bar."""

from musicvae.belief.cells import Belief, believed, told
from musicvae.belief.norms import Norms, norms_of
from musicvae.belief.surprise import EXPECTED, FEATURES, Surprise, surprises, told_apart

__all__ = [
    "EXPECTED",
    "FEATURES",
    "Belief",
    "Norms",
    "Surprise",
    "believed",
    "norms_of",
    "surprises",
    "told",
    "told_apart",
]
