"""Notes and measures of a voice, its settings, and what is counted over all voices."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from fractions import Fraction

from musicvae.io.notation.abc.fields import NO_KEY, Key, Properties
from musicvae.io.notation.score import TimeSignature

TICKS_PER_QUARTER = 322_560  # divides by all lengths in use; others become fractions
TICKS_PER_WHOLE = 4 * TICKS_PER_QUARTER
Ticks = int | Fraction
Position = tuple[int, Ticks]
START_TIE, STOP_TIE = 1, 2


def scale(time: Ticks, numerator: int, denominator: int) -> Ticks:
    """Return a time multiplied by a fraction, as an integer if it is one."""
    product = time * numerator
    if isinstance(product, int):
        quotient, remainder = divmod(product, denominator)
        return Fraction(product, denominator) if remainder else quotient
    return product / denominator


def meter_ticks(meter: TimeSignature) -> int:
    """Return the length of a measure in ticks."""
    return TICKS_PER_WHOLE * meter[0] // meter[1]


@dataclass(slots=True)
class Note:
    """A note in a measure; times are ticks from the start of the measure."""

    onset: Ticks
    duration: Ticks
    pitch: int
    tie: int = 0


@dataclass(slots=True)
class Measure:
    """A measure; `meter` is the one in force, (0, 1) if it is free, None if none was given.

    `is_rest` marks a rest for the whole measure, of any length.
    """

    notes: list[Note] = field(default_factory=list)
    length: Ticks = 0
    time_signature: TimeSignature | None = None
    meter: TimeSignature | None = None
    is_rest: bool = False


@dataclass(slots=True)
class WrittenNote:
    """A note as written: step 0 to 6, octave (0 from middle C), accidental if any, length, tie."""

    step: int
    octave: int
    accidental: int | None
    length: tuple[int, int]
    is_tied: bool
    drum_pitch: int | None = None


@dataclass(slots=True)
class Event:
    """The last note, chord or rest: its notes and their (step, octave, accidental), its place."""

    notes: list[Note]
    places: list[tuple[int, int, int]]
    index: int
    onset: Ticks
    duration: Ticks


@dataclass
class Counts:
    """Notes, measures and passes of endings of all voices, and what was not read, by kind."""

    notes: int = 0
    passes: int = 0
    measures: int = 0
    grace_notes: int = 0
    dropped: Counter[str] = field(default_factory=Counter)


@dataclass
class VoiceSettings:
    """What the fields of the header say of a voice, until the body says something else."""

    key: Key = NO_KEY
    unit: Fraction = Fraction(1, 8)
    meter: TimeSignature | None = None
    properties: Properties = field(default_factory=Properties)
    program: int | None = None
    channel: int | None = None
    transpose: int = 0  # of %%MIDI transpose
    propagation: str = "pitch"
    drum_map: dict[str, int] = field(default_factory=dict)
