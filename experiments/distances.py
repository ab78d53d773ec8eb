"""Distances between songs and between sets of self-similarity matrices, used by the experiments."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from musicvae.arrays import Floats, Ints
from musicvae.representation.bars import Bars, cell_index
from musicvae.song import Song

_BAR_STEPS = 4096  # from one bar to the next, where songs are compared bar by bar
_EDGES = np.array([0, 0.1, 0.3, 0.5, 0.7, 0.9, 1 + 1e-9])


def onset_cells(song: Song, steps_per_quarter: int = 4, *, by_bar: bool = True) -> Ints:
    """Return step and pitch of each onset of a song, all parts together. `(M, 2)`

    Pitches of drums count from 256. Steps count from each bar line, with the same distance between
    bars in every song, so that songs of different meters are compared bar by bar; if not `by_bar`,
    from the beginning of the song.
    """
    bars = Bars.from_song(song, steps_per_quarter)
    notes, drums = bars.notes, np.array([part.is_drum for part in song.parts], bool)
    step = notes.bar * _BAR_STEPS + notes.step if by_bar else cell_index(bars.grid, notes)
    return np.stack([step, notes.pitch + 256 * drums[notes.part]], axis=1)


def note_distance(a: Ints, b: Ints) -> float:
    """Return the distance of the onsets of two songs: 0 if equal, 1 if nothing is near anything.

    1 - F1 over (step, pitch) cells, smoothed by one step and one semitone. `a` `(M, 2)` and `b`
    `(K, 2)` are `onset_cells`. Each note weighs 1 in its cell, 1/2 a step or a semitone away, 1/4
    where both differ by one; weights of several notes add up. F1 is twice the sum of the smaller
    weights of each cell divided by the sum of all weights: a note off by a step or by a semitone
    counts half. Two empty songs are equal.
    """
    if not len(a) and not len(b):
        return 0.0
    (cell_a, weight_a), (cell_b, weight_b) = _smooth(a), _smooth(b)
    _, i, j = np.intersect1d(cell_a, cell_b, assume_unique=True, return_indices=True)
    common = np.minimum(weight_a[i], weight_b[j]).sum()
    return float(1 - 2 * common / (weight_a.sum() + weight_b.sum()))


def _smooth(notes: Ints) -> tuple[Ints, Floats]:
    """Return the cells around notes, each once as a number, and their weights."""
    offsets = np.array([[s, p] for s in (-1, 0, 1) for p in (-1, 0, 1)])
    weight = 0.5 ** np.abs(offsets).sum(1)
    around = notes[:, None] + offsets  # (M, 9, 2)
    cell, index = np.unique(around[..., 0] * 1024 + around[..., 1], return_inverse=True)
    total = np.bincount(index.ravel(), weights=np.tile(weight, len(notes)))
    return cell.astype(np.int64), total.astype(np.float64)


def self_similarity_overlap(a: Sequence[Floats], b: Sequence[Floats]) -> float:
    """Return the overlap of two sets of self-similarity matrices `(N, N)`, 0 to 1.

    The overlap of the histograms of their values at each distance between bars (edges .1, .3, .5,
    .7, .9), mean over distances.
    """
    sets = np.stack(list(a)), np.stack(list(b))
    overlaps = []
    for lag in range(1, sets[0].shape[1]):
        shares = []
        for matrices in sets:
            values = np.diagonal(matrices, lag, 1, 2).ravel()
            shares.append(np.histogram(values, _EDGES)[0] / len(values))
        overlaps.append(np.minimum(*shares).sum())
    return float(np.mean(overlaps))
