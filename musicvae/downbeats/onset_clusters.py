"""Onset clusters of a performance: notes that are struck together, and how salient they are.

The notes of a chord are spread by some tens of milliseconds. What makes a cluster salient on a beat
(many notes, a bass note, long and loud notes, a change of harmony) is described by a few classes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import maximum_filter1d, minimum_filter1d, uniform_filter1d

from musicvae.arrays import Floats, Ints

MAX_GAP_S = 0.035  # between the onsets of a cluster
MAX_SPREAD_S = 0.08  # of a cluster
N_CLASSES = 5  # of each feature
FEATURES = ("notes", "bass", "duration", "loudness", "harmony")
_NEIGHBORS = 9  # clusters over which loudness and register are compared
_HARMONY_CLUSTERS = 4  # before and from each one, over which pitch classes are compared


@dataclass(frozen=True, kw_only=True, eq=False)
class OnsetClusters:
    """Clusters `(C,)` of the notes of a performance."""

    time_s: Floats
    """Mean onset."""
    salience: Ints
    """Class of each of `FEATURES`, from 0 to `N_CLASSES - 1`. `(C, F)`"""
    index: Ints
    """The cluster of each note. `(M,)`"""

    def __len__(self) -> int:
        return len(self.time_s)


def cluster_onsets(
    onset_s: Floats, duration_s: Floats, pitch: Ints, velocity: Ints
) -> OnsetClusters:
    """Cluster notes `(M,)`, M >= 1, in ascending order of onset."""
    index = _cluster_index(onset_s)
    C = int(index[-1]) + 1
    count = np.bincount(index)
    time = np.bincount(index, weights=onset_s) / count
    lowest, longest, loudest = np.full(C, 128), np.zeros(C), np.zeros(C)
    np.minimum.at(lowest, index, pitch)
    np.maximum.at(longest, index, duration_s)
    np.maximum.at(loudest, index, velocity)
    local_low = minimum_filter1d(lowest, _NEIGHBORS, mode="nearest")
    local_high = maximum_filter1d(lowest, _NEIGHBORS, mode="nearest")
    height = (lowest - local_low) / np.maximum(local_high - local_low, 1)
    loudness = loudest - uniform_filter1d(loudest, _NEIGHBORS, mode="nearest")
    ratio = np.log2(np.maximum(longest, 0.02) / np.median(np.maximum(longest, 0.02)))
    classes = (
        np.minimum(count, N_CLASSES) - 1,
        np.digitize(height, [0.01, 0.25, 0.5, 0.75]),
        np.digitize(ratio, [-1.0, -0.3, 0.3, 1.0]),
        np.digitize(loudness, [-8.0, -2.0, 2.0, 8.0]),
        np.digitize(_new_harmony(index, pitch, C), [0.1, 0.25, 0.4, 0.6]),
    )
    return OnsetClusters(time_s=time, salience=np.stack(classes, axis=1), index=index)


def _cluster_index(onset_s: Floats) -> Ints:
    """Return the cluster of each onset `(M,)`."""
    index = np.concatenate([[0], np.cumsum(np.diff(onset_s) > MAX_GAP_S)]).astype(np.int64)
    first = onset_s[np.searchsorted(index, np.arange(index[-1] + 1))]
    late = np.floor((onset_s - first[index]) / MAX_SPREAD_S)  # a run of fast notes is cut up
    return np.concatenate([[0], np.cumsum((np.diff(index) > 0) | (np.diff(late) > 0))])


def _new_harmony(index: Ints, pitch: Ints, n: int) -> Floats:
    """Return the distance of pitch classes before and from each cluster, 0 to 1. `(n,)`"""
    chroma = np.zeros((n, 12))
    np.add.at(chroma, (index, pitch % 12), 1)
    total = np.concatenate([np.zeros((1, 12)), np.cumsum(chroma, axis=0)])
    at, span = np.arange(n), _HARMONY_CLUSTERS
    after = total[np.minimum(at + span, n)] - total[at]
    before = total[at] - total[np.maximum(at - span, 0)]
    norm = np.sqrt((after**2).sum(1) * (before**2).sum(1))
    return 1 - np.divide((after * before).sum(1), norm, out=np.zeros(n), where=norm > 0)
