"""Dynamics, tempo words and instruments of a score."""

from __future__ import annotations

from collections.abc import Sequence

from musicvae.io.notation.score import ScorePosition

DEFAULT_VELOCITY = 80  # of notes without a dynamic: mezzo-forte

# Sixteen apart, as in notation programs.
_VELOCITIES = {"ppp": 16, "pp": 33, "p": 49, "mp": 64, "mf": 80, "f": 96, "ff": 112, "fff": 126}
_SFORZANDI = frozenset(("sf", "sfz", "sff", "sffz", "fz", "rf", "rfz", "sfp", "sfpp", "fp"))
_DEGREE_WORDS = ("un", "poco", "molto", "assai", "non", "sehr", "ziemlich", "etwas", "nicht", "zu")
_MODIFIERS = frozenset((*_DEGREE_WORDS, "very", "rather", "très", "assez", "un", "peu"))
_RELATIVE_WORDS = frozenset(("più", "piu", "meno", "mehr", "more", "less", "plus", "moins"))
_QPM_BY_WORDS = {
    "larghissimo": 16.0,
    "largamente": 32.0,
    "grave": 40.0,
    "molto adagio": 40.0,
    "largo": 46.0,
    "lento": 52.0,
    "adagio": 56.0,
    "slow": 56.0,
    "langsam": 56.0,
    "larghetto": 60.0,
    "adagietto": 66.0,
    "andante": 72.0,
    "andantino": 80.0,
    "andante moderato": 83.0,
    "maestoso": 88.0,
    "moderato": 92.0,
    "moderate": 92.0,
    "allegretto": 108.0,
    "animato": 120.0,
    "allegro moderato": 128.0,
    "allegro": 132.0,
    "fast": 132.0,
    "schnell": 132.0,
    "allegrissimo": 140.0,
    "molto allegro": 144.0,
    "très vite": 144.0,
    "vivace": 160.0,
    "vivacissimo": 168.0,
    "presto": 184.0,
    "prestissimo": 208.0,
}


def parse_tempo_text(text: str) -> float | None:
    """Return the usual QPM of a tempo in words, None if the text is not a tempo.

    The tempo may follow modifiers and precede other words: ``"Allegro con brio"``, ``"Sehr
    langsam"``. Relative tempos such as ``"poco più lento"`` give None.
    """
    words = text.lower().replace(",", " ").replace(".", " ").replace("(", " ").split()[:4]
    while words:
        if words[0] in _RELATIVE_WORDS:
            return None
        for count in (2, 1):
            name = " ".join(words[:count]).rstrip(":;)!")
            if name in _QPM_BY_WORDS:
                return _QPM_BY_WORDS[name]
        if words[0] not in _MODIFIERS:
            return None
        words = words[1:]
    return None


class DynamicsMap:
    """Dynamics of a part: the velocity at a position, given by the last mark before it."""

    def __init__(self, marks: Sequence[tuple[ScorePosition, str]]) -> None:
        self.positions: list[ScorePosition] = []
        self.velocities: list[int] = []
        self.sforzandi: dict[ScorePosition, int] = {}
        level = DEFAULT_VELOCITY
        for position, name in sorted(marks, key=lambda mark: mark[0]):
            if name in _SFORZANDI:
                self.sforzandi[position] = min(max(level, _VELOCITIES["mf"]) + 24, 126)
                name = name.lstrip("srf")  # sfp continues at p, sf at the level before
            if name.strip("p") == "" and len(name) > 3:
                name = "ppp"
            elif name.strip("f") == "" and len(name) > 3:
                name = "fff"
            if name in _VELOCITIES:
                level = _VELOCITIES[name]
                self.positions.append(position)
                self.velocities.append(level)

    def velocity_at(self, position: ScorePosition, index: int) -> tuple[int, int]:
        """Return the velocity at a position, and the index to pass with the next position."""
        while index < len(self.positions) and self.positions[index] <= position:
            index += 1
        level = self.velocities[index - 1] if index else DEFAULT_VELOCITY
        if self.sforzandi:
            level = self.sforzandi.get(position, level)
        return level, index
