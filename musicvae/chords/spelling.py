"""Names of pitch classes, and degrees above a root, on the line of fifths.

A spelled pitch class is a number of fifths above C: G is 1, F -1, B flat -2, F sharp 6, G flat -6.
A degree is such a number above a root, counted in its major scale: 3 is 4, b7 is -2.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

_LETTERS = "FCGDAEB"  # from -1
_DEGREES = (4, 1, 5, 2, 6, 3, 7)  # from -1
_NAME = re.compile(r"([A-G])([#♯]*|[b♭]*|x|𝄪|𝄫)")
_DEGREE = re.compile(r"([#♯]*|[b♭]*)(\d\d?)")
_SHARP, _FLAT = 7, -7
# Numbers of the degree that is the bass of an inversion, the first that the chord has.
_INVERSIONS = {1: (3, 4, 2), 2: (5,), 3: (7, 6), 4: (9, 2), 5: (11, 4), 6: (13, 6)}
MAX_DEGREE = 13
_MAX_ACCIDENTALS = 5  # of a degree between the names that are furthest apart
MIN_FIFTHS, MAX_FIFTHS = -15, 19
"""From F double flat to B double sharp."""


def accidental_fifths(accidentals: str) -> int:
    """Return the fifths that sharps and flats add: seven each."""
    doubled = accidentals.replace("𝄪", "##").replace("x", "##").replace("𝄫", "bb")
    sharps = doubled.count("#") + doubled.count("♯")
    return _SHARP * sharps + _FLAT * (doubled.count("b") + doubled.count("♭"))


def parse_name(name: str) -> int | None:
    """Return the fifths of a pitch name with up to two accidentals, or None.

    >>> parse_name("Bb"), parse_name("F##")
    (-2, 13)
    """
    match = _NAME.fullmatch(name)
    if not match:
        return None
    fifths = _LETTERS.index(match[1]) - 1 + accidental_fifths(match[2])
    return fifths if MIN_FIFTHS <= fifths <= MAX_FIFTHS else None


def format_name(fifths: int) -> str:
    """Return the name of a pitch class; the inverse of `parse_name`."""
    accidentals, letter = divmod(fifths + 1, 7)
    return _LETTERS[letter] + "#" * accidentals + "b" * -accidentals


def parse_degree(degree: str) -> int | None:
    """Return the fifths of a degree from 1 to 13 above its root, or None: `b7` is -2."""
    match = _DEGREE.fullmatch(degree)
    if not match or not 1 <= int(match[2]) <= MAX_DEGREE or len(match[1]) > _MAX_ACCIDENTALS:
        return None
    return _DEGREES.index((int(match[2]) - 1) % 7 + 1) - 1 + accidental_fifths(match[1])


def degree_fifths(degree: str) -> int:
    """Return the fifths of a degree above its root, 0 if it is no degree."""
    return parse_degree(degree) or 0


def degree_number(degree: str) -> int:
    """Return the number of a degree without its accidentals: 7 of `b7`."""
    return int(degree.lstrip("#b"))


def degrees_by_number(degrees: Iterable[str]) -> dict[int, str]:
    """Return degrees by their numbers; of several with one number, the least altered."""
    ordered = sorted(degrees, key=lambda degree: (len(degree), degree), reverse=True)
    return {degree_number(degree): degree for degree in ordered}


def inversion_fifths(degrees: Iterable[str], inversion: int) -> int:
    """Return the fifths from the root to the bass of an inversion, 0 if there is no such bass."""
    by_number = degrees_by_number(degrees)
    found = (by_number[n] for n in _INVERSIONS.get(inversion, ()) if n in by_number)
    return degree_fifths(next(found, "1"))


def format_degree(fifths: int) -> str:
    """Return the degree from 1 to 7 of an interval, the inverse of `parse_degree` within these."""
    accidentals, degree = divmod(fifths + 1, 7)
    return "#" * accidentals + "b" * -accidentals + str(_DEGREES[degree])


def pitch_class(fifths: int) -> int:
    """Return the pitch class 0..11, or the semitones of an interval, of a number of fifths."""
    return 7 * fifths % 12


def spell(pitch_class: int, key_fifths: int = 0) -> int:
    """Return the fifths of a pitch class near a key: from its flat second to its sharp fourth.

    >>> format_name(spell(10)), format_name(spell(10, 7))
    ('Bb', 'A#')
    """
    lowest = key_fifths - 5
    return lowest + (7 * pitch_class - lowest) % 12
