"""Floor 9: the two looks of our pictures, on light and on dark paper."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from musicvae.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class Theme:
    """Colours, `#RRGGBB`. Lines on a roll stand out in this order: bar, octave, beat, black key."""

    name: str
    background: str
    foreground: str
    gray: str
    bar_line: str
    octave_line: str
    beat_line: str
    black_key: str
    drums: str
    neutral: str
    """What is there for comparison."""
    parts: tuple[str, ...]
    """In this order, whatever has several of a kind: told apart by the colour-blind too."""
    transparent: bool = False
    """Whether the paper is left out; colours are still those for it."""

    @property
    def blue(self) -> str:
        """What a picture is about."""
        return self.parts[0]

    @property
    def red(self) -> str:
        """What stands out: odd, taken out, of samples."""
        return self.parts[1]

    @property
    def green(self) -> str:
        """What is good or known: put in, of training songs."""
        return self.parts[2]

    @property
    def sky(self) -> str:
        """A lighter `blue`."""
        return self.parts[4]

    @property
    def amber(self) -> str:
        """Between `blue` and `red`."""
        return self.parts[5]

    def part_color(self, index: int) -> str:
        """The colour of the nth melodic part; past the sixth they come again, nearer to ink."""
        turn, nth = divmod(index, len(self.parts))
        return to_hex(blend_colors(self.parts[nth], max(0.3, 0.6**turn), self.foreground))

    def tint(self, colour: str, share: ArrayLike) -> NDArray[np.float64]:
        """`share` of a colour and the rest of paper, as rgb `(..., 3)`."""
        return blend_colors(colour, share, self.background)


# Okabe and Ito (2008), without the two that are hard to see on white, strongest contrasts first.
LIGHT = Theme(
    name="light",
    background="#FFFFFF",
    foreground="#222222",
    gray="#65656B",
    bar_line="#5A5A60",
    octave_line="#B9B9C2",
    beat_line="#E4E4E8",
    black_key="#F3F3F6",
    drums="#2E2E2E",
    neutral="#A9A9B2",
    parts=("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00"),
)
# The same hues as bright as dark paper asks for; a test holds both to what the colour-blind see.
DARK = Theme(
    name="dark",
    background="#15171C",
    foreground="#ECEDF0",
    gray="#A3A7B0",
    bar_line="#8A8F9A",
    octave_line="#4D525D",
    beat_line="#2B2E36",
    black_key="#1D2027",
    drums="#D9DBE0",
    neutral="#6E7480",
    parts=("#3A90E5", "#F5762F", "#17B487", "#EFA2CE", "#A5DCFF", "#FFD35C"),
)
THEMES = {theme.name: theme for theme in (LIGHT, DARK)}


def get_theme(name: str, *, transparent: bool = False) -> Theme:
    """The theme of this name. Raises `ConfigError`."""
    if name not in THEMES:
        raise ConfigError(f"no theme {name!r}: use {' or '.join(THEMES)}")
    return replace(THEMES[name], transparent=transparent)


def blend_colors(color: str, alpha: ArrayLike, background: str = "#FFFFFF") -> NDArray[np.float64]:
    """`share` of `colour` and the rest of `other`, as rgb `(..., 3)` within 0..1."""
    one, two = (np.array([int(c[i : i + 2], 16) for i in (1, 3, 5)]) / 255 for c in (color, background))
    alpha = np.asarray(alpha, np.float64)[..., None]
    return np.asarray(alpha * one + (1 - alpha) * two)


def to_hex(rgb: NDArray[np.float64]) -> str:
    """`#RRGGBB` of one colour `(3,)` within 0..1."""
    red, green, blue = np.round(rgb * 255).astype(int).tolist()
    return f"#{red:02X}{green:02X}{blue:02X}"
