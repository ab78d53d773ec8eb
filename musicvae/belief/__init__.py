"""Floor 6: what a model that learned to mend believes of songs, cell by cell and bar by bar."""

from musicvae.belief.cells import Belief, believed

__all__ = ["Belief", "believed"]
