"""Floor 9: how good a model is, in one picture: figures as bars, and how features are distributed
in songs that it has not seen, in those it learned from, and in its samples.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from musicvae.errors import shown
from musicvae.plots import style
from musicvae.statistics.overlap import bandwidth, density

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Values = Mapping[str, NDArray[np.float64]]
_WIDTH, _HEAD, _BARS, _ROW, _COLUMNS = 11.0, 0.95, 2.5, 1.75, 4  # inches, and panels a row
_MEAN, _SAMPLED, _TRAIN, _SAMPLES = "#0072B2", "#56B4E9", "#009E73", "#D55E00"
_SCORES = (
    ("step_accuracy", "exact\nsteps"),
    ("f1", "onset,\npitch F1"),
    ("f1_duration", "with\nduration"),
    ("f1_velocity", "with\nvelocity"),
    ("repeats", "repeats\nkept"),
    ("perfect", "windows\nperfect"),
)
_SETS = (
    ("train", "training songs", _TRAIN),
    ("samples", "samples", _SAMPLES),
    ("shuffled", "bars shuffled", "#A9A9B2"),
    ("unigram", "bars drawn singly", "#A9A9B2"),
    ("random", "random notes", "#A9A9B2"),
)


def plot_evaluation(
    figures: Mapping[str, Any],
    distributions: Mapping[str, Values],
    path: str | Path,
    title: str = "",
) -> Path:
    """Draw what `Evaluation.to_dict` gives, and by set of windows the values of each feature.

    PNG, SVG or PDF by the suffix; returns the path. Raises `WriteError` if it cannot be written.
    """
    from matplotlib.figure import Figure

    style.checked_suffix(path)
    features = list(distributions["test"])
    n_rows = -(-len(features) // _COLUMNS)
    height = _HEAD + _BARS + n_rows * _ROW + 0.25
    with style.drawing():
        figure = Figure(figsize=(_WIDTH, height), facecolor="white")

        def panel(x: float, y: float, wide: float, tall: float) -> Axes:
            return figure.add_axes(
                (x / _WIDTH, 1 - (y + tall) / height, wide / _WIDTH, tall / height)
            )

        heading = shown(" ".join(title.split()))
        ink: dict[str, Any] = {"parse_math": False, "color": style.INK}
        figure.text(0.045, 1 - 0.38 / height, heading, size=14, weight="bold", **ink)
        grey = ink | {"color": style.GREY}
        figure.text(0.045, 1 - 0.62 / height, _subtitle(figures), size=9.5, **grey)
        compared = figures["comparison"]
        _draw_scores(panel(0.5, _HEAD + 0.3, 4.4, 1.45), figures["reconstruction"])
        overlap = panel(6.25, _HEAD + 0.3, 2.0, 1.45)
        _draw_sets(overlap, compared["mean_overlap"], "Overlap with held-out songs", True)
        _draw_sets(
            panel(8.75, _HEAD + 0.3, 2.0, 1.45), compared["auc"], "Told from them, AUC", False
        )
        wide = (_WIDTH - 0.75) / _COLUMNS
        for nth, name in enumerate(features):
            row, column = divmod(nth, _COLUMNS)
            axes = panel(0.5 + column * wide, _HEAD + _BARS + row * _ROW + 0.25, wide - 0.3, 1.05)
            _draw_feature(axes, name, {s: v[name] for s, v in distributions.items()}, compared)
        _legend(figure, height)
        return style.save(figure, path)


def _subtitle(figures: Mapping[str, Any]) -> str:
    weighed = figures["likelihood"]
    facts = [f"{figures['windows']:,} windows of {figures['songs']:,} songs"]
    if "kl_bits" in weighed:
        facts.append(f"{weighed['kl_bits']:.0f} bits a window")
    if "negative_elbo" in weighed:
        facts.append(f"negative ELBO {weighed['negative_elbo_per_step']:.2f} nats a step")
    facts.append(f"{figures['comparison']['windows']:,} samples")
    return "  ·  ".join(facts)


def _draw_scores(axes: Axes, scores: Mapping[str, Mapping[str, float | None]]) -> None:
    used = [(key, word) for key, word in _SCORES if scores["mean"].get(key) is not None]
    place = np.arange(len(used))
    for name, offset, colour, label in (
        ("mean", -0.2, _MEAN, "from the mean"),
        ("sampled", 0.2, _SAMPLED, "from a sampled z"),
    ):
        if name not in scores:
            continue
        values = [scores[name][key] or 0.0 for key, _ in used]
        axes.bar(place + offset, values, 0.36, color=colour, label=label)
        for x, value in zip(place + offset, values, strict=True):
            axes.text(x, value + 0.015, _short(value), size=7, ha="center", color=style.INK)
    floor = scores["hold"]["step_accuracy"] or 0.0
    axes.hlines(floor, -0.45, 0.45, colors=style.INK, linewidths=1.2, label="always holding on")
    axes.set_xticks(place, [word for _, word in used])
    axes.set_ylim(0, 1.1)
    _dressed(axes, "Windows given back")
    axes.legend(
        frameon=False,
        fontsize=7,
        labelcolor=style.INK,
        ncols=3,
        loc="lower left",
        bbox_to_anchor=(0.37, 0.985),
        columnspacing=0.8,
        handlelength=1.1,
        handletextpad=0.5,
        borderaxespad=0,
    )


def _draw_sets(axes: Axes, values: Mapping[str, float | None], title: str, named: bool) -> None:
    for nth, (name, _, colour) in enumerate(_SETS):
        value = values[name]
        if value is not None:
            axes.barh(nth, value, 0.66, color=colour)
            axes.text(value + 0.015, nth, _short(value), size=7.5, va="center", color=style.INK)
    axes.set_ylim(len(_SETS) - 0.5, -0.5)
    axes.set_xlim(0, 1.12)
    axes.set_yticks(range(len(_SETS)), [word if named else "" for _, word, _ in _SETS])
    axes.set_xticks([0, 0.5, 1])
    _dressed(axes, title)
    axes.tick_params(axis="y", length=0)


def _draw_feature(axes: Axes, name: str, values: Values, compared: Mapping[str, Any]) -> None:
    there = {each: v[np.isfinite(v)] for each, v in values.items()}
    every = np.concatenate([there[each] for each in ("test", "train", "samples")])
    low, high = (float(q) for q in np.quantile(every, (0.002, 0.998)))
    margin = 0.08 * (high - low) + 1e-6
    low, high = low - margin, high + margin
    for each, colour in (("test", None), ("train", _TRAIN), ("samples", _SAMPLES)):
        if not len(there[each]):
            continue
        heights = density(there[each], low, high, bandwidth(there[each]))
        x = np.linspace(low, high, len(heights))
        if colour is None:
            axes.fill_between(x, heights, color=style.OCTAVE_LINE, lw=0)
        else:
            axes.plot(x, heights, color=colour, lw=1.4)
    axes.set_xlim(low, high)
    axes.set_ylim(bottom=0)
    axes.set_yticks([])
    _dressed(axes, name.replace("_", " "))
    axes.spines["left"].set_visible(False)
    for right, each, colour in ((0.86, "samples", _SAMPLES), (1.0, "train", _TRAIN)):
        share = _short(compared["overlap"][each][name])
        axes.text(right, 1.06, share, transform=axes.transAxes, size=8, ha="right", color=colour)


def _legend(figure: Any, height: float) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    figure.legend(
        handles=[
            Patch(facecolor=style.OCTAVE_LINE, label="held-out songs"),
            Line2D([], [], color=_TRAIN, lw=1.6, label="training songs"),
            Line2D([], [], color=_SAMPLES, lw=1.6, label="samples; at the right, overlaps"),
        ],
        loc="upper left",
        bbox_to_anchor=(0.4 / _WIDTH, 1 - (_HEAD + _BARS - 0.28) / height),
        ncols=3,
        frameon=False,
        fontsize=8.5,
        labelcolor=style.INK,
        borderpad=0,
    )


def _dressed(axes: Axes, title: str) -> None:
    axes.set_title(title, loc="left", fontsize=9.5, weight="bold", color=style.INK)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(style.OCTAVE_LINE)
    axes.tick_params(colors=style.GREY, labelsize=7.5, length=2.5)


def _short(value: float | None) -> str:
    """`.95`, `1.0`: two places, without the nought that says nothing."""
    places = "" if value is None else f"{value:.2f}".removeprefix("0")
    return places.replace("1.00", "1.0")
