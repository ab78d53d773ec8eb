"""Staff notation: clefs, staves, key signatures, pitch spelling and drum positions."""

from __future__ import annotations

from dataclasses import dataclass
from xml.etree.ElementTree import Element, SubElement

import numpy as np

from musicvae.arrays import Ints
from musicvae.representation.drums import GM_PERCUSSION
from musicvae.song import Part

_NATURAL_SEMITONES = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
_STEPS_BY_FIFTHS = "FCGDAEB"
_MIDDLE_C = 60
_KEYBOARD_PROGRAMS = range(24)  # General MIDI: pianos, bells, organs
_LOWEST_WRITTEN, _HIGHEST_WRITTEN = 13, 130  # in octaves 0..9 of MusicXML, however spelled


@dataclass(frozen=True)
class Clef:
    """A clef: sign, line and octave change."""

    sign: str
    line: int | None = None
    octave: int = 0

    def add_to(self, attributes: Element, number: int | None) -> None:
        """Add the clef to the attributes of a measure; `number` is the staff, if any."""
        clef = SubElement(attributes, "clef")
        if number is not None:
            clef.set("number", str(number))
        SubElement(clef, "sign").text = self.sign
        if self.line is not None:
            SubElement(clef, "line").text = str(self.line)
        if self.octave:
            SubElement(clef, "clef-octave-change").text = str(self.octave)


@dataclass(frozen=True)
class Staff:
    """A staff with its pitches, from `min_pitch` to before `stop_pitch`.

    `octave_change` is that from written to sounding pitch.
    """

    min_pitch: int = 0
    stop_pitch: int = 128
    octave_change: int = 0

    def add_transposition_to(self, attributes: Element, number: int | None) -> None:
        """Add the transposition, if any, to the attributes of a measure, for staff `number`."""
        if not self.octave_change:
            return
        transpose = SubElement(attributes, "transpose")
        if number is not None:
            transpose.set("number", str(number))
        SubElement(transpose, "chromatic").text = "0"
        SubElement(transpose, "octave-change").text = str(self.octave_change)


# Clefs with the pitches that need at most one ledger line, and a penalty for unusual clefs.
_CLEFS = (
    (Clef("G", 2), 60, 81, 0.0),
    (Clef("F", 4), 40, 60, 0.0),
    (Clef("G", 2, -1), 48, 69, 1.0),
    (Clef("F", 4, -1), 28, 48, 1.0),
    (Clef("G", 2, 1), 72, 93, 2.0),
)


def choose_clef(pitch: Ints) -> Clef:
    """Return the clef with the fewest ledger lines; the treble clef if there are no notes."""
    if not len(pitch):
        return _CLEFS[0][0]

    def cost(low: int, high: int, penalty: float) -> float:
        return float((np.maximum(low - pitch, 0) + np.maximum(pitch - high, 0)).mean()) + penalty

    return min(_CLEFS, key=lambda clef: cost(*clef[1:]))[0]


def choose_staves(part: Part, pitch: Ints) -> list[Staff]:
    """Return one staff, or two for a keyboard part that spans middle C.

    Pitches below octave 0, the lowest that can be written, are on a staff that sounds lower than
    written; if the part has the highest pitches, too, they are on a staff of their own.
    """
    if not len(pitch):
        return [Staff()]
    octave_change = min((int(pitch.min()) - _LOWEST_WRITTEN) // 12, 0)
    is_wide = int(pitch.max()) - 12 * octave_change > _HIGHEST_WRITTEN
    if part.program in _KEYBOARD_PROGRAMS:
        low, high = np.percentile(pitch, [10, 90])
        is_wide |= bool(low < _MIDDLE_C - 5 and high > _MIDDLE_C + 4)
    if is_wide:
        upper = Staff(min_pitch=_MIDDLE_C)
        return [upper, Staff(stop_pitch=_MIDDLE_C, octave_change=octave_change)]
    return [Staff(octave_change=octave_change)]


def spell_pitch(pitch: int, fifths: int) -> tuple[str, int, int, int]:
    """Return step, alteration and octave of a pitch in a key, and the key's alteration of the step.

    The spellings are the twelve on the line of fifths from three below to eight above the tonic, so
    that the raised notes of minor keys are sharps.
    """
    position = (7 * (pitch % 12) - fifths + 3) % 12 - 3 + fifths  # on the line of fifths, C is 0
    if position < -8:  # a double flat
        position += 12
    alter, index = divmod(position + 1, 7)
    step = _STEPS_BY_FIFTHS[index]
    octave = (pitch - alter - _NATURAL_SEMITONES[step]) // 12 - 1
    return step, alter, octave, int(fifths > index) - int(-fifths > 6 - index)


@dataclass(frozen=True)
class DrumNotation:
    """Notation of a drum: name, staff position as in the treble clef, and notehead."""

    name: str
    step: str
    octave: int
    notehead: str = ""


# Usual positions; other instruments share that of their class.
_DRUM_POSITIONS = {
    35: ("F", 4, ""), 36: ("F", 4, ""), 37: ("C", 5, "x"), 38: ("C", 5, ""), 40: ("C", 5, ""),
    41: ("G", 4, ""), 43: ("A", 4, ""), 45: ("B", 4, ""), 47: ("D", 5, ""), 48: ("E", 5, ""),
    50: ("E", 5, ""), 42: ("G", 5, "x"), 44: ("D", 4, "x"), 46: ("G", 5, "circle-x"),
    49: ("A", 5, "x"), 57: ("A", 5, "x"), 51: ("F", 5, "x"), 59: ("F", 5, "x"),
    53: ("F", 5, "diamond"), 39: ("C", 5, "x"), 54: ("B", 5, "x"), 56: ("E", 5, "triangle"),
}  # fmt: skip
_CLASS_PITCHES = (36, 38, 42, 46, 43, 47, 50, 49, 51)


def drum_notation(pitch: int) -> DrumNotation:
    """Return the notation of a drum by its General MIDI pitch."""
    name, drum_class = GM_PERCUSSION.get(pitch, (f"Percussion {pitch}", -1))
    step, octave, notehead = _DRUM_POSITIONS.get(pitch) or (
        _DRUM_POSITIONS[_CLASS_PITCHES[drum_class]] if drum_class >= 0 else ("C", 5, "")
    )
    return DrumNotation(name, step, octave, notehead)
