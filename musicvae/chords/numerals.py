"""Roman numerals read as chords in a key: `V7`, `ii65`, `viio7/V`, `bVI`, and those of `**harm`."""

from __future__ import annotations

import re

from musicvae.chords.chord import Chord
from musicvae.chords.spelling import (
    MAX_FIFTHS,
    MIN_FIFTHS,
    accidental_fifths,
    parse_degree,
)
from musicvae.chords.vocabulary import nearest_quality, semitones

_NUMERALS = ("I", "II", "III", "IV", "V", "VI", "VII")
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
_MAX_LENGTH = 24
_INVERSIONS = {"6": 1, "63": 1, "65": 1, "64": 2, "43": 2, "42": 3, "2": 3, "b": 1, "c": 2, "d": 3}
_SEVENTH_FIGURES = ("65", "43", "42", "2")
_ALTERED_SEVENTHS = {"maj": "7", "M": "7", "m": "b7", "D": "bb7", "d": "bb7"}
_MINOR_LOWERED = (3, 6, 7)


def scale_degree(number: int, fifths: int, minor: bool) -> int:
    """Return the fifths above C of a degree 1..7 of a key; of minor keys, of the natural scale."""
    lowered = -7 if minor and number in _MINOR_LOWERED else 0
    return fifths + 3 * minor + (parse_degree(str(number)) or 0) + lowered


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
    if len(text) > _MAX_LENGTH:
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
        root = scale_degree(1, fifths, minor) + (parse_degree(degree) or 0)
        # Figures of an augmented sixth count from its lowest note, which is the root here.
        figures = (match["figures"] or "") if match[1] == "N" else ""
        return _chord(
            root, set(chord_degrees.split()), _INVERSIONS.get(match["letter"] or figures, 0)
        )
    match = _NUMERAL.fullmatch(numeral)
    if not match:
        return None
    root, figures = _root(match, fifths, minor=minor), match["figures"] or ""
    degrees = _triad(match["numeral"], match["quality"])
    if match["quality"] in ("\u00f8", "0"):
        degrees.add("b7")
    elif match["seventh"] or figures in _SEVENTH_FIGURES:
        sign = (match["seventh"] or "").rstrip("79")
        degrees.add(_ALTERED_SEVENTHS.get(sign) or _scale_seventh(root, degrees, fifths, minor))
        if (match["seventh"] or "").endswith("9"):
            degrees.add("9")
    return _chord(root, degrees, _INVERSIONS.get(match["letter"] or figures, 0))


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


def _chord(root: int, degrees: set[str], inversion: int) -> tuple[Chord, bool] | None:
    """Return the nearest chord of degrees above a root, with the bass of an inversion."""
    tones = {degree.lstrip("#b"): degree for degree in degrees}
    tone = tones.get(("1", "3", "5", "7")[inversion], "1")
    bass = root + (parse_degree(tone) or 0)
    if not MIN_FIFTHS <= min(root, bass) <= max(root, bass) <= MAX_FIFTHS:
        return None
    quality, is_exact = nearest_quality(semitones(degrees))
    return Chord(root, quality, bass), is_exact
