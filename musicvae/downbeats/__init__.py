"""Bar-line estimation for MIDI of any origin.

In: a `Song` with the tempo and meter map of its file. Out: a `BarlineEstimate`, the song on its
grid with the bar lines of the music, and the `TimeMap` back to the file.
"""

from musicvae.downbeats.barlines import BarlineEstimate, TimeMap, estimate_barlines

__all__ = ["BarlineEstimate", "TimeMap", "estimate_barlines"]
