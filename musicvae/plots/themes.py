"""Color themes of the pictures: light and dark."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from musicvae.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class Theme:
    """Colors as `#RRGGBB`. Line contrast decreases from bar to octave, beat and black key."""

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
    """Color of baselines and references."""
    parts: tuple[str, ...]
    """Categorical palette, distinguishable with color blindness."""
    transparent: bool = False
    """Leave the background transparent; the other colors still assume `background`."""

    @property
    def blue(self) -> str:
        """Color of the main subject."""
        return self.parts[0]

    @property
    def red(self) -> str:
        """Color of anomalies, deletions and samples."""
        return self.parts[1]

    @property
    def green(self) -> str:
        """Color of insertions and training data."""
        return self.parts[2]

    @property
    def sky(self) -> str:
        """Color lighter than `blue`."""
        return self.parts[4]

    @property
    def amber(self) -> str:
        """Color between `blue` and `red`."""
        return self.parts[5]

    def part_color(self, index: int) -> str:
        """Return the color of a melodic part; the palette repeats, closer to the foreground."""
        cycle, index = divmod(index, len(self.parts))
        return to_hex(blend_colors(self.parts[index], max(0.3, 0.6**cycle), self.foreground))

    def tint(self, color: str, alpha: ArrayLike) -> NDArray[np.float64]:
        """Return a color with opacity `alpha` on the background, as RGB `(..., 3)` in 0..1."""
        return blend_colors(color, alpha, self.background)


# Okabe and Ito (2008), without the two colors that are faint on white; highest contrast first.
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
# The same hues, brighter. A test checks both palettes under simulated color blindness.
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
    """Return the theme with this name. Raises `ConfigError` for an unknown one."""
    if name not in THEMES:
        raise ConfigError(f"unknown theme {name!r}; use {' or '.join(THEMES)}")
    return replace(THEMES[name], transparent=transparent)


def blend_colors(color: str, alpha: ArrayLike, background: str = "#FFFFFF") -> NDArray[np.float64]:
    """Return `alpha` times `color` plus the rest of `background`, as RGB `(..., 3)` in 0..1."""
    top, bottom = (
        np.array([int(c[i : i + 2], 16) for i in (1, 3, 5)]) / 255 for c in (color, background)
    )
    alpha = np.asarray(alpha, np.float64)[..., None]
    return np.asarray(alpha * top + (1 - alpha) * bottom)


def to_hex(rgb: NDArray[np.float64]) -> str:
    """Convert an RGB color `(3,)` in 0..1 to `#RRGGBB`."""
    red, green, blue = np.round(rgb * 255).astype(int).tolist()
    return f"#{red:02X}{green:02X}{blue:02X}"
