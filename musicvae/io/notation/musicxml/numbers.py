"""Numbers and note values of MusicXML text."""

from __future__ import annotations

import re
from fractions import Fraction

Number = int | Fraction

_DECIMAL = re.compile(r"\s*[+-]?(\d{1,9}(\.\d{0,9})?|\.\d{1,9})\s*")
_INTEGER = re.compile(r"\s*[+-]?\d{1,9}\s*")
_MAX_DOTS = 8
_NOTE_TYPES = (
    "1024th", "512th", "256th", "128th", "64th", "32nd", "16th", "eighth", "quarter", "half",
    "whole", "breve", "long", "maxima",
)  # fmt: skip
_QUARTERS = {name: Fraction(2) ** (i - 8) for i, name in enumerate(_NOTE_TYPES)}


def parse_number(text: str | None) -> Number | None:
    """Return the decimal number that a text represents, exactly, or None."""
    if text is None or not _DECIMAL.fullmatch(text):
        return None
    return simplify(Fraction(text.strip()))


def simplify(number: Number) -> Number:
    """Return a number as an integer, if it is one."""
    return number.numerator if number.denominator == 1 else number


def parse_int(text: str | None) -> int | None:
    """Return the integer that a text represents, or None."""
    return int(text) if text is not None and _INTEGER.fullmatch(text) else None


def note_type_quarters(name: str | None, n_dots: int = 0) -> Fraction | None:
    """Return the length of a note type (``"eighth"``) with dots in quarters, or None."""
    quarters = _QUARTERS.get((name or "").strip())
    if quarters is None:
        return None
    return quarters * (2 - Fraction(1, 1 << min(n_dots, _MAX_DOTS)))
