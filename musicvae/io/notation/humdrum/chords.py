"""Chords of `**mxhm`, `**harm`, `**harte` and `**chord` spines."""

from __future__ import annotations

import re
from collections.abc import Sequence
from fractions import Fraction

from musicvae.chords import NO_CHORD
from musicvae.chords.kinds import chord_of_kind
from musicvae.chords.roman import parse_roman
from musicvae.chords.spelling import parse_name
from musicvae.errors import printable
from musicvae.io.limits import MAX_CHANGES
from musicvae.io.notation.score import ScorePosition, check_count
from musicvae.io.stated_chords import StatedChord, parse_stated

CHORD_KINDS = ("mxhm", "harte", "chord", "harm")
"""Exclusive interpretations that state chords; of several in one file the first counts."""
_MXHM = re.compile(r"([A-G])(#+|-+)?(?:\s+([\w-]+))?(?:\s*/\s*([A-G])(#+|-+)?)?")
_FLAT_NAME = re.compile(r"([A-G])(-+)(?=:|$)")
_MAX_TOKEN = 60


def parse_chord(kind: str, token: str, key: tuple[int, bool]) -> StatedChord | None:
    """Return the chord of a token of a spine of `kind`, None if it is none.

    `key` has the fifths, and whether it is minor, for the numerals of `**harm`.
    """
    token = token[:_MAX_TOKEN].strip().strip(";")
    if kind == "harm":
        plain = token.strip("()[]{}")
        parsed = (NO_CHORD, True) if plain == "r" else parse_roman(plain, *key)
        return StatedChord.of(parsed, printable(token)) if parsed else None
    if kind == "mxhm":
        if token in ("none", "r"):
            return StatedChord(NO_CHORD)
        if match := _MXHM.fullmatch(token):
            root = _pitch(match[1], match[2])
            bass = _pitch(match[4], match[5]) if match[4] else None
            if root is not None:
                parsed = chord_of_kind(root, match[3] or "major", bass=bass)
                if parsed:
                    return StatedChord.of(parsed, printable(token))
    flats = _FLAT_NAME.sub(lambda match: match[1] + "b" * len(match[2]), token)
    return parse_stated(flats if kind == "harte" else token)


def _pitch(letter: str, accidentals: str | None) -> int | None:
    """Return the fifths of a pitch in the spelling of Humdrum, B- for B flat."""
    return parse_name(letter + (accidentals or "").replace("-", "b"))


class ChordReader:
    """Chords in order, with their positions; `columns` are (number, kind) of columns with chords.

    A line without notes has no time of its own: such lines divide evenly the time between the lines
    with notes around them.
    """

    def __init__(self) -> None:
        self.columns: list[tuple[int, str]] = []
        self.key = (0, False)
        self.marks: list[tuple[ScorePosition, StatedChord]] = []
        self.n_unreadable = self.n_spread = 0
        self._start: ScorePosition = (0, Fraction(0))  # of the last line with notes
        self._n_lines = 0  # without notes since then
        self._waiting: list[tuple[int, StatedChord]] = []

    def read_line(self, tokens: Sequence[str], position: ScorePosition | None) -> None:
        """Read the chords of a line, at its position if it has notes."""
        if not self.columns:
            return
        if position is None:
            self._n_lines += 1
        else:
            self._settle(position[1])
            self._start = position
        for number, kind in self.columns:
            token = tokens[number]
            if token == ".":
                continue
            chord = parse_chord(kind, token, self.key)
            if chord is None:
                self.n_unreadable += 1
            elif position is None:
                self._waiting.append((self._n_lines, chord))
            else:
                self.marks.append((position, chord))
        check_count(len(self.marks) + len(self._waiting), MAX_CHANGES, "chords")

    def end_measure(self, index: int, length: Fraction) -> None:
        """End a measure of a length in quarters."""
        self._settle(length)
        self._start = index + 1, Fraction(0)

    def _settle(self, end: Fraction) -> None:
        """Give chords on lines without notes their times, before a time of the measure."""
        index, start = self._start
        for line, chord in self._waiting:
            time = start + max(end - start, Fraction(0)) * Fraction(line, self._n_lines + 1)
            self.marks.append(((index, time), chord))
        self.n_spread += len(self._waiting)
        self._waiting, self._n_lines = [], 0
