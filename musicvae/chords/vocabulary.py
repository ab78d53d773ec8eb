"""The vocabulary: qualities of chords, with their degrees, and labels in each syntax.

The order is that of `ChordMap.quality`, and so part of stored data: new ones go to the end.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from musicvae.chords.spelling import parse_degree, pitch_class


@dataclass(frozen=True)
class Quality:
    """A quality: its Harte label after the colon, its symbol after the root, and its degrees."""

    harte: str
    symbol: str
    degrees: tuple[str, ...]
    """Degrees above the root, as in Harte syntax; empty for no chord."""

    @cached_property
    def intervals(self) -> frozenset[int]:
        """Semitones 0..11 above the root; empty for no chord."""
        return semitones(self.degrees)


def semitones(degrees: Iterable[str]) -> frozenset[int]:
    """Return the semitones 0..11 above the root of degrees (`b3`)."""
    found = (parse_degree(degree) for degree in degrees)
    return frozenset(pitch_class(fifths) for fifths in found if fifths is not None)


def _quality(harte: str, symbol: str, degrees: str) -> Quality:
    return Quality(harte, symbol, tuple(degrees.split()))


QUALITIES = (
    _quality("N", "N.C.", ""),
    _quality("maj", "", "1 3 5"),
    _quality("min", "m", "1 b3 5"),
    _quality("dim", "dim", "1 b3 b5"),
    _quality("aug", "aug", "1 3 #5"),
    _quality("sus2", "sus2", "1 2 5"),
    _quality("sus4", "sus4", "1 4 5"),
    _quality("maj6", "6", "1 3 5 6"),
    _quality("min6", "m6", "1 b3 5 6"),
    _quality("7", "7", "1 3 5 b7"),
    _quality("maj7", "maj7", "1 3 5 7"),
    _quality("min7", "m7", "1 b3 5 b7"),
    _quality("minmaj7", "m(maj7)", "1 b3 5 7"),
    _quality("dim7", "dim7", "1 b3 b5 bb7"),
    _quality("hdim7", "m7b5", "1 b3 b5 b7"),
    _quality("aug(b7)", "7#5", "1 3 #5 b7"),
    _quality("aug(7)", "maj7#5", "1 3 #5 7"),
    _quality("(3,b5,b7)", "7b5", "1 3 b5 b7"),
    _quality("sus4(b7)", "7sus4", "1 4 5 b7"),
    _quality("maj(9)", "add9", "1 3 5 9"),
    _quality("min(9)", "m(add9)", "1 b3 5 9"),
    _quality("maj6(9)", "6/9", "1 3 5 6 9"),
    _quality("min6(9)", "m6/9", "1 b3 5 6 9"),
    _quality("9", "9", "1 3 5 b7 9"),
    _quality("maj9", "maj9", "1 3 5 7 9"),
    _quality("min9", "m9", "1 b3 5 b7 9"),
    _quality("sus4(b7,9)", "9sus4", "1 4 5 b7 9"),
    _quality("7(b9)", "7b9", "1 3 5 b7 b9"),
    _quality("7(#9)", "7#9", "1 3 5 b7 #9"),
    _quality("7(#11)", "7#11", "1 3 5 b7 #11"),
    _quality("maj7(#11)", "maj7#11", "1 3 5 7 #11"),
    _quality("11", "11", "1 3 5 b7 9 11"),
    _quality("min11", "m11", "1 b3 5 b7 9 11"),
    _quality("13", "13", "1 3 5 b7 9 13"),
    _quality("maj13", "maj13", "1 3 5 7 9 13"),
    _quality("min13", "m13", "1 b3 5 b7 9 13"),
    _quality("5", "5", "1 5"),
)
"""No chord, triads, sixths and sevenths, extensions and alterations, and the fifth alone."""

QUALITY_INDEX = {quality.harte: index for index, quality in enumerate(QUALITIES)}
"""Index of a quality by its Harte label."""

# Cost of a degree too many or too few, by its semitones: what makes a chord what it is costs most.
_COSTS = {0: 8.0, 3: 4.0, 4: 4.0, 5: 2.5, 6: 2.0, 7: 1.5, 8: 2.0, 9: 1.6, 10: 3.0, 11: 3.0}
_EXTENSION_COST = 1.0


def nearest_quality(intervals: frozenset[int]) -> tuple[int, bool]:
    """Return the index of the quality nearest to semitones above a root; whether it is equal."""
    costs = [
        sum(_COSTS.get(i, _EXTENSION_COST) for i in intervals ^ quality.intervals) if index else 99
        for index, quality in enumerate(QUALITIES)
    ]
    best = min(range(len(costs)), key=lambda index: costs[index])
    return best, costs[best] == 0
