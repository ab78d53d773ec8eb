"""Shared style of all pictures: fonts, headings, axes, and writing figures to files."""

from __future__ import annotations

import inspect
import io
import logging
import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial, wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, Concatenate, Literal, ParamSpec, TypeVar, overload

from musicvae.errors import DataError, WriteError, printable
from musicvae.plots.themes import Theme
from musicvae.storage import atomic_path

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import LinearSegmentedColormap
    from matplotlib.figure import Figure

P = ParamSpec("P")
A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")
D = TypeVar("D")

_log = logging.getLogger("musicvae")
_MISSING_GLYPH = "Glyph .* missing from"
_FONT_HINT = "install a font that does, such as Noto Sans CJK"
_reported_glyphs: list[str] = []
PICTURE_SUFFIXES = (".png", ".svg", ".pdf")
DPI = 150
WIDTH = 9.2  # inches; legible in a README, where pictures are shrunk to 800 points
LEFT, RIGHT = 0.62, 0.2  # margins in inches
LEGEND_ROW, MAX_LEGEND_COLUMNS = 0.22, 5  # height of a row of a legend in inches

FONTS = (
    "DejaVu Sans",  # comes with matplotlib: pictures theme the same on every system
    "Noto Sans CJK JP",
    "Noto Sans CJK SC",
    "Hiragino Sans",
    "Yu Gothic",
    "MS Gothic",
    "Microsoft YaHei",
    "Arial Unicode MS",
)
"""Fonts in order of preference; the first one is always installed."""

_RC_PARAMS: dict[Any, Any] = {
    "font.size": 9,
    "svg.hashsalt": "musicvae",
    "svg.fonttype": "path",
    "axes.unicode_minus": False,
    "path.simplify": False,
}
# Without dates and program versions, so that the same picture has the same bytes.
_METADATA: dict[str, dict[str, Any]] = {
    ".png": {"Software": "musicvae"},
    ".svg": {"Creator": "musicvae", "Date": None},
    ".pdf": {"Creator": "musicvae", "Producer": None, "CreationDate": None},
}


@contextmanager
def style_context() -> Iterator[None]:
    """Draw with the matplotlib settings of this package, whatever the user's are."""
    import matplotlib

    fonts = logging.getLogger("matplotlib.font_manager")
    level = fonts.level
    with (
        matplotlib.rc_context(_RC_PARAMS | {"font.family": _available_fonts()}),
        warnings.catch_warnings(),
    ):
        fonts.setLevel(logging.ERROR)  # a fallback font weight is good enough
        # A part name may use a script that no font covers: draw boxes and warn once.
        warnings.filterwarnings("always", message=_MISSING_GLYPH)
        warnings.showwarning = partial(_handle_warning, warnings.showwarning)
        try:
            yield
        finally:
            fonts.setLevel(level)


def _available_fonts() -> list[str]:
    """Return the members of `FONTS` that are installed."""
    from matplotlib.font_manager import fontManager

    known = {each.name for each in fontManager.ttflist}
    return [FONTS[0], *(name for name in FONTS[1:] if name in known)]


def _handle_warning(
    show_warning: Callable[..., None], message: Any, *args: Any, **kwargs: Any
) -> None:
    """Log missing glyphs once, and pass all other warnings on."""
    if not re.match(_MISSING_GLYPH, str(message)):
        show_warning(message, *args, **kwargs)
    elif not _reported_glyphs:
        _reported_glyphs.append(str(message))
        _log.warning(
            "musicvae: no installed font has every character; drawn as boxes; %s", _FONT_HINT
        )


def new_figure(theme: Theme, height: float, width: float = WIDTH) -> Figure:
    """Return an empty figure of this size in inches."""
    from matplotlib.figure import Figure

    return Figure(
        figsize=(width, height), facecolor="none" if theme.transparent else theme.background
    )


def add_axes(figure: Figure, left: float, top: float, width: float, height: float) -> Axes:
    """Add axes whose position and size are in inches from the upper left corner."""
    w, h = figure.get_size_inches()
    return figure.add_axes((left / w, 1 - (top + height) / h, width / w, height / h))


def add_heading(
    figure: Figure, theme: Theme, title: str, subtitle: str = "", left: float = LEFT
) -> int:
    """Write title and subtitle at the top of a figure; return the number of lines written."""
    width, height = figure.get_size_inches()
    lines = display_text(title), printable(subtitle.replace("\n", " "))
    styles: tuple[dict[str, Any], ...] = (
        {"size": 14, "weight": "bold", "color": theme.foreground},
        {"size": 9.5, "color": theme.gray},
    )
    baselines = iter((0.38, 0.62))
    for text, font in zip(lines, styles, strict=True):
        if text:
            position = (left / width, 1 - next(baselines) / height)
            figure.text(*position, text, va="baseline", parse_math=False, **font)
    return sum(map(bool, lines))


