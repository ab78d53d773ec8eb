"""Chord symbols as musicians write them: `Am7`, `F#ø`, `Bb/D`, `N.C.`.

Writers differ; all of `CM7`, `Cmaj7`, `CΔ`, `Cj7` are read, and `format_symbol` writes one of them.
"""

from __future__ import annotations

import re

from musicvae.chords.chord import MAX_LABEL_LENGTH, NO_CHORD, Chord, nearest_chord
from musicvae.chords.spelling import (
    degree_number,
    format_name,
    parse_degree,
    parse_name,
    pitch_class,
)
from musicvae.chords.vocabulary import QUALITIES

_NO_CHORD = re.compile(r"N\.?\s?C\.?|NC|no\s+chord", re.IGNORECASE)
_ROOT = re.compile(r"([A-G])(##|bb|[#b]?)")
_PLAIN = str.maketrans(
    {
        "\u266f": "#", "\u266d": "b", "\U0001d12a": "##", "\U0001d12b": "bb",
        "\u2212": "-", "\u2013": "-", "\u25b3": "^", "\u0394": "^", "\u2206": "^",
        "\u00d8": "\u00f8", "\u2300": "\u00f8", "\u00ba": "\u00b0",
    }
)  # fmt: skip
"""Signs as the expressions below have them."""
# The words of a quality, its third and fifth, and the seventh that a number from 7 on brings.
_QUALITY_WORDS = tuple(
    (re.compile(word), degrees.split())
    for word, degrees in (
        (r"half[- ]?dim(?:inished)?|hdim|\u00f8", "b3 b5 b7"),
        (r"dim(?:inished)?|[\u00b0o]", "b3 b5 bb7"),
        (r"aug(?:mented)?|\+", "3 #5 b7"),
        (r"(?:minor|min|mi|m|-)(?:[(/]?(?:major|maj|ma|M)|\^)(?=\(?\d|\)|$)", "b3 5 7"),
        (r"major|maj|Maj|MAJ|ma(?!dd)|M(?!i|I)|\^|j(?=\d)", "3 5 7"),
        (r"minor|min|Min|MIN|mi|Mi|MI|m|-", "b3 5 b7"),
        (r"", "3 5 b7"),
    )
)
_NUMBER = re.compile(r"[\s.]*\(?(6\s?[/,.]?\s?9|13|11|9|7|6|5|4|2)(?![\d])\)?")
_STACKS = {
    "5": "",
    "6": "6",
    "7": "{seventh}",
    "9": "{seventh} 9",
    "11": "{seventh} 9 11",
    "13": "{seventh} 9 13",
    "2": "9",
    "4": "11",
}
_ALTERATION = re.compile(
    r"[\s(),.\[\]/]*(?:(?P<fifth>[+-](?!\d))"
    r"|(?P<sus>sus(?:pended)?\s?(?P<by>2\s?4|4\s?2|[249])?)"
    r"|(?P<alt>alt(?:ered)?)"
    r"|(?P<no>(?:no|omit)\s?\.?(?P<gone>1|3|5|7|9|rd|th)(?:rd|th)?)"
    r"|(?P<seventh>(?:maj|ma|M|\^)\s?7?)"
    r"|(?P<add>add)?\s?(?P<sign>[#b+-]*)(?P<degree>13|11|10|9|7|6|5|4|3|2)(?P<after>[+-]?))"
    r"[\s(),.\[\]]*"
)
_SHARPS, _FLATS = "#+", "b-"


