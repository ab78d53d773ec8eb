"""Floor 9: songs as points of a plane, coloured by an attribute or by folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from musicvae.plots import style
from musicvae.plots.themes import LIGHT, Theme

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray


def plot_song_map(
    points: NDArray[np.float64],
    colors: Sequence[str] | NDArray[np.float64],
    path: str | Path,
    *,
    title: str,
    color_name: str,
    axis_names: tuple[str, str] = ("", ""),
    marked: Sequence[tuple[int, str]] = (),
    theme: Theme = LIGHT,
) -> Path:
    """Write a picture of points `(n, 2)`, coloured by a number or by a word each.

    `marked` are points to name, by index. Raises `WriteError`.
    """
    style.check_suffix(path)
    with style.style_context():
        figure = style.new_figure(theme, 5.9, width=7.6)
        figure.set_layout_engine("constrained", rect=(0.01, 0.01, 0.98, 0.93))
        style.add_heading(figure, theme, title, left=0.2)
        axes = figure.add_subplot()
        words = [each for each in colors if isinstance(each, str)]
        if words:
            _scatter_by_label(axes, theme, points, words, color_name)
        else:
            _scatter_by_value(axes, theme, points, np.asarray(colors, np.float64), color_name)
        for nth, name in marked:
            x, y = points[nth]
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
        return style.save_figure(figure, path)


def _scatter_by_label(
    axes: Axes, theme: Theme, points: NDArray[np.float64], labels: Sequence[str], name: str
) -> None:
    kinds = sorted(set(labels))
    for nth, kind in enumerate(kinds):
        mine = np.array([word == kind for word in labels])
        axes.scatter(
            points[mine, 0],
            points[mine, 1],
            s=_marker_size(len(points)),
            color=theme.part_color(nth),
            alpha=0.75,
            lw=0,
            label=f"{kind} ({int(mine.sum())})",
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
    colours = style.colormap(theme.blue, theme.beat_line, theme.red)
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
    shown = axes.scatter(
        points[known, 0],
        points[known, 1],
        s=_marker_size(len(points)),
        c=values[known],
        cmap=colours,
        vmin=low,
        vmax=max(high, low + 1e-9),
        lw=0.3,
        edgecolors=theme.gray,
    )
    bar = axes.figure.colorbar(shown, ax=axes, shrink=0.8, pad=0.02)
    bar.set_label(name, color=theme.gray)
    bar.ax.tick_params(colors=theme.gray, labelsize=8.5, length=3)
    bar.outline.set_visible(False)


def _marker_size(n: int) -> float:
    return float(np.clip(6000 / max(n, 1), 8, 40))
