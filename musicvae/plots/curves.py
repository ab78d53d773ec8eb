"""Floor 9: how a training run went: reconstruction, loss and bits over the minutes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from musicvae.errors import DataError, shown
from musicvae.plots import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Title, unit of the panel, and the lines in it: column of metrics.csv, its name, its colour.
_PANELS = (
    (
        "Reconstruction",
        "onset-and-pitch F1",
        (
            ("valid_f1", "from the mean", "#0072B2"),
            ("valid_f1_sampled", "from a sampled z", "#56B4E9"),
        ),
    ),
    (
        "Loss",
        "nats a window",
        (("train_loss", "training", "#E69F00"), ("valid_loss", "held out", "#D55E00")),
    ),
    ("Latent", "KL in bits a window", (("valid_kl_bits", "held out", "#009E73"),)),
)


def plot_curves(rows: Sequence[Mapping[str, Any]], path: str | Path, title: str = "") -> Path:
    """Draw the rows of a `metrics.csv` (numbers or text) over minutes; returns the path.

    PNG, SVG or PDF by the suffix. Columns that are missing are left out. Raises `DataError`
    without rows, `WriteError` if the picture cannot be written.
    """
    from matplotlib.figure import Figure

    style.checked_suffix(path)
    if not rows:
        raise DataError(f"{path}: no metrics to draw yet; train a little longer")
    with style.drawing():
        figure = Figure(figsize=(11, 3.3), facecolor="white")
        for nth, (name, unit, lines) in enumerate(_PANELS):
            axes = figure.add_axes((0.06 + nth * 0.325, 0.15, 0.265, 0.65))
            _draw(axes, rows, lines)
            axes.set_title(name, loc="left", fontsize=11, weight="bold", color=style.INK)
            axes.set_ylabel(unit, color=style.GREY)
            axes.set_xlabel("minutes", color=style.GREY)
        figure.axes[0].set_ylim(0, 1)
        heading = shown(" ".join(title.split()))
        figure.text(0.06, 0.93, heading, size=12, parse_math=False, color=style.INK)
        return style.save(figure, path)


def _draw(
    axes: Axes, rows: Sequence[Mapping[str, Any]], lines: tuple[tuple[str, str, str], ...]
) -> None:
    for column, label, colour in lines:
        points = [(_number(row.get("minutes")), _number(row.get(column))) for row in rows]
        points = [point for point in points if all(map(math.isfinite, point))]
        if points:
            x, y = zip(*points, strict=True)
            mark = "o" if len(points) < 30 else ""
            axes.plot(x, y, color=colour, lw=1.8, marker=mark, ms=3, label=label)
    axes.set_ylim(bottom=0)
    axes.set_xlim(left=0)
    axes.grid(color=style.BEAT_LINE, lw=0.7)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(style.OCTAVE_LINE)
    axes.tick_params(colors=style.GREY, labelsize=8, length=3)
    if axes.get_lines():
        axes.legend(frameon=False, fontsize=8.5, labelcolor=style.INK)


def _number(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        return math.nan
