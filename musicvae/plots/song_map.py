"""Scatter plot of songs in the plane, colored by an attribute or by folder."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from musicvae.plots import style
from musicvae.plots.themes import LIGHT, Theme

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray


def song_map_figure(
    points: NDArray[np.float64],
    colors: Sequence[str] | NDArray[np.float64],
    *,
    title: str,
    color_name: str,
    axis_names: tuple[str, str] = ("", ""),
    marked: Sequence[tuple[int, str]] = (),
    theme: Theme = LIGHT,
) -> Figure:
    """Draw points `(W, 2)`, colored by one value or one label each.

    `marked` are points to highlight, as (index, label); `color_name` is the title of the legend.
    """
    figure = style.new_figure(theme, 5.9, width=7.6)
    figure.set_layout_engine("constrained", rect=(0.01, 0.01, 0.98, 0.93))
    style.add_heading(figure, theme, title, left=0.2)
    axes = figure.add_subplot()
    labels = [color for color in colors if isinstance(color, str)]
    if labels:
        _scatter_by_label(axes, theme, points, labels, color_name)
    else:
        _scatter_by_value(axes, theme, points, np.asarray(colors, np.float64), color_name)
    for index, name in marked:
        x, y = points[index]
        axes.plot(x, y, "o", ms=9, mfc="none", mec=theme.foreground, mew=1.4)
        axes.annotate(
            name,
            (x, y),
            xytext=(7, 5),
            textcoords="offset points",
            color=theme.foreground,
            parse_math=False,
            fontsize=9,
            annotation_clip=False,
        )
    style.style_axes(axes, theme)
    axes.set_xlabel(axis_names[0])
    axes.set_ylabel(axis_names[1])
    return figure


plot_song_map = style.saved_figure(song_map_figure, 2)
"""Write a map of songs to a PNG, SVG or PDF file; see `song_map_figure`."""


def _scatter_by_label(
    axes: Axes, theme: Theme, points: NDArray[np.float64], labels: Sequence[str], name: str
) -> None:
    """Draw each label in a color of its own, with a legend."""
    for index, label in enumerate(sorted(set(labels))):
        same = np.array([other == label for other in labels])
        axes.scatter(
            points[same, 0],
            points[same, 1],
            s=_marker_size(len(points)),
            color=theme.part_color(index),
            alpha=0.75,
            lw=0,
            label=f"{label} ({int(same.sum())})",
        )
    axes.legend(
        title=name,
        frameon=False,
        fontsize=9,
        labelcolor=theme.foreground,
        ncols=1,
        loc="upper left",
        bbox_to_anchor=(1.01, 1.0),
    )


def _scatter_by_value(
    axes: Axes, theme: Theme, points: NDArray[np.float64], values: NDArray[np.float64], name: str
) -> None:
    """Draw values with a color bar; points without a finite value are gray."""
    colors = style.colormap(theme.blue, theme.beat_line, theme.red)
    known = np.isfinite(values)
    axes.scatter(
        points[~known, 0],
        points[~known, 1],
        s=_marker_size(len(points)),
        color=theme.gray,
        alpha=0.3,
        lw=0,
    )
    low, high = np.percentile(values[known], [2, 98]) if known.any() else (0.0, 1.0)
    drawn = axes.scatter(
        points[known, 0],
        points[known, 1],
        s=_marker_size(len(points)),
        c=values[known],
        cmap=colors,
        vmin=low,
        vmax=max(high, low + 1e-9),
        lw=0.3,
        edgecolors=theme.gray,
    )
    bar = axes.figure.colorbar(drawn, ax=axes, shrink=0.8, pad=0.02)
    bar.set_label(name, color=theme.gray)
    bar.ax.tick_params(colors=theme.gray, labelsize=8.5, length=3)
    bar.outline.set_visible(False)


def _marker_size(n: int) -> float:
    """Return the marker area for a number of points."""
    return float(np.clip(6000 / max(n, 1), 8, 40))