def add_legend(
    figure: Figure,
    theme: Theme,
    legend: Sequence[tuple[str, str]],
    top: float,
    *,
    left: float = LEFT,
) -> None:
    """Write names with their colors in rows of `MAX_LEGEND_COLUMNS`; lengths are in inches."""
    from matplotlib.patches import Patch

    if not legend:
        return
    width, height = figure.get_size_inches()
    handles = [Patch(facecolor=color, label=name) for name, color in legend]
    drawn = figure.legend(
        handles=handles,
        loc="upper left",
        bbox_to_anchor=(left / width, (height - top) / height),
        ncols=min(MAX_LEGEND_COLUMNS, len(handles)),
        frameon=False,
        borderpad=0,
        borderaxespad=0,
        handlelength=0.9,
        handleheight=0.9,
        handletextpad=0.45,
        columnspacing=1.6,
        labelspacing=0.35,
        fontsize=9.5,
        labelcolor=theme.foreground,
    )
    for text in drawn.get_texts():
        text.set_parse_math(False)


def legend_height(legend: Sequence[tuple[str, str]]) -> float:
    """Return the height of a legend in inches, 0 for none."""
    return LEGEND_ROW * -(-len(legend) // MAX_LEGEND_COLUMNS)


def display_text(text: str) -> str:
    """Return a name as a single line of printable characters."""
    return printable(" ".join(text.split()))


def style_axes(
    axes: Axes, theme: Theme, title: str = "", *, size: float = 10, pad: float = 6
) -> None:
    """Style the axes of a diagram: spines on the left and at the bottom only."""
    if title:
        font: dict[str, Any] = {"weight": "bold", "color": theme.foreground, "pad": pad}
        axes.set_title(title, loc="left", fontsize=size, **font)
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
    """Hide the spines and ticks of axes, for piano rolls."""
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.tick_params(length=0, pad=4, labelsize=8.5, labelcolor=theme.gray)
    axes.set_xticks([])
    axes.set_facecolor("none")


def colormap(*colors: str) -> LinearSegmentedColormap:
    """Return a color map that interpolates between these colors."""
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("musicvae", list(colors))


@overload
def saved_figure(
    figure_function: Callable[Concatenate[A, P], Figure], n_data: Literal[1] = 1
) -> Callable[Concatenate[A, str | Path, P], Path]: ...
@overload
def saved_figure(
    figure_function: Callable[Concatenate[A, B, P], Figure], n_data: Literal[2]
) -> Callable[Concatenate[A, B, str | Path, P], Path]: ...
@overload
def saved_figure(
    figure_function: Callable[Concatenate[A, B, C, P], Figure], n_data: Literal[3]
) -> Callable[Concatenate[A, B, C, str | Path, P], Path]: ...
@overload
def saved_figure(
    figure_function: Callable[Concatenate[A, B, C, D, P], Figure], n_data: Literal[4]
) -> Callable[Concatenate[A, B, C, D, str | Path, P], Path]: ...
def saved_figure(figure_function: Callable[..., Figure], n_data: int = 1) -> Callable[..., Path]:
    """Return the function `plot_x` that draws the figure of `x_figure` and writes it to a file.

    `plot_x` takes the path after the first `n_data` arguments and returns it. The suffix selects
    PNG, SVG or PDF. `plot_x` raises `WriteError` if the file cannot be written, and names the path
    in every `DataError`.
    """
    signature = inspect.signature(figure_function)
    parameters = list(signature.parameters.values())
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    parameters.insert(n_data, inspect.Parameter("path", kind, annotation="str | Path"))
    signature = inspect.Signature(parameters, return_annotation="Path")

    @wraps(figure_function)
    def plot(*args: Any, **kwargs: Any) -> Path:
        arguments = signature.bind(*args, **kwargs).arguments
        path = arguments.pop("path")
        check_suffix(path)
        with style_context():
            try:
                figure = figure_function(**arguments)
            except DataError as error:
                raise DataError(f"{path}: {error}") from None
            return save_figure(figure, path)

    name = figure_function.__name__
    plot.__name__ = plot.__qualname__ = "plot_" + name.removesuffix("_figure")
    plot.__doc__ = (
        f"Write the figure of `{name}` to `path` and return the path.\n\n"
        "    The suffix selects PNG, SVG or PDF. Raises `WriteError` if that fails.\n\n"
        f"    {figure_function.__doc__ or ''}"
    )
    vars(plot)["__signature__"] = signature
    return plot


def save_figure(figure: Figure, path: str | Path, dpi: float = DPI) -> Path:
    """Write a figure in the format of the suffix. Raises `WriteError`."""
    suffix = check_suffix(path)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format=suffix[1:], dpi=dpi, metadata=_METADATA[suffix])
    return Path(path)


def to_svg(figure: Figure) -> str:
    """Return a figure as the text of an SVG element."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata=_METADATA[".svg"])
    text = buffer.getvalue()
    return text[text.index("<svg") :]


def to_png(figure: Figure, dpi: float = DPI) -> bytes:
    """Return a figure as the bytes of a PNG file."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi, metadata=_METADATA[".png"])
    return buffer.getvalue()


def check_suffix(path: str | Path) -> str:
    """Return the lower-case suffix of a picture. Raises `WriteError` if it is not supported."""
    suffix = Path(path).suffix.lower()
    if suffix not in PICTURE_SUFFIXES:
        known = ", ".join(PICTURE_SUFFIXES)
        reason = f"unknown picture format {suffix}" if suffix else "picture without a suffix"
        raise WriteError(path, reason, f"use {known}")
    return suffix
