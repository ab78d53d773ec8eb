"""Comparison of samples with real windows: feature distributions, classifier, memorization."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from musicvae.arrays import Floats
from musicvae.data import WindowDataset
from musicvae.data.batch import fits_preset
from musicvae.evaluation.window_sets import WindowSets
from musicvae.metrics.features import window_features
from musicvae.metrics.memorization import NearestWindows, is_empty, is_static
from musicvae.metrics.overlap import histogram_kl, intra_inter_overlap, overlapping_area
from musicvae.metrics.two_sample import classifier_two_sample_auc
from musicvae.representation.note_table import VELOCITY, WINDOW, NoteTable
from musicvae.representation.windows import window_bounds
from musicvae.training.validation import note_table

COPY_F1, COPY_NOTES = 0.95, 4
"""A window with at least these notes and this similarity to a training window is a copy."""


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Metrics of sets of windows against the held-out ones. Sets are named as in `WindowSets`."""

    windows: int
    """Number of windows in each set."""
    means: dict[str, dict[str, float]]
    """By feature, the mean in each set."""
    overlap: dict[str, dict[str, float]]
    """By set and feature, the overlapping area with the held-out windows."""
    kl: dict[str, dict[str, float]]
    """By set and feature, the KL divergence in nats of the histograms, held-out || set."""
    distance_overlap: dict[str, dict[str, float]]
    """By set and feature, the overlap of intra-set distances of the held-out windows with the
    distances from them to the set (Yang and Lerch 2018)."""
    distance_kl: dict[str, dict[str, float]]
    mean_overlap: dict[str, float]
    """By set, the mean of `overlap` over features."""
    overlap_of_real: float
    """Mean overlap of the samples divided by that of training windows."""
    mean_overlap_shared: dict[str, float]
    """The same with one bandwidth for both densities, see `metrics.overlap`."""
    auc: dict[str, float]
    """By set, the AUC of a classifier against the held-out windows: .5 indistinguishable."""
    oddities: dict[str, dict[str, float]]
    """By set, shares of windows that are `empty`, `stuck` (static), `copied` or `identical`, and
    the mean F1 with the `nearest` training window."""
    left_out: list[str]
    """Features that are constant among real windows, or that the model does not have."""
    distributions: dict[str, dict[str, Floats]]
    """By set and feature, the values; not in `to_dict`."""

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON, without the distributions."""
        names = [field.name for field in fields(self) if field.name != "distributions"]
        return {name: getattr(self, name) for name in names}


def compare(
    sets: WindowSets, held_out: WindowDataset, train_windows: WindowDataset, *, seed: int = 0
) -> Comparison:
    """Compare sets of windows.

    Args:
        sets: the windows to compare.
        held_out: windows of the evaluated split.
        train_windows: all windows of the train split, one from every bar.
        seed: of the folds of the classifier.
    """
    tables = sets.tables
    velocities = bool(sets.samples.rows[:, VELOCITY].any())
    features = {
        name: window_features(table, velocities=velocities) for name, table in tables.items()
    }
    names = list(features["test"])
    used = [name for name in names if _varies(features["test"][name], features["train"][name])]
    others = [name for name in tables if name != "test"]
    real = features["test"]
    overlap = {
        name: {f: overlapping_area(real[f], features[name][f]) for f in used} for name in others
    }
    distances = {
        name: {f: intra_inter_overlap(real[f], features[name][f]) for f in used} for name in others
    }
    mean_overlap = {name: _mean(np.array([*overlap[name].values()])) for name in others}
    return Comparison(
        windows=len(sets.test),
        means={f: {name: _mean(features[name][f]) for name in tables} for f in used},
        overlap=overlap,
        kl={name: {f: histogram_kl(real[f], features[name][f]) for f in used} for name in others},
        distance_overlap={n: {f: pair[0] for f, pair in d.items()} for n, d in distances.items()},
        distance_kl={n: {f: pair[1] for f, pair in d.items()} for n, d in distances.items()},
        mean_overlap=mean_overlap,
        mean_overlap_shared={
            name: _mean(
                np.array([overlapping_area(real[f], features[name][f], shared=True) for f in used])
            )
            for name in others
        },
        overlap_of_real=_ratio(mean_overlap["samples"], mean_overlap["train"]),
        auc={name: _auc(sets, features, name, used, seed) for name in others},
        oddities=_degenerate_shares(tables, held_out, train_windows),
        left_out=[name for name in names if name not in used],
        distributions={name: {f: features[name][f] for f in used} for name in tables},
    )


def _auc(
    sets: WindowSets,
    features: Mapping[str, Mapping[str, Floats]],
    name: str,
    used: list[str],
    seed: int,
) -> float:
    if not used:
        return float("nan")
    a, b = (np.column_stack([features[each][f] for f in used]) for each in ("test", name))
    songs = sets.test.song
    # Generated windows belong to the song whose bars they copy; other songs are songs of their own.
    own = {"train": sets.train, "given": sets.given}.get(name)
    other = songs if own is None else own.song + songs.max() + 1
    return classifier_two_sample_auc(a, b, songs, other, seed=seed)


def _degenerate_shares(
    tables: Mapping[str, NoteTable], held_out: WindowDataset, train_windows: WindowDataset
) -> dict[str, dict[str, float]]:
    index = NearestWindows(note_table(train_windows, np.arange(len(train_windows))))
    by_set = {}
    for name, table in tables.items():
        shares = {"empty": float(is_empty(table).mean()), "stuck": float(is_static(table).mean())}
        if name != "train":  # which is in the index itself
            f1 = index.query(table).f1
            long = (
                np.bincount(table.rows[table.is_onset, WINDOW], minlength=len(table)) >= COPY_NOTES
            )
            shares |= {
                "copied": float(((f1 >= COPY_F1) & long).mean()),
                "identical": float(((f1 == 1) & long).mean()),
                "nearest": float(f1.mean()),
            }
        by_set[name] = shares
    by_set["test"]["empty"] = _empty_share(held_out)
    return by_set


def _empty_share(windows: WindowDataset) -> float:
    """Return the share of windows without an onset in the songs; `WindowDataset` drops them.

    Only the first pass of each song counts, since further passes have the remaining parts.
    """
    size = windows.preset.grid.bars
    paths = [source.path for source in windows.inputs]
    first = np.array([s == 0 or path != paths[s - 1] for s, path in enumerate(paths)])
    fits = [
        int(fits_preset(s.bars.grid, *window_bounds(len(s.bars), size, size), windows.preset).sum())
        for s in windows.inputs
    ]
    every, there = np.array(fits), np.bincount(windows.input_index, minlength=len(paths))
    return float(1 - there[first].sum() / max(every[first].sum(), 1))


def _ratio(a: float, b: float) -> float:
    return a / b if b else float("nan")


def _varies(*columns: Floats) -> bool:
    every = np.concatenate(columns)
    every = every[np.isfinite(every)]
    return len(every) > 1 and bool(every.std() > 1e-9)


def _mean(values: Floats) -> float:
    there = values[np.isfinite(values)]
    return float(there.mean()) if len(there) else float("nan")