def parse_symbol(text: str) -> tuple[Chord, bool] | None:
    """Return the chord of the vocabulary nearest to a symbol, and whether it is the same.

    None if `text` is no chord symbol, but an annotation, say.
    """
    text = text.strip().translate(_PLAIN)
    if text[:1] + text[-1:] in ("()", "[]"):
        text = text[1:-1]
    if len(text) > MAX_LABEL_LENGTH:
        return None
    if _NO_CHORD.fullmatch(text):
        return NO_CHORD, True
    match = _ROOT.match(text)
    root = parse_name(match[0]) if match else None
    if not match or root is None:
        return None
    body, bass = text[match.end() :].strip(), root
    head, slash, tail = body.rpartition("/")
    if slash and (found := _ROOT.fullmatch(tail.strip().replace(")", ""))):
        named = parse_name(found[0])
        body, bass = head.strip(), root if named is None else named
    degrees = _parse_quality(body)
    return None if degrees is None else nearest_chord(root, degrees, bass=bass)


def parse_symbol_degrees(text: str) -> set[str] | None:
    """Return the degrees of what follows the root of a symbol (`m7b5`), or None if it is no such.

    Nothing follows in a major triad.
    """
    text = text.strip()
    return _parse_quality(text.translate(_PLAIN)) if len(text) <= MAX_LABEL_LENGTH else None


def format_symbol(chord: Chord) -> str:
    """Return the symbol of a chord, the inverse of `parse_symbol`: `Am7`, `Bb/D`, `N.C.`."""
    symbol = QUALITIES[chord.quality].symbol
    if not chord.quality:
        return symbol
    label = format_name(chord.root) + symbol
    if pitch_class(chord.bass) == pitch_class(chord.root):
        return label
    return f"{label}/{format_name(chord.bass)}"


def _parse_quality(body: str) -> set[str] | None:
    """Return the degrees of what follows the root of a symbol, or None if it is something else."""
    word, (third, fifth, seventh) = next(
        (match[0], degrees) for pattern, degrees in _QUALITY_WORDS if (match := pattern.match(body))
    )
    rest = body[len(word) :]
    degrees = {"1", third, fifth}
    is_half_diminished = seventh == "b7" and fifth == "b5"
    if is_half_diminished or word.endswith("^"):
        degrees.add(seventh)
    if number := _NUMBER.match(rest):
        rest = rest[number.end() :]
        digits = "6/9" if number[1][0] == "6" and "9" in number[1] else number[1]
        if digits == "5":
            degrees = {"1", fifth}
        elif digits == "6/9":
            degrees |= {"6", "9"}
        else:
            degrees |= set(_STACKS[digits].format(seventh=seventh).split())
    at = 0
    while at < len(rest):
        change = _ALTERATION.match(rest, at)
        if not change or not change[0].strip():
            break
        _apply_alteration(change, degrees)
        at = change.end()
    return degrees if not rest[at:].strip(" ()[],.") else None


def _apply_alteration(change: re.Match[str], degrees: set[str]) -> None:
    """Add, alter or remove a degree, in place."""
    if change["sus"]:
        degrees -= {"3", "b3"}
        by = (change["by"] or "4").replace(" ", "")
        degrees |= {"4"} if by == "9" else set(by)
        if by == "9":
            degrees |= {"b7", "9"}
    elif change["fifth"]:
        degrees -= {"5"}
        degrees.add("#5" if change["fifth"] == "+" else "b5")
    elif change["alt"]:
        degrees -= {"5"}
        degrees |= {"b7", "b9", "#5"}
    elif change["no"]:
        gone = {"rd": "3", "th": "5"}.get(change["gone"], change["gone"])
        degrees -= {gone, f"b{gone}", f"#{gone}"}
    elif change["seventh"]:
        degrees -= {"b7"}
        degrees.add("7")
    else:
        signs = change["sign"] + change["after"]
        sign = "".join("#" if c in _SHARPS else "b" for c in signs if c in _SHARPS + _FLATS)
        degree = {"10": "3", "2": "9", "4": "11"}.get(change["degree"], change["degree"])
        if degree == "7" and not sign:
            sign = "b"
        if degree in ("5", "7"):
            degrees -= {d for d in degrees if degree_number(d) == int(degree)}
        if degree == "9" and sign:
            degrees.discard("9")
        if parse_degree(sign + degree) is not None:
            degrees.add(sign + degree)
