"""Roman numerals of chords in a key: `V7`, `ii65`, `viio7/V`, `bVI`, and those of `**harm`.

What is read has the sevenths of the scale, as in analyses; what is written names sevenths as the
symbols of lead sheets do, so `I7` is written for a dominant seventh chord.
"""

from __future__ import annotations

import re

from musicvae.chords.chord import MAX_LABEL_LENGTH, Chord, nearest_chord
from musicvae.chords.spelling import (
    accidental_fifths,
    degree_fifths,
    format_degree,
    inversion_fifths,
)
from musicvae.chords.vocabulary import QUALITIES

_NUMERALS = ("I", "II", "III", "IV", "V", "VI", "VII")
_MINOR_LOWERED = (3, 6, 7)  # degrees that are a semitone lower in a minor key
_NUMERAL = re.compile(
    r"(?P<sign>[#b\u266f\u266d-]*)(?P<numeral>(?i:VII|VI|IV|V|III|II|I))"
    r"(?P<quality>[o\u00b0+\u00f80]?)"
    r"(?P<seventh>(?:maj|[mMDdAP])?(?:7|9))?(?P<figures>65|64|43|42|63|6|53|5|2)?"
    r"(?P<letter>[a-d]?)"
)
_AUGMENTED_SIXTHS = {
    "It": ("b6", "1 3 b7"),
    "Lt": ("b6", "1 3 b7"),
    "Fr": ("b6", "1 3 b5 b7"),
    "Ger": ("b6", "1 3 5 b7"),
    "Gn": ("b6", "1 3 5 b7"),
    "N": ("b2", "1 3 5"),
}
_SIXTH = re.compile(r"(It|Lt|Fr|Ger|Gn|N)\+?(?P<figures>65|64|6|43)?(?P<letter>[a-d]?)")
_INVERSIONS = {"6": 1, "63": 1, "65": 1, "64": 2, "43": 2, "42": 3, "2": 3, "b": 1, "c": 2, "d": 3}
_FIGURES_OF_SEVENTHS = ("65", "43", "42", "2")
_ALTERED_SEVENTHS = {"maj": "7", "M": "7", "m": "b7", "D": "bb7", "d": "bb7"}
# What follows a numeral, by the Harte label, where it is not the symbol of the quality.
_SUFFIXES = {
    "min": "",
    "dim": "o", "dim7": "o7", "hdim7": "\u00f87", "aug": "+", "min7": "7", "min6": "add6",
    "min9": "9", "min11": "11", "min13": "13", "maj6": "add6",
}  # fmt: skip
_TRIADS = {"maj": "", "min": "", "dim": "o", "aug": "+"}
_TRIAD_FIGURES = {1: "6", 2: "64"}  # by the inversion
_SEVENTHS = {"7": "", "maj7": "maj", "min7": "", "dim7": "o", "hdim7": "\u00f8"}
_SEVENTH_FIGURES = {1: "65", 2: "43", 3: "42"}


def scale_degree(number: int, fifths: int, minor: bool) -> int:
    """Return the fifths above C of a degree 1..7 of a key; of minor keys, of the natural scale."""
    lowered = -7 if minor and number in _MINOR_LOWERED else 0
    return fifths + 3 * minor + degree_fifths(str(number)) + lowered


def parse_numeral_root(text: str, fifths: int, minor: bool) -> int | None:
    """Return the root of a numeral in a key of `fifths` sharps, as fifths above C, or None."""
    match = _NUMERAL.match(text.strip())
    return _root(match, fifths, minor=minor) if match else None


