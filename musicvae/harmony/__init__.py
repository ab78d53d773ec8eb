"""Harmony. In: a `Song` whose notes are on its bar lines. Out: its chords, found from its notes."""

from musicvae.harmony.chord_estimation import (
    ChordEstimate,
    ChordSource,
    estimate_chords,
    stated_or_found_chords,
    with_chords,
)
from musicvae.harmony.key import song_key

__all__ = [
    "ChordEstimate",
    "ChordSource",
    "estimate_chords",
    "song_key",
    "stated_or_found_chords",
    "with_chords",
]
