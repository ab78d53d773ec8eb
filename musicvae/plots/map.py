"""Floor 9: songs as points of a plane, coloured by an attribute or by folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from musicvae.plots import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

_LOW, _MIDDLE, _HIGH = "#0072B2", "#E4E4E8", "#D55E00"


def plot_map(
    points: NDArray[np.float64],
    colours: Sequence[str] | NDArray[np.float64],
    path: str | Path,
    *,
    title: str,
    colour_name: str,
    axis_names: tuple[str, str] = ("", ""),
    marked: Sequence[tuple[int, str]] = (),
) -> Path:
    """Write a picture of points `(n, 2)`, coloured by a number or by a word each.

    `marked` are points to name, by index. Raises `WriteError`.
    """
    from matplotlib.figure import Figure

    style.checked_suffix(path)
    with style.drawing():
        figure = Figure(figsize=(7.2, 5.6), facecolor="white", layout="constrained")
        axes = figure.add_subplot()
        words = [each for each in colours if isinstance(each, str)]
        if words:
            _by_word(axes, points, words, colour_name)
        else:
            _by_number(axes, points, np.asarray(colours, np.float64), colour_name)
        for nth, name in marked:
            x, y = points[nth]
            axes.plot(x, y, "o", ms=9, mfc="none", mec=style.INK, mew=1.4)
            axes.annotate(
                name,
                (x, y),
                xytext=(7, 5),
                textcoords="offset points",
                color=style.INK,
                fontsize=8.5,
                annotation_clip=False,
            )
        axes.set_title(title, loc="left", color=style.INK, fontsize=11, fontweight="bold")
        axes.set_xlabel(axis_names[0], color=style.GREY)
        axes.set_ylabel(axis_names[1], color=style.GREY)
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
        for side in ("left", "bottom"):
            axes.spines[side].set_color(style.OCTAVE_LINE)
        axes.tick_params(colors=style.GREY, labelsize=8, length=3)
        return style.save(figure, path)


def _by_word(axes: Axes, points: NDArray[np.float64], words: Sequence[str], name: str) -> None:
    kinds = sorted(set(words))
    for nth, kind in enumerate(kinds):
        mine = np.array([word == kind for word in words])
        axes.scatter(
            points[mine, 0],
            points[mine, 1],
            s=_size(len(points)),
            color=style.part_colour(nth),
            alpha=0.75,
            lw=0,
            label=f"{kind} ({int(mine.sum())})",
        )
    axes.legend(
        title=name,
        frameon=False,
        fontsize=8,
        labelcolor=style.INK,
        ncols=1,
        loc="upper left",
        bbox_to_anchor=(1.01, 1.0),
    )


def _by_number(
    axes: Axes, points: NDArray[np.float64], values: NDArray[np.float64], name: str
) -> None:
    from matplotlib.colors import LinearSegmentedColormap

    colours = LinearSegmentedColormap.from_list("musicvae", [_LOW, _MIDDLE, _HIGH])
    known = np.isfinite(values)
    axes.scatter(
        points[~known, 0],
        points[~known, 1],
        s=_size(len(points)),
        color=style.GREY,
        alpha=0.3,
        lw=0,
    )
    low, high = np.percentile(values[known], [2, 98]) if known.any() else (0.0, 1.0)
    shown = axes.scatter(
        points[known, 0],
        points[known, 1],
        s=_size(len(points)),
        c=values[known],
        cmap=colours,
        vmin=low,
        vmax=max(high, low + 1e-9),
        lw=0.3,
        edgecolors=style.GREY,
    )
    bar = axes.figure.colorbar(shown, ax=axes, shrink=0.8, pad=0.02)
    bar.set_label(name, color=style.GREY)
    bar.ax.tick_params(colors=style.GREY, labelsize=8, length=3)
    bar.outline.set_visible(False)


def _size(n: int) -> float:
    return float(np.clip(6000 / max(n, 1), 8, 40))