def parse_roman(text: str, fifths: int, minor: bool) -> tuple[Chord, bool] | None:
    """Return the chord of the vocabulary nearest to a numeral; whether it is the same.

    The key has `fifths` sharps, or flats if negative. Sevenths without a sign are those of the
    scale. After a slash stands the chord whose key a numeral is meant in, itself perhaps in another
    one: `V7/V`, `V7/V/ii`. None for other texts.
    """
    text = text.strip()
    if len(text) > MAX_LABEL_LENGTH:
        return None
    numeral, *targets = text.split("/")
    for target in reversed(targets):
        match = _NUMERAL.match(target)
        if not match:
            return None
        root, minor = _root(match, fifths, minor=minor), match["numeral"].islower()
        fifths = root - 3 * minor
    if match := _SIXTH.fullmatch(numeral):
        degree, chord_degrees = _AUGMENTED_SIXTHS[match[1]]
        root = scale_degree(1, fifths, minor) + degree_fifths(degree)
        # Figures of an augmented sixth count from its lowest note, which is the root here.
        figures = (match["figures"] or "") if match[1] == "N" else ""
        inversion = _INVERSIONS.get(match["letter"] or figures, 0)
        return nearest_chord(root, chord_degrees.split(), inversion=inversion)
    match = _NUMERAL.fullmatch(numeral)
    if not match:
        return None
    root, figures = _root(match, fifths, minor=minor), match["figures"] or ""
    degrees = _triad(match["numeral"], match["quality"])
    if match["quality"] in ("\u00f8", "0"):
        degrees.add("b7")
    elif match["seventh"] or figures in _FIGURES_OF_SEVENTHS:
        sign = (match["seventh"] or "").rstrip("79")
        degrees.add(_ALTERED_SEVENTHS.get(sign) or _scale_seventh(root, degrees, fifths, minor))
        if (match["seventh"] or "").endswith("9"):
            degrees.add("9")
    inversion = _INVERSIONS.get(match["letter"] or figures, 0)
    return nearest_chord(root, degrees, inversion=inversion)


def _triad(numeral: str, quality: str) -> set[str]:
    """Return the degrees of the triad of a numeral; a minor one is in lower case."""
    third = "b3" if numeral.islower() else "3"
    fifth = {"o": "b5", "\u00b0": "b5", "\u00f8": "b5", "0": "b5", "+": "#5"}.get(quality, "5")
    return {"1", third, fifth}


def _root(match: re.Match[str], fifths: int, *, minor: bool) -> int:
    """Return the root of a numeral, in fifths above C.

    A diminished chord on the seventh degree of a minor key is on the leading tone.
    """
    number = _NUMERALS.index(match["numeral"].upper()) + 1
    root = scale_degree(number, fifths, minor)
    root += accidental_fifths(match["sign"].replace("-", "b"))
    is_leading = minor and number == 7 and match["numeral"].islower() and not match["sign"]
    return root + 7 * is_leading


def _scale_seventh(root: int, degrees: set[str], fifths: int, minor: bool) -> str:
    """Return the seventh above a root in a key; of a chord that is foreign to it, a minor one."""
    if "b5" in degrees and minor:
        return "bb7"
    if not fifths - 1 <= root <= fifths + 5:
        return "bb7" if "b5" in degrees else "b7"
    if minor and root == fifths + 4 and "3" in degrees:
        return "b7"  # the dominant
    above = root - 2  # a minor seventh
    return "b7" if fifths - 1 <= above <= fifths + 5 else "7"


def format_roman(chord: Chord, key_fifths: int, minor: bool) -> str:
    """Return the Roman numeral of a chord in a key of `key_fifths` sharps, or flats if negative.

    Chords with a minor third are in lower case; inversions have figures. In minor keys the third,
    sixth and seventh degree are those of the natural minor scale. No chord is `N`.
    """
    if not chord.quality:
        return "N"
    quality = QUALITIES[chord.quality]
    above_tonic = chord.root - key_fifths - 3 * minor
    degree = format_degree(above_tonic)
    number = int(degree[-1])
    if minor and number in _MINOR_LOWERED:
        degree = format_degree(above_tonic + 7)
    numeral = _NUMERALS[number - 1]
    if 3 in quality.intervals and 4 not in quality.intervals:
        numeral = numeral.lower()
    interval = chord.bass - chord.root
    inversions = (n for n in range(4) if inversion_fifths(quality.degrees, n) == interval)
    inversion = next(inversions, None)
    name = quality.harte
    if inversion in _TRIAD_FIGURES and name in _TRIADS:
        suffix = _TRIADS[name] + _TRIAD_FIGURES[inversion]
    elif inversion in _SEVENTH_FIGURES and name in _SEVENTHS:
        suffix = _SEVENTHS[name] + _SEVENTH_FIGURES[inversion]
    else:
        suffix = _SUFFIXES.get(name, quality.symbol)
        if interval:
            suffix += f"/{format_degree(interval)}"
    return degree[:-1] + numeral + suffix
