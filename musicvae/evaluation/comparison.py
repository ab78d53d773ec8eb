"""Floor 9: samples against songs: distributions of features, a classifier, copies, oddities."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from musicvae.data import Windows
from musicvae.data.batch import fitting
from musicvae.evaluation.window_sets import Sets
from musicvae.metrics.features import Floats, features
from musicvae.metrics.memorization import Library, empty, stuck
from musicvae.metrics.overlap import distances_alike, histogram_kl, overlapping_area
from musicvae.metrics.two_sample import told_apart
from musicvae.representation.note_table import VELOCITY, WINDOW, Table
from musicvae.representation.windows import window_bounds
from musicvae.training.validation import table_of

COPY_F1, COPY_NOTES = 0.95, 4
"""From this similarity to a training window on, and this many notes, a window is a copy."""


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Sets of windows against the held-out ones; all sets are named as in `Sets`."""

    windows: int
    """Windows of each set."""
    means: dict[str, dict[str, float]]
    """Of each feature the mean in each set."""
    overlap: dict[str, dict[str, float]]
    """By set, of each feature the overlapping area with the held-out windows."""
    kl: dict[str, dict[str, float]]
    """By set, of each feature the KL divergence in nats of its histogram from the held-out one."""
    distance_overlap: dict[str, dict[str, float]]
    """By set, of each feature the overlap of Yang and Lerch between distances within the held-out
    windows and distances to them."""
    distance_kl: dict[str, dict[str, float]]
    mean_overlap: dict[str, float]
    """By set, the mean of `overlap` over features."""
    overlap_of_real: float
    """The samples' mean overlap as a share of that of training windows."""
    mean_overlap_shared: dict[str, float]
    """The same with one bandwidth for both densities, see `statistics.overlap`."""
    auc: dict[str, float]
    """By set, how well a classifier tells it from the held-out windows: .5 not at all, 1 always."""
    oddities: dict[str, dict[str, float]]
    """By set, shares of windows: `empty`, `stuck`, `copied` and `identical`, and the mean
    `nearest` F1 to a training window."""
    left_out: list[str]
    """Features that do not vary among real windows, or that the model does not make."""
    distributions: dict[str, dict[str, Floats]]
    """By set, of each feature its values; not in `to_dict`."""

    def to_dict(self) -> dict[str, Any]:
        """Plain data, for JSON."""
        names = [field.name for field in fields(self) if field.name != "distributions"]
        return {name: getattr(self, name) for name in names}


def compared(sets: Sets, held_out: Windows, learned: Windows, *, seed: int = 0) -> Comparison:
    """Compare sets of windows; `learned` are all windows of the train split, at every bar."""
    tables: dict[str, Table] = vars(sets)
    loud = bool(sets.samples.rows[:, VELOCITY].any())
    found = {name: features(table, velocities=loud) for name, table in tables.items()}
    named = list(found["test"])
    used = [name for name in named if _varies(found["test"][name], found["train"][name])]
    others = [name for name in tables if name != "test"]
    real = found["test"]
    overlap = {
        name: {f: overlapping_area(real[f], found[name][f]) for f in used} for name in others
    }
    distances = {
        name: {f: distances_alike(real[f], found[name][f]) for f in used} for name in others
    }
    mean_overlap = {name: float(np.mean(list(overlap[name].values()))) for name in others}
    return Comparison(
        windows=len(sets.test),
        means={f: {name: _mean(found[name][f]) for name in tables} for f in used},
        overlap=overlap,
        kl={name: {f: histogram_kl(real[f], found[name][f]) for f in used} for name in others},
        distance_overlap={n: {f: pair[0] for f, pair in d.items()} for n, d in distances.items()},
        distance_kl={n: {f: pair[1] for f, pair in d.items()} for n, d in distances.items()},
        mean_overlap=mean_overlap,
        mean_overlap_shared={
            name: float(
                np.mean([overlapping_area(real[f], found[name][f], shared=True) for f in used])
            )
            for name in others
        },
        overlap_of_real=mean_overlap["samples"] / mean_overlap["train"],
        auc={name: _auc(sets, found, name, used, seed) for name in others},
        oddities=_oddities(tables, held_out, learned),
        left_out=[name for name in named if name not in used],
        distributions={name: {f: found[name][f] for f in used} for name in tables},
    )


def _auc(
    sets: Sets, found: Mapping[str, Mapping[str, Floats]], name: str, used: list[str], seed: int
) -> float:
    a, b = (np.column_stack([found[each][f] for f in used]) for each in ("test", name))
    songs = sets.test.song
    # What was made for a frame belongs to the song of that frame; training songs are others.
    other = sets.train.song + songs.max() + 1 if name == "train" else songs
    return told_apart(a, b, songs, other, seed=seed)


def _oddities(
    tables: Mapping[str, Table], held_out: Windows, learned: Windows
) -> dict[str, dict[str, float]]:
    library = Library(table_of(learned, np.arange(len(learned))))
    found = {}
    for name, table in tables.items():
        shares = {"empty": float(empty(table).mean()), "stuck": float(stuck(table).mean())}
        if name != "train":  # which is in the library
            f1 = library.nearest(table).f1
            long = np.bincount(table.rows[table.onsets, WINDOW], minlength=len(table)) >= COPY_NOTES
            shares |= {
                "copied": float(((f1 >= COPY_F1) & long).mean()),
                "identical": float(((f1 == 1) & long).mean()),
                "nearest": float(f1.mean()),
            }
        found[name] = shares
    found["test"]["empty"] = _silent(held_out)
    return found


def _silent(windows: Windows) -> float:
    """The share of windows without an onset, which `Windows` leaves out, in the songs themselves.

    Of a song that takes several passes only the first counts: others hold what is left over.
    """
    size = windows.preset.grid.bars
    paths = [source.path for source in windows.sources]
    first = np.array([s == 0 or path != paths[s - 1] for s, path in enumerate(paths)])
    fits = [
        int(fitting(s.bars.grid, *window_bounds(len(s.bars), size, size), windows.preset).sum())
        for s in windows.sources
    ]
    every, there = np.array(fits), np.bincount(windows.source, minlength=len(paths))
    return float(1 - there[first].sum() / max(every[first].sum(), 1))


def _varies(*columns: Floats) -> bool:
    every = np.concatenate(columns)
    every = every[np.isfinite(every)]
    return len(every) > 1 and bool(every.std() > 1e-9)


def _mean(values: Floats) -> float:
    there = values[np.isfinite(values)]
    return float(there.mean()) if len(there) else float("nan")
