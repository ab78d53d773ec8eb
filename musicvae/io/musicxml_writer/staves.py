"""Floor 3: where notes stand on paper: clefs, staves, the names of pitches, the lines of drums."""

from __future__ import annotations

from dataclasses import dataclass
from xml.etree.ElementTree import Element, SubElement

import numpy as np

from musicvae.arrays import Ints
from musicvae.representation.bars import Bars
from musicvae.representation.drums import GM_PERCUSSION
from musicvae.representation.key import estimate_diatonic_key
from musicvae.song import Part

_NATURAL_SEMITONES = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
_STEPS_BY_FIFTHS = "FCGDAEB"
_MIDDLE_C = 60
_KEYBOARD_PROGRAMS = range(24)  # of the General MIDI programs: pianos, bells, organs


@dataclass(frozen=True)
class Clef:
    """A clef by its sign and line, and by how many octaves it is away."""

    sign: str
    line: int | None = None
    octave: int = 0

    def add_to(self, attributes: Element, number: int | None) -> None:
        """Add it to a measure's attributes; `number` is the staff of several."""
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
    """The pitches that stand on a staff, `low` to before `high`."""

    min_pitch: int = 0
    stop_pitch: int = 128


# Each with the pitches that need no more than a ledger line, and what choosing it costs.
_CLEFS = (
    (Clef("G", 2), 60, 81, 0.0),
    (Clef("F", 4), 40, 60, 0.0),
    (Clef("G", 2, -1), 48, 69, 1.0),
    (Clef("F", 4, -1), 28, 48, 1.0),
    (Clef("G", 2, 1), 72, 93, 2.0),
)


def choose_clef(pitch: Ints) -> Clef:
    """The clef with the fewest ledger lines; the treble clef where nothing sounds."""
    if not len(pitch):
        return _CLEFS[0][0]

    def cost(low: int, high: int, more: float) -> float:
        return float((np.maximum(low - pitch, 0) + np.maximum(pitch - high, 0)).mean()) + more

    return min(_CLEFS, key=lambda each: cost(*each[1:]))[0]


def choose_staves(part: Part, pitch: Ints) -> list[Staff]:
    """One staff, or two for a keyboard that plays on both sides of middle C at once."""
    if part.program in _KEYBOARD_PROGRAMS and len(pitch):
        low, high = np.percentile(pitch, [10, 90])
        if low < _MIDDLE_C - 5 and high > _MIDDLE_C + 4:
            return [Staff(min_pitch=_MIDDLE_C), Staff(stop_pitch=_MIDDLE_C)]
    return [Staff()]


def estimate_fifths(bars: Bars) -> int:
    """Fifths of the key signature that most of the music needs, -6..5."""
    drums = np.array([part.is_drum for part in bars.header.parts], bool)
    which = ~drums[bars.notes.part] if len(drums) else np.zeros(0, bool)
    if not which.any():
        return 0
    tonic = estimate_diatonic_key(bars.notes.pitch[which], bars.notes.duration[which])
    return (7 * tonic + 6) % 12 - 6


def spell_pitch(pitch: int, fifths: int) -> tuple[str, int, int, int]:
    """Step, alteration and octave of a pitch in a key, and the key's own alteration of that step.

    Of the twelve names on the line of fifths those from three flatter to eight sharper than the
    tonic: the minor's raised notes are sharps.
    """
    place = (7 * (pitch % 12) - fifths + 3) % 12 - 3 + fifths  # C is 0, G 1
    if place < -8:  # a double flat
        place += 12
    alter, nth = divmod(place + 1, 7)
    step = _STEPS_BY_FIFTHS[nth]
    octave = (pitch - alter - _NATURAL_SEMITONES[step]) // 12 - 1
    return step, alter, octave, int(fifths > nth) - int(-fifths > 6 - nth)


@dataclass(frozen=True)
class DrumNotation:
    """Where a drum is written: a step and octave as in the treble clef, and a notehead."""

    name: str
    step: str
    octave: int
    notehead: str = ""


# What a drummer expects; other instruments stand where their class does.
_DRUM_POSITIONS = {
    35: ("F", 4, ""), 36: ("F", 4, ""), 37: ("C", 5, "x"), 38: ("C", 5, ""), 40: ("C", 5, ""),
    41: ("G", 4, ""), 43: ("A", 4, ""), 45: ("B", 4, ""), 47: ("D", 5, ""), 48: ("E", 5, ""),
    50: ("E", 5, ""), 42: ("G", 5, "x"), 44: ("D", 4, "x"), 46: ("G", 5, "circle-x"),
    49: ("A", 5, "x"), 57: ("A", 5, "x"), 51: ("F", 5, "x"), 59: ("F", 5, "x"),
    53: ("F", 5, "diamond"), 39: ("C", 5, "x"), 54: ("B", 5, "x"), 56: ("E", 5, "triangle"),
}  # fmt: skip
_CLASS_PITCHES = (36, 38, 42, 46, 43, 47, 50, 49, 51)


def drum_notation(pitch: int) -> DrumNotation:
    """A drum's name and place by its General MIDI pitch."""
    name, kind = GM_PERCUSSION.get(pitch, (f"Percussion {pitch}", -1))
    step, octave, head = _DRUM_POSITIONS.get(pitch) or (
        _DRUM_POSITIONS[_CLASS_PITCHES[kind]] if kind >= 0 else ("C", 5, "")
    )
    return DrumNotation(name, step, octave, head)
