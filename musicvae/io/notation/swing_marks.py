"""Swing marks of scores: what they mean, and whether a whole score is swung."""

from __future__ import annotations

import re
from collections.abc import Sequence

from musicvae.swing import EIGHTHS, SIXTEENTHS, Swing

USUAL_RATIO = 2.0  # of a mark in words
_SWING = re.compile(r"\b(swing|swung|shuffle|triplet feel)\b")
_SIXTEENTHS = re.compile(r"\b(16ths?|sixteenths?|semiquavers?)\b")

SwingMark = tuple[int, Swing | None]
"""Index of a measure, and the swing from there on; None is straight."""


def swing_from_words(text: str) -> Swing | None:
    """Return the swing that words ask for, such as ``"Swing 16ths"``; None if they do not."""
    plain = text.lower()
    if not _SWING.search(plain) or "straight" in plain:
        return None
    return Swing(USUAL_RATIO, SIXTEENTHS if _SIXTEENTHS.search(plain) else EIGHTHS)


def swing_from_ratio(first: float, second: float, note_type: str) -> Swing:
    """Return the swing of a mark that gives the lengths of both notes; 2:1 if they are invalid."""
    unit = SIXTEENTHS if note_type == "16th" else EIGHTHS
    try:
        return Swing(first / second, unit)
    except ValueError:
        return Swing(USUAL_RATIO, unit)


def whole_swing(marks: Sequence[SwingMark]) -> tuple[Swing | None, int]:
    """Return the swing of a whole score, and the number of swing marks that are not played.

    A score is played with one swing: one that begins with it, in its pickup or first full bar, and
    neither changes nor ends.
    """
    swings = [swing for _, swing in marks if swing is not None]
    if not swings:
        return None, 0
    first = min(measure for measure, swing in marks if swing is not None)
    if first <= 1 and len(set(swings)) == 1 and len(swings) == len(marks):
        return swings[0], 0
    return None, len(swings)
