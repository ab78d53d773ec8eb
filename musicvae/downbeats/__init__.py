"""Floor 2: where the bar lines of a song are, whatever its file says."""

from musicvae.downbeats.barlines import Alignment, Placement, align

__all__ = ["Alignment", "Placement", "align"]
