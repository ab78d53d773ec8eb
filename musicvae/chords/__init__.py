"""Chords: one vocabulary, its labels, and the chord map of a song.

In: labels in Harte syntax (`A:min/b3`), symbols as musicians write them (`Am/C`), or degrees. Out:
a `Chord` of the vocabulary, or a `ChordMap`; back to either kind of label.
"""

from musicvae.chords.chord import NO_CHORD, Chord
from musicvae.chords.chord_map import ChordMap
from musicvae.chords.harte import format_harte, parse_harte
from musicvae.chords.progression import Progression, format_progression, parse_progression
from musicvae.chords.symbols import format_symbol, parse_symbol
from musicvae.chords.vocabulary import QUALITIES, Quality

__all__ = [
    "NO_CHORD",
    "QUALITIES",
    "Chord",
    "ChordMap",
    "Progression",
    "Quality",
    "format_harte",
    "format_progression",
    "format_symbol",
    "parse_harte",
    "parse_progression",
    "parse_symbol",
]
