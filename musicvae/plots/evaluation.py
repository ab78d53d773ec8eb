"""Floor 9: how good a model is, in one picture: figures as bars, and how features are distributed
in songs that it has not seen, in those it learned from, and in its samples.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from musicvae.metrics.overlap import bandwidth, density
from musicvae.plots import style
from musicvae.plots.themes import LIGHT, Theme

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FeatureValues = Mapping[str, NDArray[np.float64]]
_HEADING, _BARS, _ROW, _COLUMNS = 0.85, 2.55, 1.5, 4  # inches, and panels a row
_METRICS = (
    ("step_accuracy", "exact\nsteps"),
    ("f1", "onset,\npitch F1"),
    ("f1_duration", "with\nduration"),
    ("f1_velocity", "with\nvelocity"),
    ("repeats", "repeats\nkept"),
    ("perfect", "windows\nperfect"),
)
_SETS = (
    ("train", "training songs", "green"),
    ("samples", "samples", "red"),
    ("shuffled", "bars shuffled", "neutral"),
    ("unigram", "bars drawn singly", "neutral"),
    ("random", "random notes", "neutral"),
)


def plot_evaluation(
    figures: Mapping[str, Any],
    distributions: Mapping[str, FeatureValues],
    path: str | Path,
    title: str = "",
    *,
    theme: Theme = LIGHT,
) -> Path:
    """Draw what `Evaluation.to_dict` gives, and by set of windows the values of each feature.

    PNG, SVG or PDF by the suffix; returns the path. Raises `WriteError` if it cannot be written.
    """
    style.check_suffix(path)
    with style.style_context():
        return style.save_figure(evaluation_figure(figures, distributions, title, theme=theme), path)


def evaluation_figure(
    figures: Mapping[str, Any],
    distributions: Mapping[str, FeatureValues],
    title: str = "",
    *,
    theme: Theme = LIGHT,
) -> Figure:
    """The picture of `plot_evaluation` as a matplotlib `Figure`."""
    features = list(distributions["test"])
    n_rows = -(-len(features) // _COLUMNS)
    figure = style.new_figure(theme, _HEADING + _BARS + n_rows * _ROW + 0.1)
    style.add_heading(figure, theme, title, _subtitle(figures), left=0.42)
    compared = figures["comparison"]
    top, tall = _HEADING + 0.42, 1.4
    _draw_reconstruction(style.add_axes(figure, 0.42, top, 3.8, tall), theme, figures["reconstruction"])
    overlap = style.add_axes(figure, 5.5, top, 1.6, tall)
    _draw_window_sets(overlap, theme, compared["mean_overlap"], "Overlap", True)
    auc = style.add_axes(figure, 7.4, top, 1.6, tall)
    _draw_window_sets(auc, theme, compared["auc"], "Told apart, AUC", False)
    wide = (style.WIDTH - 0.6) / _COLUMNS
    for nth, name in enumerate(features):
        row, column = divmod(nth, _COLUMNS)
        left, top = 0.42 + column * wide, _HEADING + _BARS + row * _ROW + 0.25
        axes = style.add_axes(figure, left, top, wide - 0.22, 0.9)
        _draw_feature(axes, theme, name, {s: v[name] for s, v in distributions.items()}, compared)
    _add_legend(figure, theme)
    return figure


def _subtitle(figures: Mapping[str, Any]) -> str:
    weighed = figures["likelihood"]
    facts = [f"{figures['windows']:,} windows of {figures['songs']:,} songs"]
    if "kl_bits" in weighed:
        facts.append(f"{weighed['kl_bits']:.0f} bits a window")
    if "negative_elbo" in weighed:
        facts.append(f"negative ELBO {weighed['negative_elbo_per_step']:.2f} nats a step")
    facts.append(f"{figures['comparison']['windows']:,} samples")
    return "  ·  ".join(facts)


def _draw_reconstruction(axes: Axes, theme: Theme, scores: Mapping[str, Mapping[str, float | None]]) -> None:
    used = [(key, word) for key, word in _METRICS if scores["mean"].get(key) is not None]
    place = np.arange(len(used))
    for name, offset, colour, label in (
        ("mean", -0.2, theme.blue, "from the mean"),
        ("sampled", 0.2, theme.sky, "from a sampled z"),
    ):
        if name not in scores:
            continue
        values = [scores[name][key] or 0.0 for key, _ in used]
        axes.bar(place + offset, values, 0.36, color=colour, label=label)
        for x, value in zip(place + offset, values, strict=True):
            axes.text(x, value + 0.015, _format_score(value), size=7, ha="center", color=theme.foreground)
    floor = scores["hold"]["step_accuracy"] or 0.0
    axes.hlines(floor, -0.45, 0.45, colors=theme.foreground, linewidths=1.2, label="always holding on")
    axes.set_xticks(place, [word for _, word in used])
    axes.set_ylim(0, 1.1)
    style.style_axes(axes, theme, "Windows given back", pad=21)
    axes.legend(
        frameon=False,
        fontsize=8,
        labelcolor=theme.foreground,
        ncols=3,
        loc="lower left",
        bbox_to_anchor=(0, 1.01),
        columnspacing=0.8,
        handlelength=1.1,
        handletextpad=0.5,
        borderaxespad=0,
    )


def _draw_window_sets(
    axes: Axes, theme: Theme, values: Mapping[str, float | None], title: str, show_names: bool
) -> None:
    for nth, (name, _, colour) in enumerate(_SETS):
        value = values[name]
        if value is not None:
            axes.barh(nth, value, 0.66, color=getattr(theme, colour))
            axes.text(value + 0.015, nth, _format_score(value), size=7.5, va="center", color=theme.foreground)
    axes.set_ylim(len(_SETS) - 0.5, -0.5)
    axes.set_xlim(0, 1.12)
    axes.set_yticks(range(len(_SETS)), [word if show_names else "" for _, word, _ in _SETS])
    axes.set_xticks([0, 0.5, 1])
    style.style_axes(axes, theme, title)
    axes.tick_params(axis="y", length=0)


def _draw_feature(
    axes: Axes, theme: Theme, name: str, values: FeatureValues, comparison: Mapping[str, Any]
) -> None:
    there = {each: v[np.isfinite(v)] for each, v in values.items()}
    every = np.concatenate([there[each] for each in ("test", "train", "samples")])
    low, high = (float(q) for q in np.quantile(every, (0.002, 0.998)))
    margin = 0.08 * (high - low) + 1e-6
    low, high = low - margin, high + margin
    for each, colour in (("test", None), ("train", theme.green), ("samples", theme.red)):
        if not len(there[each]):
            continue
        heights = density(there[each], low, high, bandwidth(there[each]))
        x = np.linspace(low, high, len(heights))
        if colour is None:
            axes.fill_between(x, heights, color=theme.octave_line, lw=0)
        else:
            axes.plot(x, heights, color=colour, lw=1.4)
    axes.set_xlim(low, high)
    axes.set_ylim(bottom=0)
    axes.set_yticks([])
    style.style_axes(axes, theme, name.replace("_", " "), size=8.5)
    axes.spines["left"].set_visible(False)
    for right, each, colour in ((0.86, "samples", theme.red), (1.0, "train", theme.green)):
        share = _format_score(comparison["overlap"][each][name])
        axes.text(right, 1.06, share, transform=axes.transAxes, size=8, ha="right", color=colour)


def _add_legend(figure: Figure, theme: Theme) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    figure.legend(
        handles=[
            Patch(facecolor=theme.octave_line, label="held-out songs"),
            Line2D([], [], color=theme.green, lw=1.6, label="training songs"),
            Line2D([], [], color=theme.red, lw=1.6, label="samples; at the right, overlaps"),
        ],
        loc="upper left",
        bbox_to_anchor=(0.35 / style.WIDTH, 1 - (_HEADING + _BARS - 0.3) / figure.get_figheight()),
        ncols=3,
        frameon=False,
        fontsize=8.5,
        labelcolor=theme.foreground,
        borderpad=0,
    )


def _format_score(value: float | None) -> str:
    """`.95`, `1.0`: two places, without the nought that says nothing."""
    places = "" if value is None else f"{value:.2f}".removeprefix("0")
    return places.replace("1.00", "1.0")
