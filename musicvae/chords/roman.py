"""Roman numerals of chords in a key: `ii65`, `V7`, `bVI`, `viio7`."""

from __future__ import annotations

from musicvae.chords.chord import Chord
from musicvae.chords.spelling import format_degree
from musicvae.chords.vocabulary import QUALITIES

_NUMERALS = ("I", "II", "III", "IV", "V", "VI", "VII")
_MINOR_DEGREES = {3, 6, 7}  # a semitone lower in a minor key
# What follows a numeral, by the Harte label, where it is not the symbol of the quality.
_SUFFIXES = {
    "min": "",
    "dim": "o", "dim7": "o7", "hdim7": "\u00f87", "aug": "+", "min7": "7", "min6": "add6",
    "min9": "9", "min11": "11", "min13": "13", "maj6": "add6",
}  # fmt: skip
_TRIAD_FIGURES = {1: "6", 2: "64"}  # by the place of the bass among thirds
_SEVENTH_FIGURES = {1: "65", 2: "43", 3: "42"}
_SEVENTHS = {"7": "", "maj7": "maj", "min7": "", "dim7": "o", "hdim7": "\u00f8"}
_TRIADS = {"maj": "", "min": "", "dim": "o", "aug": "+"}


def format_roman(chord: Chord, key_fifths: int, minor: bool) -> str:
    """Return the Roman numeral of a chord in a key of `key_fifths` sharps, or flats if negative.

    Chords with a minor third are in lower case; inversions have figures. In minor keys the third,
    sixth and seventh degree are those of the natural minor scale. No chord is `N`.
    """
    if not chord.quality:
        return "N"
    quality = QUALITIES[chord.quality]
    tonic = key_fifths + 3 * minor
    interval = chord.root - tonic
    degree = format_degree(interval)
    number = int(degree[-1])
    if minor and number in _MINOR_DEGREES:
        degree = format_degree(interval + 7)
    numeral = _NUMERALS[number - 1]
    if 3 in quality.intervals and 4 not in quality.intervals:
        numeral = numeral.lower()
    place = _bass_place(chord)
    name = quality.harte
    if place in _TRIAD_FIGURES and name in _TRIADS:
        suffix = _TRIADS[name] + _TRIAD_FIGURES[place]
    elif place in _SEVENTH_FIGURES and name in _SEVENTHS:
        suffix = _SEVENTHS[name] + _SEVENTH_FIGURES[place]
    else:
        suffix = _SUFFIXES.get(name, quality.symbol)
        if chord.bass != chord.root:
            suffix += f"/{format_degree(chord.bass - chord.root)}"
    return degree[:-1] + numeral + suffix


def _bass_place(chord: Chord) -> int:
    """Return the place of the bass among the root, third, fifth and seventh of a chord, or -1."""
    above = format_degree(chord.bass - chord.root)
    is_tone = (7 * (chord.bass - chord.root)) % 12 in QUALITIES[chord.quality].intervals
    return {"1": 0, "3": 1, "5": 2, "7": 3}.get(above[-1], -1) if is_tone else -1
