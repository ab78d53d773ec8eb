"""Figure of an evaluation: reconstruction metrics, and feature distributions by set of windows.

The sets are held-out songs, training songs, samples and baselines.
"""

from __future__ import annotations

from collections.abc import Mapping
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
_HEADING, _BARS, _ROW, _COLUMNS = 0.85, 2.55, 1.5, 4  # inches; panels per row
_METRICS = (
    ("step_accuracy", "step\naccuracy"),
    ("f1", "onset,\npitch F1"),
    ("f1_duration", "with\nduration"),
    ("f1_velocity", "with\nvelocity"),
    ("repeats", "repeat\nrecall"),
    ("perfect", "exact\nwindows"),
)
_SETS = (
    ("train", "training songs", "green"),
    ("samples", "samples", "red"),
    ("shuffled", "shuffled bars", "neutral"),
    ("unigram", "unigram bars", "neutral"),
    ("random", "random notes", "neutral"),
)


def evaluation_figure(
    figures: Mapping[str, Any],
    distributions: Mapping[str, FeatureValues],
    title: str = "",
    *,
    theme: Theme = LIGHT,
) -> Figure:
    """Draw the figures of `Evaluation.to_dict` and the distributions of features.

    `distributions` holds the values of each feature `(W,)` by set of windows.
    """
    features = list(distributions["test"])
    n_rows = -(-len(features) // _COLUMNS)
    figure = style.new_figure(theme, _HEADING + _BARS + n_rows * _ROW + 0.1)
    style.add_heading(figure, theme, title, _subtitle(figures), left=0.42)
    comparison = figures["comparison"]
    top, height = _HEADING + 0.42, 1.4
    axes = style.add_axes(figure, 0.42, top, 3.8, height)
    _draw_reconstruction(axes, theme, figures["reconstruction"])
    overlap = style.add_axes(figure, 5.5, top, 1.6, height)
    _draw_window_sets(overlap, theme, comparison["mean_overlap"], "Overlap", show_names=True)
    auc = style.add_axes(figure, 7.4, top, 1.6, height)
    _draw_window_sets(auc, theme, comparison["auc"], "Classifier AUC", show_names=False)
    width = (style.WIDTH - 0.6) / _COLUMNS
    for index, name in enumerate(features):
        row, column = divmod(index, _COLUMNS)
        left, top = 0.42 + column * width, _HEADING + _BARS + row * _ROW + 0.25
        axes = style.add_axes(figure, left, top, width - 0.22, 0.9)
        values = {window_set: of_set[name] for window_set, of_set in distributions.items()}
        _draw_feature(axes, theme, name, values, comparison)
    _add_legend(figure, theme, is_split=figures["split"] != "all")
    return figure


plot_evaluation = style.saved_figure(evaluation_figure, 2)
"""Write an evaluation to a PNG, SVG or PDF file; see `evaluation_figure`."""


def _subtitle(figures: Mapping[str, Any]) -> str:
    """Return the numbers of windows, songs and samples, KL and ELBO as one line."""
    likelihood = figures["likelihood"]
    facts = [f"{figures['windows']:,} windows of {figures['songs']:,} songs"]
    if "kl_bits" in likelihood:
        facts.append(f"{likelihood['kl_bits']:.0f} bits per window")
    if "negative_elbo" in likelihood:
        facts.append(f"negative ELBO {likelihood['negative_elbo_per_step']:.2f} nats per step")
    facts.append(f"{figures['comparison']['windows']:,} samples")
    return "  ·  ".join(facts)


def _draw_reconstruction(
    axes: Axes, theme: Theme, scores: Mapping[str, Mapping[str, float | None]]
) -> None:
    """Draw reconstruction metrics as bars, and the accuracy of the hold baseline as a line."""
    used = [(key, label) for key, label in _METRICS if scores["mean"].get(key) is not None]
    positions = np.arange(len(used))
    for name, offset, color, label in (
        ("mean", -0.2, theme.blue, "from the mean"),
        ("sampled", 0.2, theme.sky, "from a sampled z"),
    ):
        if name not in scores:
            continue
        values = [scores[name][key] or 0.0 for key, _ in used]
        axes.bar(positions + offset, values, 0.36, color=color, label=label)
        for x, value in zip(positions + offset, values, strict=True):
            score = _format_score(value)
            axes.text(x, value + 0.015, score, size=7, ha="center", color=theme.foreground)
    baseline = scores["hold"]["step_accuracy"] or 0.0
    line: dict[str, Any] = {"colors": theme.foreground, "linewidths": 1.2, "label": "hold baseline"}
    axes.hlines(baseline, -0.45, 0.45, **line)
    axes.set_xticks(positions, [label for _, label in used])
    axes.set_ylim(0, 1.1)
    style.style_axes(axes, theme, "Reconstruction", pad=21)
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
    axes: Axes, theme: Theme, values: Mapping[str, float | None], title: str, *, show_names: bool
) -> None:
    """Draw one value for each set of windows as horizontal bars."""
    for y, (name, _, color) in enumerate(_SETS):
        value = values[name]
        if value is not None:
            axes.barh(y, value, 0.66, color=getattr(theme, color))
            score = _format_score(value)
            axes.text(value + 0.015, y, score, size=7.5, va="center", color=theme.foreground)
    axes.set_ylim(len(_SETS) - 0.5, -0.5)
    axes.set_xlim(0, 1.12)
    axes.set_yticks(range(len(_SETS)), [label if show_names else "" for _, label, _ in _SETS])
    axes.set_xticks([0, 0.5, 1])
    style.style_axes(axes, theme, title)
    axes.tick_params(axis="y", length=0)


