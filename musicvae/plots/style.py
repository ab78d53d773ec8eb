"""Floor 9: colours and how a figure becomes a file."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from musicvae.errors import WriteError
from musicvae.files import replacing

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SUFFIXES = (".png", ".svg", ".pdf")
DPI = 150

# Okabe and Ito (2008), without the two that are hard to see on white, strongest contrasts first.
PART_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00")
DRUMS, INK, GREY, BAR_LINE = "#2E2E2E", "#222222", "#6E6E6E", "#5A5A60"
BEAT_LINE, OCTAVE_LINE, BLACK_KEY = "#E4E4E8", "#B9B9C2", "#F3F3F6"

_RC: dict[Any, Any] = {
    "font.family": ["DejaVu Sans"],
    "font.size": 9,
    "svg.hashsalt": "musicvae",
    "svg.fonttype": "path",
    "axes.unicode_minus": False,
    "path.simplify": False,
}
# What a format would otherwise say about the day and the program's version.
_METADATA: dict[str, dict[str, Any]] = {
    ".png": {"Software": "musicvae"},
    ".svg": {"Creator": "musicvae", "Date": None},
    ".pdf": {"Creator": "musicvae", "Producer": None, "CreationDate": None},
}


def mixed(colour: str, share: ArrayLike, other: str = "#FFFFFF") -> NDArray[np.float64]:
    """`share` of `colour` and the rest of `other`, as rgb `(..., 3)` within 0..1."""
    one, two = (np.array([int(c[i : i + 2], 16) for i in (1, 3, 5)]) / 255 for c in (colour, other))
    share = np.asarray(share, np.float64)[..., None]
    return np.asarray(share * one + (1 - share) * two)


def part_colour(index: int) -> str:
    """The colour of the nth melodic part; past the sixth they come again, darker."""
    turn, nth = divmod(index, len(PART_COLOURS))
    red, green, blue = mixed(PART_COLOURS[nth], max(0.3, 0.6**turn), "#000000") * 255
    return f"#{round(red):02X}{round(green):02X}{round(blue):02X}"


@contextmanager
def drawing() -> Iterator[None]:
    """Our own settings while a figure is made, whatever the user's are."""
    import matplotlib

    with matplotlib.rc_context(_RC), warnings.catch_warnings():
        # A part may be named in a script that the font lacks: a box in the legend is enough.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        yield


def save(figure: Figure, path: str | Path) -> Path:
    """Write a figure as its suffix says. Raises `WriteError`."""
    suffix = checked_suffix(path)
    with replacing(path) as aside:
        figure.savefig(aside, format=suffix[1:], dpi=DPI, metadata=_METADATA[suffix])
    return Path(path)


def checked_suffix(path: str | Path) -> str:
    """The suffix of a picture that we can write, or `WriteError`."""
    suffix = Path(path).suffix.lower()
    if suffix not in SUFFIXES:
        kinds = ", ".join(SUFFIXES)
        raise WriteError(path, f"no picture format {suffix or 'without a suffix'}", f"use {kinds}")
    return suffix
