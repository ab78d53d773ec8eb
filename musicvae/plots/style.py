"""Floor 9: what all pictures share: heading, axes, and how a figure becomes a file."""

from __future__ import annotations

import io
import logging
import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from musicvae.errors import WriteError, printable
from musicvae.plots.themes import Theme
from musicvae.storage import atomic_path

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import LinearSegmentedColormap
    from matplotlib.figure import Figure

_log = logging.getLogger("musicvae")
_MISSING_GLYPH = "Glyph .* missing from"
_FONT_HINT = "install one that has, such as Noto Sans CJK"
_reported_glyphs: list[str] = []
SUFFIXES = (".png", ".svg", ".pdf")
DPI = 150
WIDTH = 9.2  # inches of a page: 800 points wide in a README, its smallest letters can be read
LEFT, RIGHT = 0.62, 0.2

FONTS = (
    "DejaVu Sans",  # comes with matplotlib, so that pictures look alike everywhere
    "Noto Sans CJK JP",
    "Noto Sans CJK SC",
    "Hiragino Sans",
    "Yu Gothic",
    "MS Gothic",
    "Microsoft YaHei",
    "Arial Unicode MS",
)
"""In which letters are looked for, one after the other; the first is always there."""

_RC_PARAMS: dict[Any, Any] = {
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


@contextmanager
def style_context() -> Iterator[None]:
    """Our own settings while a figure is made, whatever the user's are."""
    import matplotlib

    fonts = logging.getLogger("matplotlib.font_manager")
    level = fonts.level
    with matplotlib.rc_context(_RC_PARAMS | {"font.family": _available_fonts()}), warnings.catch_warnings():
        fonts.setLevel(logging.ERROR)  # another weight than was asked for is good enough
        # A part may be named in a script that no font has: a box in the legend, and a word.
        warnings.filterwarnings("always", message=_MISSING_GLYPH)
        warnings.showwarning = partial(_handle_warning, warnings.showwarning)
        try:
            yield
        finally:
            fonts.setLevel(level)


def _available_fonts() -> list[str]:
    """Those of `FONTS` that this system has."""
    from matplotlib.font_manager import fontManager

    known = {each.name for each in fontManager.ttflist}
    return [FONTS[0], *(name for name in FONTS[1:] if name in known)]


def _handle_warning(show_warning: Callable[..., None], message: Any, *more: Any, **how: Any) -> None:
    """What becomes of a warning: of letters that are lacking it is told once, in our words."""
    if not re.match(_MISSING_GLYPH, str(message)):
        show_warning(message, *more, **how)
    elif not _reported_glyphs:
        _reported_glyphs.append(str(message))
        _log.warning("musicvae: no font has all letters of a picture, they are boxes; %s", _FONT_HINT)


def new_figure(theme: Theme, height: float, width: float = WIDTH) -> Figure:
    """An empty figure, in inches."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), facecolor="none" if theme.transparent else theme.background)


def add_axes(figure: Figure, left: float, top: float, wide: float, tall: float) -> Axes:
    """Axes at a place in inches from the upper left corner."""
    width, height = figure.get_size_inches()
    return figure.add_axes((left / width, 1 - (top + tall) / height, wide / width, tall / height))


def add_heading(figure: Figure, theme: Theme, title: str, subtitle: str = "", left: float = LEFT) -> int:
    """Title and subtitle at the top of a page; returns how many lines that were."""
    width, height = figure.get_size_inches()
    words = display_text(title), printable(subtitle.replace("\n", " "))
    looks: tuple[dict[str, Any], ...] = (
        {"size": 14, "weight": "bold", "color": theme.foreground},
        {"size": 9.5, "color": theme.gray},
    )
    places = iter((0.38, 0.62))
    for text, how in zip(words, looks, strict=True):
        if text:
            at = (left / width, 1 - next(places) / height)
            figure.text(*at, text, va="baseline", parse_math=False, **how)
    return sum(map(bool, words))


def display_text(text: str) -> str:
    """A name as one line that can be shown."""
    return printable(" ".join(text.split()))


def style_axes(axes: Axes, theme: Theme, title: str = "", *, size: float = 10, pad: float = 6) -> None:
    """Axes of a diagram in our look: a line on the left and below, no box."""
    if title:
        how: dict[str, Any] = {"weight": "bold", "color": theme.foreground, "pad": pad}
        axes.set_title(title, loc="left", fontsize=size, **how)
    axes.set_facecolor("none")
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(theme.octave_line)
    axes.tick_params(colors=theme.gray, labelsize=8.5, length=2.5)
    for label in (axes.xaxis.label, axes.yaxis.label):
        label.set_color(theme.gray)


def hide_axes(axes: Axes, theme: Theme) -> None:
    """Axes without lines and ticks, for rolls."""
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.tick_params(length=0, pad=4, labelsize=8.5, labelcolor=theme.gray)
    axes.set_xticks([])
    axes.set_facecolor("none")


def colormap(*colors: str) -> LinearSegmentedColormap:
    """A colour map through these."""
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("musicvae", list(colors))


def save_figure(figure: Figure, path: str | Path, dpi: float = DPI) -> Path:
    """Write a figure as its suffix says. Raises `WriteError`."""
    suffix = check_suffix(path)
    with atomic_path(path) as aside:
        figure.savefig(aside, format=suffix[1:], dpi=dpi, metadata=_METADATA[suffix])
    return Path(path)


def to_svg(figure: Figure) -> str:
    """A figure as the text of an SVG element."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata=_METADATA[".svg"])
    text = buffer.getvalue()
    return text[text.index("<svg") :]


def to_png(figure: Figure, dpi: float = DPI) -> bytes:
    """A figure as the bytes of a PNG."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi, metadata=_METADATA[".png"])
    return buffer.getvalue()


def check_suffix(path: str | Path) -> str:
    """The suffix of a picture that we can write, or `WriteError`."""
    suffix = Path(path).suffix.lower()
    if suffix not in SUFFIXES:
        kinds = ", ".join(SUFFIXES)
        raise WriteError(path, f"no picture format {suffix or 'without a suffix'}", f"use {kinds}")
    return suffix
