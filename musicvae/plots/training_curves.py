"""Floor 9: how a training run went: reconstruction, loss and bits over the minutes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from musicvae.errors import DataError
from musicvae.plots import style
from musicvae.plots.themes import LIGHT, Theme

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Title and unit of a panel, and its lines: column of metrics.csv, name, colour in a theme.
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
        "nats a window",
        (("train_loss", "training", "amber"), ("valid_loss", "held out", "red")),
    ),
    ("Latent", "KL in bits a window", (("valid_kl_bits", "held out", "green"),)),
)


def plot_training_curves(
    rows: Sequence[Mapping[str, Any]], path: str | Path, title: str = "", *, theme: Theme = LIGHT
) -> Path:
    """Draw the rows of a `metrics.csv` (numbers or text) over minutes; returns the path.

    PNG, SVG or PDF by the suffix. Columns that are missing are left out. Raises `DataError`
    without rows, `WriteError` if the picture cannot be written.
    """
    style.check_suffix(path)
    if not rows:
        raise DataError(f"{path}: no metrics to draw yet; train a little longer")
    with style.style_context():
        return style.save_figure(training_curves_figure(rows, title, theme=theme), path)


def training_curves_figure(
    rows: Sequence[Mapping[str, Any]], title: str = "", *, theme: Theme = LIGHT
) -> Figure:
    """The picture of `plot_curves` as a matplotlib `Figure`."""
    figure = style.new_figure(theme, 3.1)
    facts = f"{len(rows)} validations, the last after {_to_float(rows[-1].get('minutes')):.1f} min"
    style.add_heading(figure, theme, title, facts)
    for nth, (name, unit, lines) in enumerate(_PANELS):
        axes = style.add_axes(figure, 0.62 + nth * 2.95, 1.06, 2.3, 1.5)
        _draw_panel(axes, theme, rows, lines)
        style.style_axes(axes, theme, name)
        axes.set_ylabel(unit)
        axes.set_xlabel("minutes")
    figure.axes[0].set_ylim(0, 1)
    return figure


def _draw_panel(
    axes: Axes,
    theme: Theme,
    rows: Sequence[Mapping[str, Any]],
    lines: tuple[tuple[str, str, str], ...],
) -> None:
    for column, label, colour in lines:
        points = [(_to_float(row.get("minutes")), _to_float(row.get(column))) for row in rows]
        points = [point for point in points if all(map(math.isfinite, point))]
        if points:
            x, y = zip(*points, strict=True)
            mark = "o" if len(points) < 30 else ""
            axes.plot(x, y, color=getattr(theme, colour), lw=1.8, marker=mark, ms=3, label=label)
    axes.set_ylim(bottom=0)
    axes.set_xlim(left=0)
    axes.grid(color=theme.beat_line, lw=0.7)
    if axes.get_lines():
        axes.legend(frameon=False, fontsize=8.5, labelcolor=theme.foreground)


def _to_float(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        return math.nan
