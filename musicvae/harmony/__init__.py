"""Harmony. In: a `Song` whose notes are on its bar lines. Out: its chords, found from its notes."""

from musicvae.harmony.chord_estimation import ChordEstimate, estimate_chords

__all__ = ["ChordEstimate", "estimate_chords"]
