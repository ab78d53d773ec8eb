"""Chord labels of Harte et al. (ISMIR 2005), as MIREX and mir_eval use them: `A:min7/b3`, `N`."""

from __future__ import annotations

import re

from musicvae.chords.chord import NO_CHORD, Chord, nearest_chord
from musicvae.chords.spelling import (
    format_degree,
    format_name,
    parse_degree,
    parse_name,
    pitch_class,
)
from musicvae.chords.vocabulary import QUALITIES

_LABEL = re.compile(r"([A-G][#b]*)(?::([a-z0-9#]*)(?:\(([^()]*)\))?)?(?:/([#b]*\d\d?))?", re.ASCII)
_SHORTHANDS = {q.harte: q.degrees for q in QUALITIES if q.degrees and "(" not in q.harte} | {
    "": ("1",),
    "1": ("1",),
    "sus": ("1", "4", "5"),
    "b9": ("1", "3", "5", "b7", "b9"),
    "#9": ("1", "3", "5", "b7", "#9"),
    "#11": ("1", "3", "5", "b7", "9", "#11"),
    "b13": ("1", "3", "5", "b7", "9", "b13"),
    "maj11": ("1", "3", "5", "7", "9", "11"),
}


def parse_harte(label: str) -> tuple[Chord, bool] | None:
    """Return the chord of the vocabulary nearest to a label, and whether it is the same.

    None if `label` is not in Harte syntax. `X`, a chord that nobody knows, is no chord, inexactly.
    """
    label = label.strip()
    if label in ("N", "X"):
        return NO_CHORD, label == "N"
    match = _LABEL.fullmatch(label)
    root = parse_name(match[1]) if match else None
    if not match or root is None:
        return None
    shorthand, listed, bass_degree = match[2], match[3], match[4]
    if shorthand is None:
        shorthand = "maj"
    if shorthand not in _SHORTHANDS or (not shorthand and listed is None):
        return None
    degrees = set(_SHORTHANDS[shorthand])
    for degree in filter(None, (d.strip() for d in (listed or "").split(","))):
        if parse_degree(degree.lstrip("*")) is None:
            return None
        if degree.startswith("*"):
            degrees.discard(degree[1:])
        else:
            degrees.add(degree)
    bass = root
    if bass_degree is not None:
        interval = parse_degree(bass_degree)
        if interval is None:
            return None
        bass = root + interval
    return nearest_chord(root, degrees, bass=bass)


def format_harte(chord: Chord) -> str:
    """Return the label of a chord, the inverse of `parse_harte`: `A:min/b3`, `N`."""
    if not chord.quality:
        return "N"
    label = f"{format_name(chord.root)}:{QUALITIES[chord.quality].harte}"
    if pitch_class(chord.bass) == pitch_class(chord.root):
        return label
    return f"{label}/{format_degree(chord.bass - chord.root)}"
