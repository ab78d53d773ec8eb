"""Floor 9: how unusual a song is over time: a line of bars, and under it a row for each part."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from musicvae.errors import shown
from musicvae.plots import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_WIDTH, _LEFT, _RIGHT, _TOP, _LINE, _ROW, _BOTTOM = 11.0, 1.5, 0.25, 0.8, 1.5, 0.24, 0.5  # inches
_LOW, _HIGH = 0.0, 4.0  # deviations between which colours change
_ODD = 1.5  # deviations from which a bar is told by number
_MOST = 8


def plot_scores(
    numbers: NDArray[np.int64],
    bars: NDArray[np.float64],
    parts: NDArray[np.float64],
    names: Sequence[str],
    path: str | Path,
    title: str = "",
    subtitle: str = "",
) -> Path:
    """Draw the oddity of bars `(N,)` and of their parts `(N, P)`; the oddest are told by number.

    PNG, SVG or PDF by the suffix; returns the path. Raises `WriteError` if it cannot be written.
    """
    from matplotlib.colors import LinearSegmentedColormap
    from matplotlib.figure import Figure

    style.checked_suffix(path)
    some = [p for p in range(parts.shape[1]) if np.isfinite(parts[:, p]).any()]
    height = _TOP + _LINE + 0.12 + max(len(some), 1) * _ROW + _BOTTOM
    inside = (_WIDTH - _LEFT - _RIGHT) / _WIDTH
    with style.drawing():
        figure = Figure(figsize=(_WIDTH, height), facecolor="white")
        ink: dict[str, Any] = {"parse_math": False, "color": style.INK}
        at = (_LEFT / _WIDTH, 1 - 0.34 / height)
        figure.text(*at, shown(" ".join(title.split())), size=14, weight="bold", **ink)
        at = (_LEFT / _WIDTH, 1 - 0.58 / height)
        figure.text(*at, shown(subtitle), size=9.5, parse_math=False, color=style.GREY)
        bottom = 1 - (_TOP + _LINE) / height
        upper = figure.add_axes((_LEFT / _WIDTH, bottom, inside, _LINE / height))
        _draw_line(upper, numbers, bars)
        tall = max(len(some), 1) * _ROW
        lower = figure.add_axes((_LEFT / _WIDTH, _BOTTOM / height, inside, tall / height))
        shades = LinearSegmentedColormap.from_list("odd", ["#F3F3F6", "#E69F00", "#D55E00"])
        colours = shades.with_extremes(bad="white")
        edges = np.append(numbers, numbers[-1:] + 1) - 0.5 if len(numbers) else [0, 1]
        rows = np.ma.masked_invalid(parts[:, some].T)
        lower.pcolormesh(edges, np.arange(len(some) + 1), rows, cmap=colours, vmin=_LOW, vmax=_HIGH)
        lower.set_yticks(np.arange(len(some)) + 0.5, [shown(names[p])[:22] for p in some])
        for text in lower.get_yticklabels():
            text.set_parse_math(False)
        lower.invert_yaxis()
        lower.set_xlabel("bar", color=style.GREY)
        _dressed(lower)
        for axes in (upper, lower):
            axes.set_xlim(edges[0], edges[-1])
        upper.set_xticks([])
        return style.save(figure, path)


def _draw_line(axes: Axes, numbers: NDArray[np.int64], bars: NDArray[np.float64]) -> None:
    axes.axhline(0, color=style.OCTAVE_LINE, lw=0.8)
    axes.bar(numbers, np.nan_to_num(bars), 0.8, color=style.mixed("#0072B2", 0.75))
    told = [n for n in np.argsort(-np.nan_to_num(bars, nan=-9))[:_MOST] if bars[n] >= _ODD]
    axes.bar(numbers[told], bars[told], 0.8, color="#D55E00")
    for n in told:
        axes.text(numbers[n], bars[n], str(numbers[n]), ha="center", va="bottom", size=8)
    axes.set_ylim(
        min(-1.2, np.nanmin(bars, initial=0)), max(3.0, 1.15 * np.nanmax(bars, initial=0))
    )
    axes.set_ylabel("deviations\nfrom the usual", color=style.GREY)
    _dressed(axes)


def _dressed(axes: Axes) -> None:
    for side in ("top", "right", "bottom"):
        axes.spines[side].set_visible(False)
    axes.spines["left"].set_color(style.OCTAVE_LINE)
    axes.tick_params(colors=style.GREY, labelsize=8, length=2.5)
