"""Floor 3: marks of a score that say how it sounds: tempo in words, dynamics, instruments."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

VELOCITY = 80  # of notes under no dynamic: that of mezzo-forte

# Steps of sixteen from one dynamic to the next, as notation programs play them.
_LEVELS = {"ppp": 16, "pp": 33, "p": 49, "mp": 64, "mf": 80, "f": 96, "ff": 112, "fff": 126}
_SUDDEN = frozenset(("sf", "sfz", "sff", "sffz", "fz", "rf", "rfz", "sfp", "sfpp", "fp"))
_DEGREES = ("un", "poco", "molto", "assai", "non", "sehr", "ziemlich", "etwas", "nicht", "zu")
_MODIFIERS = frozenset((*_DEGREES, "very", "rather", "très", "assez", "un", "peu"))
_RELATIVE = frozenset(("più", "piu", "meno", "mehr", "more", "less", "plus", "moins"))

Place = tuple[int, Fraction]  # a measure's index, and the time inside it in quarters


def tempo_in_words(text: str) -> float | None:
    """Quarters a minute of a tempo in words, by music21's numbers; None if it names none.

    The words begin with the tempo, or with how much of it: ``"Allegro con brio"``,
    ``"Sehr langsam"``; ``"poco più lento"`` is relative, and none.
    """
    from music21.tempo import defaultTempoValues

    words = text.lower().replace(",", " ").replace(".", " ").replace("(", " ").split()[:4]
    while words:
        if words[0] in _RELATIVE:
            return None
        for count in (2, 1):
            named = " ".join(words[:count]).rstrip(":;)!")
            if named in defaultTempoValues:
                return float(defaultTempoValues[named])
        if words[0] not in _MODIFIERS:
            return None
        words = words[1:]
    return None


class Loudness:
    """The dynamics of a part: velocity at each place, by the last mark before it."""

    def __init__(self, marks: Sequence[tuple[Place, str]]) -> None:
        self.places: list[Place] = []
        self.levels: list[int] = []
        self.sudden: dict[Place, int] = {}
        level = VELOCITY
        for place, name in sorted(marks, key=lambda mark: mark[0]):
            if name in _SUDDEN:
                self.sudden[place] = min(max(level, _LEVELS["mf"]) + 24, 126)
                name = name.lstrip("srf")  # of sfp the p remains; of sf, nothing
            if name.strip("p") == "" and len(name) > 3:
                name = "ppp"
            elif name.strip("f") == "" and len(name) > 3:
                name = "fff"
            if name in _LEVELS:
                level = _LEVELS[name]
                self.places.append(place)
                self.levels.append(level)

    def at(self, place: Place, index: int) -> tuple[int, int]:
        """Velocity at a place, and the index to go on from: places are asked for in order."""
        while index < len(self.places) and self.places[index] <= place:
            index += 1
        level = self.levels[index - 1] if index else VELOCITY
        return self.sudden.get(place, level), index


def voice_of(staff: Any) -> tuple[str, int | None]:
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
