"""Figure of anomaly scores: a bar chart over bars, and a heat map of parts below it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from musicvae.errors import printable
from musicvae.plots import style
from musicvae.plots.themes import LIGHT, Theme

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_LEFT, _TOP, _CHART, _GAP, _ROW, _BOTTOM = 1.3, 0.8, 1.4, 0.12, 0.24, 0.5  # inches
_MIN_COLOR_SCORE, _MAX_COLOR_SCORE = 0.0, 4.0  # range of the color map, in deviations
_MIN_LABELED_SCORE = 1.5  # deviations from which a bar gets its number
_MAX_LABELS = 8


def anomalies_figure(
    numbers: NDArray[np.int64],
    bars: NDArray[np.float64],
    parts: NDArray[np.float64],
    names: Sequence[str],
    title: str = "",
    subtitle: str = "",
    *,
    theme: Theme = LIGHT,
) -> Figure:
    """Draw anomaly scores in deviations: of bars `(N,)` and of their parts `(N, R)`.

    `numbers` `(N,)` are the bar numbers. The most anomalous bars are labeled; parts without any
    finite score are left out.
    """
    from matplotlib.ticker import MaxNLocator

    scored = [part for part in range(parts.shape[1]) if np.isfinite(parts[:, part]).any()]
    height, width = max(len(scored), 1) * _ROW, style.WIDTH - _LEFT - style.RIGHT
    figure = style.new_figure(theme, _TOP + _CHART + _GAP + height + _BOTTOM)
    style.add_heading(figure, theme, title, subtitle, left=_LEFT)
    upper = style.add_axes(figure, _LEFT, _TOP, width, _CHART)
    _draw_bars(upper, theme, numbers, bars)
    lower = style.add_axes(figure, _LEFT, _TOP + _CHART + _GAP, width, height)
    colors = style.colormap(theme.black_key, theme.amber, theme.red)
    edges = np.append(numbers, numbers[-1:] + 1) - 0.5 if len(numbers) else [0, 1]
    lower.pcolormesh(
        edges,
        np.arange(len(scored) + 1),
        np.ma.masked_invalid(parts[:, scored].T),
        cmap=colors.with_extremes(bad=(0, 0, 0, 0)),
        vmin=_MIN_COLOR_SCORE,
        vmax=_MAX_COLOR_SCORE,
    )
    labels = [printable(names[part])[:18] for part in scored]
    lower.set_yticks(np.arange(len(scored)) + 0.5, labels)
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
    return figure


plot_anomalies = style.saved_figure(anomalies_figure, 4)
"""Write anomaly scores to a PNG, SVG or PDF file; see `anomalies_figure`."""


def _draw_bars(
    axes: Axes, theme: Theme, numbers: NDArray[np.int64], bars: NDArray[np.float64]
) -> None:
    """Draw the scores of bars; label the highest ones with their bar number."""
    axes.axhline(0, color=theme.octave_line, lw=0.8)
    axes.bar(numbers, np.nan_to_num(bars), 0.8, color=theme.tint(theme.blue, 0.75))
    highest = np.argsort(-np.nan_to_num(bars, nan=-9))[:_MAX_LABELS]
    labeled = [n for n in highest if bars[n] >= _MIN_LABELED_SCORE]
    axes.bar(numbers[labeled], bars[labeled], 0.8, color=theme.red)
    for n in labeled:
        axes.text(
            numbers[n],
            bars[n],
            str(numbers[n]),
            ha="center",
            va="bottom",
            size=8.5,
            color=theme.foreground,
        )
    axes.set_ylim(
        min(-1.2, np.nanmin(bars, initial=0)), max(3.0, 1.15 * np.nanmax(bars, initial=0))
    )
    axes.set_ylabel("deviations\nfrom normal")
