"""Floor 3: a music21 part taken apart in one pass into plain numbers, measure by measure."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from functools import lru_cache
from typing import Any

from musicvae.io.notation.dynamics import Place

_FINEST = 64  # denominator of a meter
_SANE_QPM = (10.0, 500.0)
_LONGEST = 1 << 20  # quarters of a measure


class UnfitScoreError(Exception):
    """A score that cannot become a song as it is; the message says why."""


# Onset and length in quarters from the beginning of the measure, MIDI pitch, tie, velocity.
RawNote = tuple[Fraction, Fraction, int, str, int | None]


@dataclass
class Line:
    """One part of a score. Lists have an entry a measure, marks are (place, ...).

    `lengths` in quarters; `written` the time signature at the beginning, `before` that of the part
    as a whole; `named` tempi come from words; keys are (place, fifths, minor).
    """

    before: tuple[int, int] | None
    numbers: list[Any] = field(default_factory=list)
    lengths: list[Fraction] = field(default_factory=list)
    written: list[tuple[int, int] | None] = field(default_factory=list)
    notes: list[list[RawNote]] = field(default_factory=list)
    tempi: list[tuple[Place, bool, float]] = field(default_factory=list)
    keys: list[tuple[Place, tuple[int, bool]]] = field(default_factory=list)
    dynamics: list[tuple[Place, str]] = field(default_factory=list)
    grace: int = 0
    outside: int = 0


@lru_cache(maxsize=4096)
def exact(value: float | Fraction) -> Fraction:
    """A music21 offset as a fraction: it keeps floats, and fractions with this limit."""
    return Fraction(value).limit_denominator(65535)


def line_of(staff: Any) -> Line:
    """Take a music21 part apart. Raises `UnfitScoreError` if it has no measures."""
    if not staff.hasMeasures():
        if not staff.notesAndRests:
            raise UnfitScoreError("a part without measures")
        staff = staff.makeMeasures().makeTies(inPlace=False)
    line, outer = Line(_written(staff)), []
    offsets: list[float] = []
    for element in staff:
        if "Measure" not in element.classSet:
            outer.append(element)
            continue
        index = len(line.lengths)
        offsets.append(float(element.offset))
        line.numbers.append(element.number)
        line.lengths.append(Fraction(0))
        line.written.append(_written(element))
        line.notes.append([])
        for offset, inner in _elements(element):
            _take(line, index, exact(offset), inner)
        if line.lengths[-1] > _LONGEST:
            raise UnfitScoreError(f"a measure without end (measure {element.number})")
    for element in outer:
        index = max(bisect_right(offsets, float(element.offset)) - 1, 0)
        if {"Note", "Chord"} & element.classSet and "Harmony" not in element.classSet:
            line.outside += len(element.pitches)
        elif offsets:
            _take(line, index, exact(element.offset - offsets[index]), element)
    return line


def _elements(stream: Any) -> Iterator[tuple[Any, Any]]:
    """(offset, element) of all that is in a measure, whatever voice it is in."""
    for element in stream:
        if element.isStream:
            yield from ((element.offset + offset, inner) for offset, inner in _elements(element))
        else:
            yield element.offset, element


def _take(line: Line, index: int, offset: Fraction, element: Any) -> None:
    kinds = element.classSet
    if "Note" in kinds or "Chord" in kinds:
        if "Harmony" in kinds:
            return
        if not element.quarterLength:
            line.grace += len(element.pitches)
            return
        for single in element.notes if element.isChord else (element,):
            length = exact(single.quarterLength or element.quarterLength)
            line.lengths[index] = max(line.lengths[index], offset + length)
            tie = single.tie.type if single.tie else ""
            loud = single.volume.velocity if single.hasVolumeInformation() else None
            line.notes[index].append((offset, length, single.pitch.midi, tie, loud))
    elif "GeneralNote" in kinds:
        # Marks may stand past the last note or rest, and make a measure no longer.
        line.lengths[index] = max(line.lengths[index], offset + exact(element.quarterLength))
    elif "MetronomeMark" in kinds:
        qpm = element.getQuarterBPM()
        if qpm and _SANE_QPM[0] <= qpm <= _SANE_QPM[1]:
            named = bool(element.numberImplicit or element.parentheses)
            line.tempi.append(((index, offset), named, float(qpm)))
    elif "KeySignature" in kinds:
        minor = getattr(element, "mode", None) in ("minor", "aeolian")
        line.keys.append(((index, offset), (max(-7, min(7, int(element.sharps))), minor)))
    elif "Dynamic" in kinds:
        line.dynamics.append(((index, offset), str(element.value).lower()))


def _written(stream: Any) -> tuple[int, int] | None:
    """The time signature at the beginning of a measure or part, if MIDI can hold it."""
    for sign in stream.getElementsByClass("TimeSignature"):
        numerator, denominator = sign.numerator, sign.denominator
        if numerator is None or denominator is None:
            continue
        fine = denominator <= _FINEST and denominator & (denominator - 1) == 0
        if sign.offset == 0 and fine and 0 < numerator < 256:
            return int(numerator), int(denominator)
    return None
