"""Chord symbols of `harmony` elements."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from xml.etree.ElementTree import Element

from musicvae.chords.chord import MAX_LABEL_LENGTH
from musicvae.chords.kinds import Degree, chord_of_kind
from musicvae.chords.roman import parse_numeral_root, scale_degree
from musicvae.chords.spelling import MAX_DEGREE, format_name, parse_name
from musicvae.errors import printable
from musicvae.io.notation.musicxml.numbers import Number, parse_int, parse_number
from musicvae.io.stated_chords import StatedChord

Key = tuple[int, bool]
"""Fifths of a key signature, and whether it is minor."""
_CHORD_TAGS = frozenset(("root", "numeral", "function"))  # each begins a chord of its own
_CHANGES = ("add", "alter", "subtract")
_MAX_DEGREES = 16
_MAX_ALTERATION = 2


@dataclass(frozen=True)
class Harmony:
    """A chord, at an `offset` in divisions from where it is written; None if it cannot be read.

    `is_written` tells whether it is at written pitch, like notes, and not at that of the key.
    """

    chord: StatedChord | None
    offset: Number
    is_written: bool


def read_harmony(element: Element, key_in_force: Callable[[], Key]) -> Harmony | None:
    """Return the chord of a `harmony` element, None if it is an alternative to another one.

    Of stacked chords the first counts, at the degree that all of them give (V of II). Degrees of a
    scale are those of their own key, or of `key_in_force`, which is at sounding pitch.
    """
    if element.get("type") == "alternate":
        return None
    offset = parse_number(element.findtext("offset")) or 0
    groups: list[list[Element]] = []
    for child in element:
        if child.tag in _CHORD_TAGS:
            groups.append([])
        if groups:
            groups[-1].append(child)
    if not groups:  # without a root, only the absence of a chord can be told
        groups = [list(element)]
    is_written = groups[0][0].tag == "root" if groups[0] else True
    key: Key | None = None
    fifths = parse_int(element.findtext("numeral/numeral-key/numeral-fifths"))
    if fifths is not None:
        key = fifths, "minor" in element.findtext("numeral/numeral-key/numeral-mode", "")
        is_written = True
    elif not is_written:
        key = key_in_force()
    root = _root(groups[0][0], key) if groups[0] else None
    for group in groups[1:]:
        if root is not None and group[0].tag != "root" and key:
            degree = _root(group[0], key)
            root = None if degree is None else root + degree - scale_degree(1, *key)
    return Harmony(_chord(groups[0], root), offset, is_written)


def _chord(group: list[Element], root: int | None) -> StatedChord | None:
    """Return the chord of a root (or degree) and what follows it."""
    tags = {child.tag: child for child in reversed(group)}
    named = tags.get("kind", Element("kind"))
    kind = (named.text or "").strip()[:MAX_LABEL_LENGTH]
    text = named.get("text", "")[:MAX_LABEL_LENGTH]
    if root is None and kind != "none":
        return None
    degrees = [_degree(child) for child in group if child.tag == "degree"][:_MAX_DEGREES]
    bass = _pitch(tags["bass"], "bass") if "bass" in tags else None
    inversion = tags.get("inversion")
    parsed = chord_of_kind(
        root or 0,
        kind,
        [degree for degree in degrees if degree],
        bass=bass,
        inversion=(parse_int(inversion.text) or 0) if inversion is not None else 0,
        text=text,
    )
    if parsed is None:
        return None
    changes = " ".join(f"{d.change}{'#' * d.alter}{'b' * -d.alter}{d.number}" for d in degrees if d)
    written = format_name(root or 0) + (text or f" {kind} {changes}")
    return StatedChord.of(parsed, printable(" ".join(written.split())))


def _degree(element: Element) -> Degree | None:
    """Return an added, altered or subtracted degree, None if it is invalid."""
    number = parse_int(element.findtext("degree-value"))
    alter = _alteration(element.findtext("degree-alter"))
    change = (element.findtext("degree-type") or "add").strip()
    if number is None or not 1 <= number <= MAX_DEGREE or change not in _CHANGES:
        return None
    return Degree(number, alter, change)


def _root(element: Element, key: Key | None) -> int | None:
    """Return the root that an element gives, in fifths above C, or None."""
    if element.tag == "root":
        return _pitch(element, "root")
    if key is None:
        return None
    if element.tag == "function":
        return parse_numeral_root((element.text or "").strip(), *key)
    number = parse_int(element.findtext("numeral-root"))
    if number is None or not 1 <= number <= 7:
        return None
    return scale_degree(number, *key) + 7 * _alteration(element.findtext("numeral-alter"))


def _pitch(element: Element, name: str) -> int | None:
    """Return the fifths of a `root` or `bass` element, None if there is no such pitch."""
    step = parse_name((element.findtext(f"{name}-step") or "").strip())
    return None if step is None else step + 7 * _alteration(element.findtext(f"{name}-alter"))


def _alteration(text: str | None) -> int:
    """Return whole semitones up or down, at most two; 0 if there are none."""
    number = parse_number(text) or 0
    return max(-_MAX_ALTERATION, min(_MAX_ALTERATION, int(number)))
