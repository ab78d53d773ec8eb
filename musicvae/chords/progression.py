"""Progressions as musicians write them: `C | G/B | Am F | %`, bars and the chords in each."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from musicvae.chords.chord import Chord
from musicvae.chords.harte import parse_harte
from musicvae.chords.symbols import format_symbol, parse_symbol

Progression = tuple[tuple[Chord, ...], ...]
"""The chords of each bar, which share it equally."""

_REPEAT_BAR, _REPEAT_CHORD = "%", "/"


def parse_progression(text: str) -> Progression:
    """Return the chords of each bar of a progression.

    Bars are separated by `|`, the chords within by spaces; they are symbols or labels in Harte
    syntax. `%` or nothing repeats the bar before, `/` the chord before. Raises `ValueError` for a
    text without chords, or that has something else.
    """
    bars: list[tuple[Chord, ...]] = []
    for written in text.strip().strip("|").split("|"):
        words = written.split()
        if words in ([], [_REPEAT_BAR]) and bars:
            bars.append(bars[-1])
            continue
        chords: list[Chord] = []
        for word in words:
            if word == _REPEAT_CHORD and (chords or bars):
                chords.append(chords[-1] if chords else bars[-1][-1])
                continue
            parsed = parse_harte(word) or parse_symbol(word)
            if parsed is None:
                raise ValueError(f"{word[:40]!r} is no chord; write C, Am7, Bb/D or N.C.")
            chords.append(parsed[0])
        bars.append(tuple(chords))
    if not bars or not bars[0]:
        raise ValueError("no chords; write C | G | Am | F")
    return tuple(bars)


def format_progression(bars: Iterable[Sequence[Chord]]) -> str:
    """Return a progression as text; the inverse is `parse_progression`."""
    return " | ".join(" ".join(map(format_symbol, chords)) for chords in bars)