def _draw_feature(
    axes: Axes, theme: Theme, name: str, values: FeatureValues, comparison: Mapping[str, Any]
) -> None:
    """Draw the densities of one feature in held-out songs, training songs and samples."""
    finite = {window_set: v[np.isfinite(v)] for window_set, v in values.items()}
    pooled = np.concatenate([finite[window_set] for window_set in ("test", "train", "samples")])
    low, high = (float(q) for q in np.quantile(pooled, (0.002, 0.998)))
    margin = 0.08 * (high - low) + 1e-6
    low, high = low - margin, high + margin
    for window_set, color in (("test", None), ("train", theme.green), ("samples", theme.red)):
        sample = finite[window_set]
        if not len(sample):
            continue
        heights = density(sample, low, high, bandwidth(sample))
        x = np.linspace(low, high, len(heights))
        if color is None:
            axes.fill_between(x, heights, color=theme.octave_line, lw=0)
        else:
            axes.plot(x, heights, color=color, lw=1.4)
    axes.set_xlim(low, high)
    axes.set_ylim(bottom=0)
    axes.set_yticks([])
    style.style_axes(axes, theme, name.replace("_", " "), size=8.5)
    axes.spines["left"].set_visible(False)
    for right, window_set, color in ((0.86, "samples", theme.red), (1.0, "train", theme.green)):
        overlap = _format_score(comparison["overlap"][window_set][name])
        axes.text(right, 1.06, overlap, transform=axes.transAxes, size=8, ha="right", color=color)


def _add_legend(figure: Figure, theme: Theme, *, is_split: bool) -> None:
    """Add the legend of the feature panels; without a split no song is held out or learned."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    figure.legend(
        handles=[
            Patch(facecolor=theme.octave_line, label="held-out songs" if is_split else "songs"),
            Line2D(
                [],
                [],
                color=theme.green,
                lw=1.6,
                label="training songs" if is_split else "other songs",
            ),
            Line2D([], [], color=theme.red, lw=1.6, label="samples; on the right, overlap"),
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
    """Format with two decimals and no leading zero: `.95`, `1.0`."""
    text = "" if value is None else f"{value:.2f}".removeprefix("0")
    return text.replace("1.00", "1.0")
