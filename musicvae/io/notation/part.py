"""Floor 3: a music21 part taken apart in one pass into plain numbers, measure by measure."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from functools import lru_cache
from typing import Any

from musicvae.io.notation.dynamics import ScorePosition

MAX_DENOMINATOR = 64  # denominator of a meter
_QPM_RANGE = (10.0, 500.0)
_MAX_MEASURE_QUARTERS = 1 << 20  # quarters of a measure


class UnsupportedScoreError(Exception):
    """A score that cannot become a song as it is; the message says why."""


# Onset and length in quarters from the beginning of the measure, MIDI pitch, tie, velocity.
RawNote = tuple[Fraction, Fraction, int, str, int | None]


@dataclass
class ScorePart:
    """One part of a score. Lists have an entry a measure, marks are (place, ...).

    `lengths` in quarters; `written` the time signature at the beginning, `before` that of the part
    as a whole; `named` tempi come from words; keys are (place, fifths, minor).
    """

    initial_time_signature: tuple[int, int] | None
    measure_numbers: list[Any] = field(default_factory=list)
    measure_lengths: list[Fraction] = field(default_factory=list)
    time_signatures: list[tuple[int, int] | None] = field(default_factory=list)
    notes: list[list[RawNote]] = field(default_factory=list)
    tempo_marks: list[tuple[ScorePosition, bool, float]] = field(default_factory=list)
    keys: list[tuple[ScorePosition, tuple[int, bool]]] = field(default_factory=list)
    dynamics: list[tuple[ScorePosition, str]] = field(default_factory=list)
    n_grace_notes: int = 0
    n_outside_measures: int = 0


@lru_cache(maxsize=4096)
def to_fraction(value: float | Fraction) -> Fraction:
    """A music21 offset as a fraction: it keeps floats, and fractions with this limit."""
    return Fraction(value).limit_denominator(65535)


def read_part(staff: Any) -> ScorePart:
    """Take a music21 part apart. Raises `UnfitScoreError` if it has no measures."""
    if not staff.hasMeasures():
        if not staff.notesAndRests:
            raise UnsupportedScoreError("a part without measures")
        staff = staff.makeMeasures().makeTies(inPlace=False)
    line, outer = ScorePart(_time_signature(staff)), []
    offsets: list[float] = []
    for element in staff:
        if "Measure" not in element.classSet:
            outer.append(element)
            continue
        index = len(line.measure_lengths)
        offsets.append(float(element.offset))
        line.measure_numbers.append(element.number)
        line.measure_lengths.append(Fraction(0))
        line.time_signatures.append(_time_signature(element))
        line.notes.append([])
        for offset, inner in _iter_elements(element):
            _add_element(line, index, to_fraction(offset), inner)
        if line.measure_lengths[-1] > _MAX_MEASURE_QUARTERS:
            raise UnsupportedScoreError(f"a measure without end (measure {element.number})")
    for element in outer:
        index = max(bisect_right(offsets, float(element.offset)) - 1, 0)
        if {"Note", "Chord"} & element.classSet and "Harmony" not in element.classSet:
            line.n_outside_measures += len(element.pitches)
        elif offsets:
            _add_element(line, index, to_fraction(element.offset - offsets[index]), element)
    return line


def _iter_elements(stream: Any) -> Iterator[tuple[Any, Any]]:
    """(offset, element) of all that is in a measure, whatever voice it is in."""
    for element in stream:
        if element.isStream:
            yield from ((element.offset + offset, inner) for offset, inner in _iter_elements(element))
        else:
            yield element.offset, element


def _add_element(part: ScorePart, index: int, offset: Fraction, element: Any) -> None:
    kinds = element.classSet
    if "Note" in kinds or "Chord" in kinds:
        if "Harmony" in kinds:
            return
        if not element.quarterLength:
            part.n_grace_notes += len(element.pitches)
            return
        for single in element.notes if element.isChord else (element,):
            length = to_fraction(single.quarterLength or element.quarterLength)
            part.measure_lengths[index] = max(part.measure_lengths[index], offset + length)
            tie = single.tie.type if single.tie else ""
            loud = single.volume.velocity if single.hasVolumeInformation() else None
            part.notes[index].append((offset, length, single.pitch.midi, tie, loud))
    elif "GeneralNote" in kinds:
        # Marks may stand past the last note or rest, and make a measure no longer.
        part.measure_lengths[index] = max(part.measure_lengths[index], offset + to_fraction(element.quarterLength))
    elif "MetronomeMark" in kinds:
        qpm = element.getQuarterBPM()
        if qpm and _QPM_RANGE[0] <= qpm <= _QPM_RANGE[1]:
            named = bool(element.numberImplicit or element.parentheses)
            part.tempo_marks.append(((index, offset), named, float(qpm)))
    elif "KeySignature" in kinds:
        minor = getattr(element, "mode", None) in ("minor", "aeolian")
        part.keys.append(((index, offset), (max(-7, min(7, int(element.sharps))), minor)))
    elif "Dynamic" in kinds:
        part.dynamics.append(((index, offset), str(element.value).lower()))


def _time_signature(stream: Any) -> tuple[int, int] | None:
    """The time signature at the beginning of a measure or part, if MIDI can hold it."""
    for sign in stream.getElementsByClass("TimeSignature"):
        numerator, denominator = sign.numerator, sign.denominator
        if numerator is None or denominator is None:
            continue
        fine = denominator <= MAX_DENOMINATOR and denominator & (denominator - 1) == 0
        if sign.offset == 0 and fine and 0 < numerator < 256:
            return int(numerator), int(denominator)
    return None
