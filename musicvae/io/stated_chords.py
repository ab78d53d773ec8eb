"""Chords that a file states, in any of its formats."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import lru_cache

from musicvae.chords import Chord, format_symbol, parse_harte, parse_symbol
from musicvae.chords.chord import MAX_LABEL_LENGTH
from musicvae.io.result import plural

_MAX_SHOWN = 5


@dataclass(frozen=True)
class StatedChord:
    """A chord of the vocabulary; `outside` is what a file has, where the vocabulary lacks it."""

    chord: Chord
    outside: str = ""

    @classmethod
    def of(cls, parsed: tuple[Chord, bool], written: str) -> StatedChord:
        """Return the chord that a parser found in `written`, and whether it is the same."""
        chord, is_exact = parsed
        return cls(chord, "" if is_exact else written)

    def transpose(self, semitones: int) -> StatedChord:
        """Return the chord `semitones` higher; octaves change nothing."""
        return replace(self, chord=self.chord.transpose(semitones)) if semitones % 12 else self


def parse_stated(text: str) -> StatedChord | None:
    """Return the chord that a label in either syntax states, None for any other text."""
    text = text.strip()
    return _parse(text) if len(text) <= MAX_LABEL_LENGTH else None


@lru_cache(maxsize=4096)
def _parse(text: str) -> StatedChord | None:
    """Return the chord of a label; files repeat few of them."""
    parsed = parse_harte(text) or parse_symbol(text)
    return StatedChord.of(parsed, text) if parsed else None


def outside_warnings(chords: Iterable[StatedChord]) -> list[str]:
    """Return a warning about the chords outside the vocabulary, if there are any."""
    counts = Counter((c.outside, format_symbol(c.chord)) for c in chords if c.outside)
    if not counts:
        return []
    shown = [f"{written} as {nearest}" for (written, nearest), _ in counts.most_common(_MAX_SHOWN)]
    more = ", ..." if len(counts) > _MAX_SHOWN else ""
    total = plural(counts.total(), "chord")
    return [f"{total} outside the vocabulary read as the nearest: {', '.join(shown)}{more}"]
