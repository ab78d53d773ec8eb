"""Figures of the autoencoder experiments: curves, and piano rolls side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure

from musicvae.plots import style
from musicvae.plots.themes import LIGHT

Line = tuple[Sequence[float], Sequence[float]]
Panel = tuple[str, str, str, Mapping[str, Line], Mapping[str, float]]


def draw_curves(path: Path, panels: Sequence[Panel]) -> None:
    """Draw panels (title, axis labels, lines, dotted levels by line) over a logarithmic axis."""
    with style.style_context():
        figure = Figure(figsize=(5.4 * len(panels), 3.3), facecolor="white", layout="constrained")
        for nth, (title, x_name, y_name, lines, levels) in enumerate(panels):
            axes = figure.add_subplot(1, len(panels), nth + 1)
            for color, (name, (x, y)) in zip(LIGHT.parts, lines.items(), strict=False):
                axes.plot(x, y, color=color, lw=1.8, marker="o", ms=4, label=name)
                if name in levels:
                    axes.axhline(levels[name], color=color, lw=1.2, ls=":")
            axes.set_xscale("log")
            ticks = sorted({round(v) for x, _ in lines.values() for v in x})
            axes.set_xticks(ticks, [str(tick) for tick in ticks])
            axes.minorticks_off()
            axes.set_ylim(0, 1.02)
            axes.set_title(title, loc="left", fontsize=11, weight="bold", color=LIGHT.foreground)
            axes.set_xlabel(x_name, color=LIGHT.gray)
            axes.set_ylabel(y_name, color=LIGHT.gray)
            axes.grid(color=LIGHT.beat_line, lw=0.7)
            axes.spines[["top", "right"]].set_visible(False)
            axes.legend(frameon=False, fontsize=8.5, loc="lower right")
        style.save_figure(figure, path)


def draw_rolls(
    path: Path, panels: Mapping[str, np.ndarray], windows: Sequence[int] = range(4)
) -> None:
    """Draw windows of two bars of 4/4, one row for each name, one column for each window.

    `panels`: notes `(M, C)` as rows `(window, bar, position, part, pitch, duration, ...)`.
    """
    shown = [rows[np.isin(rows[:, 0], windows)] for rows in panels.values()]
    pitch = np.concatenate(shown)[:, 4]
    low, high = pitch.min() - 1.5, pitch.max() + 1.5
    size = (2.3 * len(windows), (0.5 + 0.022 * float(high - low)) * len(panels))
    with style.style_context():
        figure = Figure(figsize=size, facecolor="white", layout="constrained")
        axes = figure.subplots(len(panels), len(windows), sharex=True, sharey=True, squeeze=False)
        for line, (name, rows) in zip(axes, zip(panels, shown, strict=True), strict=True):
            for panel, window in zip(line, windows, strict=True):
                _draw(panel, rows[rows[:, 0] == window], low, high)
            line[0].set_title(name, loc="left", fontsize=9, weight="bold", color=LIGHT.foreground)
        style.save_figure(figure, path)


def _draw(axes: Any, rows: np.ndarray, low: float, high: float) -> None:
    _, bar, position, part, pitch, duration = rows.T[:6]
    start = bar * 16 + np.maximum(position - 1, 0)
    stop = np.minimum(start + duration, 32) - 0.15
    for nth in np.unique(part):
        mine = part == nth
        left, right, mid = start[mine], stop[mine], pitch[mine]
        corners = [(left, mid - 0.45), (right, mid - 0.45), (right, mid + 0.45), (left, mid + 0.45)]
        boxes = np.stack([np.stack(np.broadcast_arrays(x, y), -1) for x, y in corners], 1)
        axes.add_collection(PolyCollection(list(boxes), facecolors=LIGHT.part_color(int(nth))))
    axes.set_xlim(0, 32)
    axes.set_ylim(low, high)
    axes.vlines(range(4, 32, 4), low, high, colors=LIGHT.beat_line, lw=0.6, zorder=0)
    axes.axvline(16, color=LIGHT.bar_line, lw=0.8, zorder=0)
    octaves = [p for p in range(0, 128, 12) if low < p < high]
    axes.set_yticks(octaves, [f"C{p // 12 - 1}" for p in octaves])
    axes.set_xticks([0, 16], ["1", "2"])
    axes.tick_params(labelsize=7, length=0, colors=LIGHT.gray)
    axes.spines[:].set_color(LIGHT.octave_line)
