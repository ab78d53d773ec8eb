"""Floor 3: marks of a score that say how it sounds: tempo in words, dynamics, instruments."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

DEFAULT_VELOCITY = 80  # of notes under no dynamic: that of mezzo-forte

# Steps of sixteen from one dynamic to the next, as notation programs play them.
_VELOCITIES = {"ppp": 16, "pp": 33, "p": 49, "mp": 64, "mf": 80, "f": 96, "ff": 112, "fff": 126}
_SFORZANDI = frozenset(("sf", "sfz", "sff", "sffz", "fz", "rf", "rfz", "sfp", "sfpp", "fp"))
_DEGREE_WORDS = ("un", "poco", "molto", "assai", "non", "sehr", "ziemlich", "etwas", "nicht", "zu")
_MODIFIERS = frozenset((*_DEGREE_WORDS, "very", "rather", "très", "assez", "un", "peu"))
_RELATIVE_WORDS = frozenset(("più", "piu", "meno", "mehr", "more", "less", "plus", "moins"))

ScorePosition = tuple[int, Fraction]  # a measure's index, and the time inside it in quarters


def parse_tempo_text(text: str) -> float | None:
    """Quarters a minute of a tempo in words, by music21's numbers; None if it names none.

    The words begin with the tempo, or with how much of it: ``"Allegro con brio"``,
    ``"Sehr langsam"``; ``"poco più lento"`` is relative, and none.
    """
    from music21.tempo import defaultTempoValues

    words = text.lower().replace(",", " ").replace(".", " ").replace("(", " ").split()[:4]
    while words:
        if words[0] in _RELATIVE_WORDS:
            return None
        for count in (2, 1):
            named = " ".join(words[:count]).rstrip(":;)!")
            if named in defaultTempoValues:
                return float(defaultTempoValues[named])
        if words[0] not in _MODIFIERS:
            return None
        words = words[1:]
    return None


class DynamicsMap:
    """The dynamics of a part: velocity at each place, by the last mark before it."""

    def __init__(self, marks: Sequence[tuple[ScorePosition, str]]) -> None:
        self.positions: list[ScorePosition] = []
        self.velocities: list[int] = []
        self.sforzandi: dict[ScorePosition, int] = {}
        level = DEFAULT_VELOCITY
        for place, name in sorted(marks, key=lambda mark: mark[0]):
            if name in _SFORZANDI:
                self.sforzandi[place] = min(max(level, _VELOCITIES["mf"]) + 24, 126)
                name = name.lstrip("srf")  # of sfp the p remains; of sf, nothing
            if name.strip("p") == "" and len(name) > 3:
                name = "ppp"
            elif name.strip("f") == "" and len(name) > 3:
                name = "fff"
            if name in _VELOCITIES:
                level = _VELOCITIES[name]
                self.positions.append(place)
                self.velocities.append(level)

    def velocity_at(self, position: ScorePosition, index: int) -> tuple[int, int]:
        """Velocity at a place, and the index to go on from: places are asked for in order."""
        while index < len(self.positions) and self.positions[index] <= position:
            index += 1
        level = self.velocities[index - 1] if index else DEFAULT_VELOCITY
        return self.sforzandi.get(position, level), index


def name_and_program(staff: Any) -> tuple[str, int | None]:
    """Name and GM program of a music21 part, by its first instrument, else by its name."""
    from music21 import instrument

    found = next(iter(staff.getElementsByClass("Instrument")), None)
    if found is None:
        for measure in staff.getElementsByClass("Measure"):
            found = next(iter(measure.getElementsByClass("Instrument")), None)
            break
    name = staff.partName or (found and (found.partName or found.instrumentName)) or ""
    program = found.midiProgram if found is not None else None
    if program is None and name:
        try:
            program = instrument.fromString(str(name)).midiProgram
        except instrument.InstrumentException:
            program = None
    return " ".join(str(name).split()), program
