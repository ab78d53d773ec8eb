"""Outliers among the songs of a folder, and songs that resemble those of another folder."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from musicvae.arrays import Floats
from musicvae.attributes import song_statistics
from musicvae.representation.bars import Bars

OUTLIER_DEVIATIONS = 3.0
"""Robust deviations above the median from which a song is an outlier."""
MIN_SCALE = 0.25  # of anomaly scores within a folder
N_NEIGHBORS = 7
MIN_VOTE_SHARE = 0.7  # of the nearest songs that must share another label
MIN_LABEL_SONGS = 4
_FEATURES = (
    *("notes_per_bar", "bars_sounding", "pitch_classes", "in_scale", "polyphony"),
    *("consonant", "repeated", "steps_and_thirds", "mean_duration_quarters", "rest"),
    *("register", "bar_quarters", "parts"),
    *("on_beat", "on_half_beat", "on_quarter_beat", "on_third_beat"),
)
_MISSING = {"register": 60.0}  # values of songs without pitched notes, else 0


def robust_deviations(scores: Sequence[float]) -> Floats:
    """Return how far scores lie above their median, in robust standard deviations (MAD). `(n,)`"""
    values = np.asarray(scores, np.float64)
    finite = np.isfinite(values).any()
    median = np.nanmedian(values) if finite else 0.0
    scale = 1.4826 * np.nanmedian(np.abs(values - median)) if finite else 1.0
    return np.asarray((values - median) / max(float(scale), MIN_SCALE))


def song_features(bars: Bars) -> Floats:
    """Return a feature vector of a song: statistics of pitch, rhythm and texture. `(F,)`"""
    statistics = song_statistics(bars)
    return np.array([statistics.get(name, _MISSING.get(name, 0.0)) for name in _FEATURES])


def misplaced(features: Floats, labels: Sequence[str]) -> list[str | None]:
    """Return the label that each song resembles more than its own, `None` for most.

    `features` are `song_features` `(n, F)`. The label is that of most of the nearest neighbors, in
    standardized features.
    """
    names, index = np.unique(labels, return_inverse=True)
    counts = np.bincount(index)
    n = len(labels)
    if (counts >= MIN_LABEL_SONGS).sum() < 2 or n <= N_NEIGHBORS:
        return [None] * n
    std = features.std(0)
    x = (features - features.mean(0)) / np.where(std > 1e-9, std, 1)
    distance = ((x[:, None] - x[None]) ** 2).sum(-1)
    np.fill_diagonal(distance, np.inf)
    nearest = np.argsort(distance, axis=1)[:, :N_NEIGHBORS]
    result: list[str | None] = []
    for i in range(n):
        votes = np.bincount(index[nearest[i]], minlength=len(names))
        best = int(votes.argmax())
        agreed = votes[best] >= MIN_VOTE_SHARE * N_NEIGHBORS and counts[best] >= MIN_LABEL_SONGS
        result.append(str(names[best]) if agreed and best != index[i] else None)
    return result
