"""Attributes of the measures of a part: divisions, keys, time signatures, transposition, styles."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import NamedTuple
from xml.etree.ElementTree import Element

from musicvae.io.notation.musicxml.numbers import Number, parse_int, parse_number
from musicvae.io.notation.musicxml.omissions import Omissions
from musicvae.io.notation.score import (
    MAX_DENOMINATOR,
    MAX_NUMERATOR,
    ScorePosition,
    TimeSignature,
    UnsupportedScoreError,
    check_quarters,
    parse_digits,
)
from musicvae.representation.key import MINOR_MODES, transpose_fifths

ALL_STAVES = 0
_BEATS = re.compile(r"\s*\d++(\s*\+\s*\d++){0,15}\s*")
_STEPS_BY_FIFTHS = "FCGDAEB"
_MAX_FIFTHS = 7
_MAX_TRANSPOSITION = 127
_MAX_REPEATED_MEASURES = 64


class MeasureRepeat(NamedTuple):
    """Start of signs, each for the `n_repeated` measures before it, in a measure; 0 ends them."""

    staff: int
    measure: int
    n_repeated: int


class Attributes:
    """Attributes in force, and keys and time signatures where they are written."""

    def __init__(self, omissions: Omissions) -> None:
        self.omissions = omissions
        self.divisions: Number = 1
        self.nominal_quarters: Fraction | None = Fraction(4)
        self.is_transposing = False
        self.keys: list[tuple[int, ScorePosition, tuple[int, bool]]] = []
        self.time_signatures: list[tuple[int, int, TimeSignature]] = []
        self.percussion_staves: set[int] = set()  # at present
        self.tab_staves: set[int] = set()  # that begin as tablature
        self._clef_staves: set[int] = set()
        self.measure_repeats: list[MeasureRepeat] = []
        self._written_keys: list[tuple[ScorePosition, Element]] = []
        self._transpositions: dict[int, int] = {}
        self._octave_doublings: dict[int, int] = {}
        self._staff_lines: dict[int, int] = {}

    def transposition(self, staff: int) -> int:
        """Return the semitones from written to sounding pitch on a staff."""
        default = self._transpositions.get(ALL_STAVES, 0)
        return self._transpositions.get(staff, default)

    def doubling(self, staff: int) -> int:
        """Return the semitones at which notes of a staff are doubled, 0 for none."""
        default = self._octave_doublings.get(ALL_STAVES, 0)
        return self._octave_doublings.get(staff, default)

    def n_lines(self, staff: int) -> int:
        """Return the number of lines of a staff, 5 unless the file says otherwise."""
        return self._staff_lines.get(staff, self._staff_lines.get(ALL_STAVES, 5))

    def read(self, element: Element, index: int, position: Fraction) -> None:
        """Read an `attributes` element at a position in quarters of a measure."""
        for transpose in element.iterfind("transpose"):
            self._read_transpose(transpose)
            self._transpose_keys((index, position))
        for child in element:
            tag = child.tag
            if tag == "divisions":
                divisions = parse_number(child.text)
                if divisions is None or divisions <= 0:
                    text = (child.text or "")[:20]
                    raise UnsupportedScoreError(f"invalid divisions '{' '.join(text.split())}'")
                self.divisions = divisions
            elif tag == "key":
                self._read_key(child, (index, position))
            elif tag == "time":
                # A meter in the middle of a measure counts from the next one.
                self._read_time(child, index if position == 0 else index + 1)
            elif tag == "measure-style":
                self._read_measure_style(child, index)
            elif tag == "clef":
                self._read_clef(child)
            elif tag == "staff-details":
                lines = parse_int(child.findtext("staff-lines"))
                if lines is not None:
                    self._staff_lines[_staff(child)] = lines

    def _read_transpose(self, transpose: Element) -> None:
        """Read a transposition, with the doubling of a part at the octave."""
        chromatic = parse_number(transpose.findtext("chromatic")) or 0
        octaves = parse_int(transpose.findtext("octave-change")) or 0
        semitones = round(chromatic) + 12 * octaves
        staff = _staff(transpose)
        if staff == ALL_STAVES:
            self._transpositions.clear()
            self._octave_doublings.clear()
        self._transpositions[staff] = max(-_MAX_TRANSPOSITION, min(_MAX_TRANSPOSITION, semitones))
        double = transpose.find("double")
        if double is not None:
            self._octave_doublings[staff] = 12 if double.get("above") == "yes" else -12
        self.is_transposing = True

    def _transpose_keys(self, place: ScorePosition) -> None:
        """Transpose keys that were written at a place before its transposition."""
        written, self._written_keys = self._written_keys, []
        here = [key for key_place, key in written if key_place == place]
        del self.keys[len(self.keys) - len(here) :]
        for key in here:
            self._read_key(key, place)

    def _read_clef(self, clef: Element) -> None:
        """Read a clef, of which only percussion and tablature are of interest."""
        staff, sign = _staff(clef), (clef.findtext("sign") or "").strip().lower()
        self.percussion_staves.discard(staff)
        if sign == "percussion":
            self.percussion_staves.add(staff)
        if sign == "tab" and staff not in self._clef_staves:
            self.tab_staves.add(staff or 1)
        self._clef_staves.add(staff)

    def _read_key(self, key: Element, place: ScorePosition) -> None:
        """Read a key signature at sounding pitch."""
        staff = _staff(key)
        fifths = parse_int(key.findtext("fifths"))
        if fifths is None:
            fifths = _fifths_of_steps(key)
        if fifths is None:
            self.omissions.n_invalid_keys += 1
            return
        semitones = self.transposition(staff)
        if semitones % 12 or abs(fifths) > _MAX_FIFTHS:
            fifths = transpose_fifths(fifths, semitones)
        self._written_keys.append((place, key))
        minor = (key.findtext("mode") or "").strip().lower() in MINOR_MODES
        self.keys.append((staff, place, (fifths, minor)))

    def _read_time(self, time: Element, index: int) -> None:
        """Read a time signature of a measure; a composite one is the sum of its parts."""
        if time.find("senza-misura") is not None:
            self.nominal_quarters = None
            return
        total, denominator = Fraction(0), 1
        beats = [child.text or "" for child in time if child.tag == "beats"]
        units = [parse_int(child.text) or 0 for child in time if child.tag == "beat-type"]
        is_valid = len(beats) == len(units) > 0 and len(beats) < 16
        for text, unit in zip(beats, units, strict=False):
            if unit <= 0 or not _BEATS.fullmatch(text):
                is_valid = False
                break
            total += Fraction(sum(parse_digits(beat.strip()) for beat in text.split("+")), unit)
            check_quarters(4 * total, "a meter")
            is_valid &= unit <= 2 * MAX_DENOMINATOR and unit & (unit - 1) == 0
            denominator = max(denominator, unit)
        if not is_valid or total <= 0:
            self.omissions.n_invalid_meters += 1
            return
        self.nominal_quarters = 4 * total
        numerator = int(total * denominator)
        if numerator <= MAX_NUMERATOR and denominator <= MAX_DENOMINATOR:
            self.time_signatures.append((_staff(time), index, (numerator, denominator)))

    def _read_measure_style(self, style: Element, index: int) -> None:
        """Read signs that stand for notes."""
        for child in style:
            is_stop = child.get("type") == "stop"
            if child.tag == "measure-repeat":
                count = parse_int(child.text) or 1
                count = 0 if is_stop else max(1, min(count, _MAX_REPEATED_MEASURES))
                self.measure_repeats.append(MeasureRepeat(_staff(style), index, count))
            elif child.tag == "slash":
                self.omissions.n_slash_measures += not is_stop
            elif child.tag == "beat-repeat":
                self.omissions.n_beat_repeats += not is_stop


def _staff(element: Element) -> int:
    """Return the staff that an element is for, `ALL_STAVES` by default."""
    return parse_int(element.get("number")) or ALL_STAVES


def _fifths_of_steps(key: Element) -> int | None:
    """Return the fifths of a key that lists its altered steps, None if it is not of the circle."""
    steps = [(child.text or "").strip() for child in key if child.tag == "key-step"]
    alters = [parse_number(child.text) for child in key if child.tag == "key-alter"]
    if not steps:
        return 0 if key.find("mode") is not None else None
    count = len(steps)
    if len(alters) == count and count <= _MAX_FIFTHS:
        if set(alters) == {1} and set(steps) == set(_STEPS_BY_FIFTHS[:count]):
            return count
        if set(alters) == {-1} and set(steps) == set(_STEPS_BY_FIFTHS[-count:]):
            return -count
    return None
