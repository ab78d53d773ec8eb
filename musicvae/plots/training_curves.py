"""Figure of a training run: reconstruction, loss and KL over time."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from musicvae.errors import DataError
from musicvae.plots import style
from musicvae.plots.themes import LIGHT, Theme

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Title and unit of each panel, and its lines: column of metrics.csv, label, color of the theme.
_PANELS = (
    (
        "Reconstruction",
        "onset-and-pitch F1",
        (
            ("valid_f1", "from the mean", "blue"),
            ("valid_f1_sampled", "from a sampled z", "sky"),
        ),
    ),
    (
        "Loss",
        "nats per window",
        (("train_loss", "training", "amber"), ("valid_loss", "validation", "red")),
    ),
    ("Latent", "KL in bits per window", (("valid_kl_bits", "validation", "green"),)),
)


def training_curves_figure(
    rows: Sequence[Mapping[str, Any]], title: str = "", *, theme: Theme = LIGHT
) -> Figure:
    """Draw the rows of a `metrics.csv`, numbers or text, over minutes.

    Missing columns are left out. Raises `DataError` if there are no rows.
    """
    if not rows:
        raise DataError("no metrics to draw yet; train a little longer")
    figure = style.new_figure(theme, 3.1)
    facts = f"{len(rows)} validations, the last after {_to_float(rows[-1].get('minutes')):.1f} min"
    style.add_heading(figure, theme, title, facts)
    for index, (name, unit, lines) in enumerate(_PANELS):
        axes = style.add_axes(figure, 0.62 + index * 2.95, 1.06, 2.3, 1.5)
        _draw_panel(axes, theme, rows, lines)
        style.style_axes(axes, theme, name)
        axes.set_ylabel(unit)
        axes.set_xlabel("minutes")
    figure.axes[0].set_ylim(0, 1)
    return figure


plot_training_curves = style.saved_figure(training_curves_figure)
"""Write training curves to a PNG, SVG or PDF file; see `training_curves_figure`."""


def _draw_panel(
    axes: Axes,
    theme: Theme,
    rows: Sequence[Mapping[str, Any]],
    lines: tuple[tuple[str, str, str], ...],
) -> None:
    """Draw the lines of one panel."""
    for column, label, color in lines:
        points = [(_to_float(row.get("minutes")), _to_float(row.get(column))) for row in rows]
        points = [point for point in points if all(map(math.isfinite, point))]
        if points:
            x, y = zip(*points, strict=True)
            mark = "o" if len(points) < 30 else ""
            axes.plot(x, y, color=getattr(theme, color), lw=1.8, marker=mark, ms=3, label=label)
    axes.set_ylim(bottom=0)
    axes.set_xlim(left=0)
    axes.grid(color=theme.beat_line, lw=0.7)
    if axes.get_lines():
        axes.legend(frameon=False, fontsize=8.5, labelcolor=theme.foreground)


def _to_float(value: Any) -> float:
    """Convert to a float; NaN if that fails."""
    try:
        return float(value)
    except (TypeError, ValueError):
        return math.nan
