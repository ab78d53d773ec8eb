"""Conversion of a music21 part to plain numbers, measure by measure, in one pass."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from functools import lru_cache
from typing import Any

from musicvae.io.notation.dynamics import ScorePosition

MAX_DENOMINATOR, MAX_NUMERATOR = 64, 255  # of a MIDI time signature
_QPM_RANGE = (10.0, 500.0)
_MAX_MEASURE_QUARTERS = 1 << 20


class UnsupportedScoreError(Exception):
    """Score that cannot be converted to a song; the message gives the reason."""


# Onset in its measure and length in quarters, MIDI pitch, tie type, velocity.
RawNote = tuple[Fraction, Fraction, int, str, int | None]


@dataclass
class ScorePart:
    """One part of a score; lists have one entry per measure.

    `measure_lengths` are in quarters. `time_signatures` are those at the beginning of a measure,
    `initial_time_signature` that of the part. Marks begin with their position: `tempo_marks` are
    (position, whether from words, QPM), `keys` (position, (fifths, minor)), `dynamics` (position,
    name). `n_outside_measures` counts notes that belong to no measure.
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
    """Convert a music21 offset to a fraction, with the largest denominator music21 uses."""
    return Fraction(value).limit_denominator(65535)


def read_part(staff: Any) -> ScorePart:
    """Read a music21 part. Raises `UnsupportedScoreError` if it has no measures."""
    if not staff.hasMeasures():
        if not staff.notesAndRests:
            raise UnsupportedScoreError("a part without measures")
        staff = staff.makeMeasures().makeTies(inPlace=False)
    part, outside = ScorePart(_time_signature(staff)), []
    offsets: list[float] = []
    for element in staff:
        if "Measure" not in element.classSet:
            outside.append(element)
            continue
        index = len(part.measure_lengths)
        offsets.append(float(element.offset))
        part.measure_numbers.append(element.number)
        part.measure_lengths.append(Fraction(0))
        part.time_signatures.append(_time_signature(element))
        part.notes.append([])
        for offset, inner in _iter_elements(element):
            _add_element(part, index, to_fraction(offset), inner)
        if part.measure_lengths[-1] > _MAX_MEASURE_QUARTERS:
            raise UnsupportedScoreError(f"measure is too long (measure {element.number})")
    for element in outside:
        index = max(bisect_right(offsets, float(element.offset)) - 1, 0)
        if {"Note", "Chord"} & element.classSet and "Harmony" not in element.classSet:
            part.n_outside_measures += len(element.pitches)
        elif offsets:
            _add_element(part, index, to_fraction(element.offset - offsets[index]), element)
    return part


def _iter_elements(stream: Any) -> Iterator[tuple[Any, Any]]:
    """Yield (offset, element) of everything in a measure, in all voices."""
    for element in stream:
        if element.isStream:
            for offset, inner in _iter_elements(element):
                yield element.offset + offset, inner
        else:
            yield element.offset, element


def _add_element(part: ScorePart, index: int, offset: Fraction, element: Any) -> None:
    """Add a music21 element at an offset of a measure."""
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
            velocity = single.volume.velocity if single.hasVolumeInformation() else None
            part.notes[index].append((offset, length, single.pitch.midi, tie, velocity))
    elif "GeneralNote" in kinds:
        # Only notes and rests count: marks may lie beyond the end of a measure.
        end = offset + to_fraction(element.quarterLength)
        part.measure_lengths[index] = max(part.measure_lengths[index], end)
    elif "MetronomeMark" in kinds:
        qpm = element.getQuarterBPM()
        if qpm and _QPM_RANGE[0] <= qpm <= _QPM_RANGE[1]:
            from_words = bool(element.numberImplicit or element.parentheses)
            part.tempo_marks.append(((index, offset), from_words, float(qpm)))
    elif "KeySignature" in kinds:
        minor = getattr(element, "mode", None) in ("minor", "aeolian")
        part.keys.append(((index, offset), (max(-7, min(7, int(element.sharps))), minor)))
    elif "Dynamic" in kinds:
        part.dynamics.append(((index, offset), str(element.value).lower()))


def _time_signature(stream: Any) -> tuple[int, int] | None:
    """Return the time signature at the start of a measure or part, if MIDI can represent it."""
    for sign in stream.getElementsByClass("TimeSignature"):
        numerator, denominator = sign.numerator, sign.denominator
        if numerator is None or denominator is None:
            continue
        is_valid = denominator <= MAX_DENOMINATOR and denominator & (denominator - 1) == 0
        if sign.offset == 0 and is_valid and 0 < numerator <= MAX_NUMERATOR:
            return int(numerator), int(denominator)
    return None
