"""Rhythm of a voice: the lengths of its events, with tuplets and broken rhythm."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from musicvae.io.notation.abc.measures import TICKS_PER_WHOLE, Ticks, scale

_MAX_NESTED_TUPLETS = 3


@dataclass(slots=True)
class _Tuplet:
    """Ratio of lengths in a tuplet, how many events are left, whether their count is written."""

    up: int
    down: int
    left: int
    is_counted: bool


class Rhythm:
    """The tuplets and the broken rhythm that the next event is in."""

    def __init__(self) -> None:
        self._broken: tuple[int, int] | None = None
        self._tuplets: list[_Tuplet] = []

    def end_broken(self) -> None:
        """Forget a broken rhythm: the next event does not follow the last one."""
        self._broken = None

    def reset(self) -> None:
        """Forget tuplets and broken rhythm."""
        self._broken, self._tuplets = None, []

    def break_with(self, signs: str) -> tuple[int, int]:
        """Shorten the next event for ``>``, lengthen it for ``<``; return the ratio of the last."""
        power = 1 << min(len(signs), 3)
        long, short = (2 * power - 1, power), (1, power)
        before, self._broken = (long, short) if signs[0] == ">" else (short, long)
        return before

    def start_tuplet(self, notes: int, in_time_of: int, count: int, *, is_counted: bool) -> None:
        """Play the next `count` events, `notes` in the time of `in_time_of`.

        Within a tuplet whose count is written, this is a tuplet inside it.
        """
        if not self._tuplets or not self._tuplets[-1].is_counted:
            self._tuplets = []
        if len(self._tuplets) < _MAX_NESTED_TUPLETS:
            self._tuplets.append(_Tuplet(in_time_of, notes, count, is_counted))

    def next_length(self, unit: Fraction, numerator: int, denominator: int) -> Ticks:
        """Return the length of the next event in ticks, which has this many units as written."""
        ticks = scale(TICKS_PER_WHOLE, unit.numerator * numerator, unit.denominator * denominator)
        for tuplet in self._tuplets:
            ticks = scale(ticks, tuplet.up, tuplet.down)
            tuplet.left -= 1
        self._tuplets = [tuplet for tuplet in self._tuplets if tuplet.left > 0]
        if self._broken:
            ticks = scale(ticks, *self._broken)
            self._broken = None
        return ticks
