"""Swing: pairs of eighths or sixteenths of which the first is longer than the second.

The notes of a song with swing are notated straight; performed, every second one comes later.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from musicvae.arrays import Floats

STRAIGHT = "straight"
EIGHTHS, SIXTEENTHS = 2, 4
UNITS = {EIGHTHS: "eighths", SIXTEENTHS: "sixteenths"}
MAX_RATIO = 9.0
_NUMBER = r"([1-9][0-9]?(?:\.[0-9]{1,3})?)"
_TEXT = re.compile(rf"{_NUMBER}:{_NUMBER}(?: in (eighths|sixteenths))?")


@dataclass(frozen=True)
class Swing:
    """Ratio of the longer to the shorter note of a pair, and how many of them last a quarter.

    Raises `ValueError` unless `ratio` is within 1..9 and `unit` is 2 (eighths) or 4 (sixteenths).
    """

    ratio: float
    unit: int = EIGHTHS

    def __post_init__(self) -> None:
        if not 1 <= self.ratio <= MAX_RATIO or self.unit not in UNITS:
            reason = "the ratio is within 1:1 and 9:1, in eighths or sixteenths"
            raise ValueError(f"swing {self.ratio:g}:1: {reason}")

    def __str__(self) -> str:
        return f"{self.ratio:.3g}:1 in {UNITS[self.unit]}"

    @classmethod
    def parse(cls, text: str) -> Swing:
        """Return the swing of `2:1`, `1.5:1 in sixteenths` or `3:2 in eighths`.

        The unit is eighths if none is given. Raises `ValueError` for anything else.
        """
        match = _TEXT.fullmatch(text.strip())
        if not match:
            raise ValueError(f"swing {text!r}: write it as 2:1, or 3:2 in sixteenths")
        unit = next((n for n, name in UNITS.items() if name == match[3]), EIGHTHS)
        return cls(float(match[1]) / float(match[2]), unit)

    @property
    def pair_quarters(self) -> float:
        """Length of a pair in quarters."""
        return 2 / self.unit

    @property
    def share(self) -> float:
        """Share of a pair that its first note takes, .5 if straight."""
        return self.ratio / (1 + self.ratio)

    @classmethod
    def between(cls, a: Swing | None, b: Swing | None, t: float) -> Swing | None:
        """Return the swing at `t` between two, None being straight.

        Shares are interpolated; the unit is that of the nearer swing, to which one in another unit
        is straight.
        """
        near = b if a is None or (b is not None and t >= 0.5) else a
        if near is None:
            return None
        first, second = (
            0.5 if each is None or each.unit != near.unit else each.share for each in (a, b)
        )
        share = (1 - t) * first + t * second
        return cls(share / (1 - share), near.unit) if share > 0.5 else None

    def perform(self, straight: ArrayLike) -> Floats:
        """Return when notated times are played; quarters from the beginning of any pair."""
        return _move_middle(straight, self.pair_quarters, 0.5, self.share)

    def straighten(self, played: ArrayLike) -> Floats:
        """Return the notated times of played ones, the inverse of `perform`."""
        return _move_middle(played, self.pair_quarters, self.share, 0.5)


def _move_middle(at: ArrayLike, pair: float, old: float, new: float) -> Floats:
    """Move what is at share `old` of each pair to share `new`, and the rest in proportion."""
    phase = np.asarray(at, np.float64) / pair
    start = np.floor(phase)
    inside = phase - start
    moved = np.where(inside < old, inside * new / old, 1 - (1 - inside) * (1 - new) / (1 - old))
    return (start + moved) * pair
