"""Floor 9: how unusual a song is over time: a line of bars, and under it a row for each part."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from musicvae.errors import printable
from musicvae.plots import style
from musicvae.plots.themes import LIGHT, Theme

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_LEFT, _TOP, _LINE, _GAP, _ROW, _BOTTOM = 1.3, 0.8, 1.4, 0.12, 0.24, 0.5  # inches
_MIN_COLOR_SCORE, _MAX_COLOR_SCORE = 0.0, 4.0  # deviations between which colours change
_MIN_LABELED_SCORE = 1.5  # deviations from which a bar is told by number
_MAX_LABELS = 8


def plot_anomalies(
    numbers: NDArray[np.int64],
    bars: NDArray[np.float64],
    parts: NDArray[np.float64],
    names: Sequence[str],
    path: str | Path,
    title: str = "",
    subtitle: str = "",
    *,
    theme: Theme = LIGHT,
) -> Path:
    """Draw the oddity of bars `(N,)` and of their parts `(N, P)`; the oddest are told by number.

    PNG, SVG or PDF by the suffix; returns the path. Raises `WriteError` if it cannot be written.
    """
    from matplotlib.ticker import MaxNLocator

    style.check_suffix(path)
    some = [p for p in range(parts.shape[1]) if np.isfinite(parts[:, p]).any()]
    tall, inside = max(len(some), 1) * _ROW, style.WIDTH - _LEFT - style.RIGHT
    with style.style_context():
        figure = style.new_figure(theme, _TOP + _LINE + _GAP + tall + _BOTTOM)
        style.add_heading(figure, theme, title, subtitle, left=_LEFT)
        upper = style.add_axes(figure, _LEFT, _TOP, inside, _LINE)
        _draw_bars(upper, theme, numbers, bars)
        lower = style.add_axes(figure, _LEFT, _TOP + _LINE + _GAP, inside, tall)
        shades = style.colormap(theme.black_key, theme.amber, theme.red)
        colours = shades.with_extremes(bad=(0, 0, 0, 0))
        edges = np.append(numbers, numbers[-1:] + 1) - 0.5 if len(numbers) else [0, 1]
        rows = np.ma.masked_invalid(parts[:, some].T)
        lower.pcolormesh(edges, np.arange(len(some) + 1), rows, cmap=colours, vmin=_MIN_COLOR_SCORE, vmax=_MAX_COLOR_SCORE)
        lower.set_yticks(np.arange(len(some)) + 0.5, [printable(names[p])[:18] for p in some])
        for text in lower.get_yticklabels():
            text.set_parse_math(False)
        lower.invert_yaxis()
        lower.set_xlabel("bar")
        for axes in (upper, lower):
            style.style_axes(axes, theme)
            axes.spines["bottom"].set_visible(False)
            axes.set_xlim(edges[0], edges[-1])
        lower.xaxis.set_major_locator(MaxNLocator(integer=True))
        upper.set_xticks([])
        return style.save_figure(figure, path)


def _draw_bars(
    axes: Axes, theme: Theme, numbers: NDArray[np.int64], bars: NDArray[np.float64]
) -> None:
    axes.axhline(0, color=theme.octave_line, lw=0.8)
    axes.bar(numbers, np.nan_to_num(bars), 0.8, color=theme.tint(theme.blue, 0.75))
    told = [n for n in np.argsort(-np.nan_to_num(bars, nan=-9))[:_MAX_LABELS] if bars[n] >= _MIN_LABELED_SCORE]
    axes.bar(numbers[told], bars[told], 0.8, color=theme.red)
    for n in told:
        axes.text(
            numbers[n], bars[n], str(numbers[n]), ha="center", va="bottom", size=8.5, color=theme.foreground
        )
    axes.set_ylim(
        min(-1.2, np.nanmin(bars, initial=0)), max(3.0, 1.15 * np.nanmax(bars, initial=0))
    )
    axes.set_ylabel("deviations\nfrom the usual")
