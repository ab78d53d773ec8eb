"""Heat map of a labeled matrix, such as the effect of each attribute on all others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from musicvae.plots import style
from musicvae.plots.themes import LIGHT, Theme

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_TOP, _COLUMN_LABELS, _LEFT, _ROW, _BOTTOM = 0.8, 0.85, 1.35, 0.34, 0.3  # inches
_MAX_CELL_WIDTH = 0.72


def heatmap_figure(
    values: NDArray[np.float64],
    rows: Sequence[str],
    columns: Sequence[str],
    title: str = "",
    subtitle: str = "",
    *,
    marked: NDArray[np.bool_] | None = None,
    theme: Theme = LIGHT,
) -> Figure:
    """Draw values `(R, C)`, positive ones in blue and negative ones in red; NaN cells stay empty.

    `marked` `(R, C)` are cells to frame.
    """
    from matplotlib.patches import Rectangle

    n_rows, n_columns = values.shape
    cell = min((style.WIDTH - _LEFT - style.RIGHT) / max(n_columns, 1), _MAX_CELL_WIDTH)
    width = max(_LEFT + n_columns * cell + style.RIGHT + 0.2, 6.0)
    figure = style.new_figure(theme, _TOP + _COLUMN_LABELS + n_rows * _ROW + _BOTTOM, width)
    style.add_heading(figure, theme, title, subtitle, left=0.3)
    axes = style.add_axes(
        figure, _LEFT, _TOP + _COLUMN_LABELS, max(n_columns, 1) * cell, n_rows * _ROW
    )
    limit = max(float(np.nanmax(np.abs(values), initial=0)), 1e-9)
    colors = style.colormap(theme.red, theme.background, theme.blue).with_extremes(bad=(0, 0, 0, 0))
    axes.pcolormesh(
        np.ma.masked_invalid(values), cmap=colors, vmin=-limit, vmax=limit,
        edgecolors=theme.background, linewidth=1.5,
    )  # fmt: skip
    for row, column in np.argwhere(np.isfinite(values)).tolist():
        value = values[row, column]
        is_strong = abs(value) > 0.7 * limit
        color = (
            (theme.background if theme.name == "light" else theme.foreground)
            if is_strong
            else theme.foreground
        )
        text = f"{round(value, 2) + 0.0:+.2f}".replace("0.", ".", 1)
        axes.text(column + 0.5, row + 0.5, text, size=8, ha="center", va="center", color=color)
    framed = np.argwhere(marked).tolist() if marked is not None else ()
    for row, column in framed:
        axes.add_patch(
            Rectangle((column, row), 1, 1, fill=False, ec=theme.foreground, lw=1.6, clip_on=False)
        )
    axes.invert_yaxis()
    style.hide_axes(axes, theme)
    axes.set_yticks(np.arange(n_rows) + 0.5, [_label(name)[:20] for name in rows])
    axes.set_xticks(
        np.arange(n_columns) + 0.5,
        [_label(c) for c in columns],
        rotation=38,
        ha="left",
        rotation_mode="anchor",
    )
    axes.tick_params(
        labeltop=True, labelbottom=False, labelsize=9, labelcolor=theme.foreground, length=0, pad=5
    )
    for label in (*axes.get_xticklabels(), *axes.get_yticklabels()):
        label.set_parse_math(False)
    return figure


plot_heatmap = style.saved_figure(heatmap_figure, 3)
"""Write a heat map to a PNG, SVG or PDF file; see `heatmap_figure`."""


def _label(name: str) -> str:
    """Return a name without underscores."""
    return style.display_text(name.replace("_", " "))
