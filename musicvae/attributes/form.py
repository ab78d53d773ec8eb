"""Floor 4: form: which bars of a song are like which others.

A form is a label for each bar: bars of one label are one bar that comes back, exactly or nearly.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from musicvae.song import Ints

Floats = NDArray[np.float64]
ALIKE = 0.7  # F1 of two bars from which on one is taken to be the other come back
_EDGES = np.array([0, 0.1, 0.3, 0.5, 0.7, 0.9, 1 + 1e-9])


def self_similarity(bar: Ints, step: Ints, line: Ints, n_bars: int) -> Floats:
    """F1 of the notes of each bar and each other, by where they begin in it. `(N, N)`

    A note is a `step` and a `line`, any number that tells pitches and parts apart; arrays `(M,)`.
    Two bars without notes are the same.
    """
    what = step * (1 + int(line.max(initial=0))) + line
    _, nth = np.unique(what, return_inverse=True)
    there = np.zeros((n_bars, int(nth.max(initial=0)) + 1))
    there[bar, nth] = 1
    count = there.sum(1)
    either = count[:, None] + count
    return np.where(either > 0, 2 * (there @ there.T) / np.maximum(either, 1), 1.0)


def labels_of(similarity: Floats, window_bars: int = 1) -> Ints:
    """The form of a song from its `self_similarity` `(N, N)`: for each bar the first one that it
    is like, itself if there is none before. `(N,)`

    Only bars a whole number of windows apart are taken to be alike, for they have one place in a
    window.
    """
    n = len(similarity)
    label = np.arange(n)
    for bar in range(n):
        before = np.arange(bar % window_bars, bar, window_bars)
        before = before[label[before] == before]
        if len(before):
            best = before[np.argmax(similarity[bar, before])]
            label[bar] = best if similarity[bar, best] >= ALIKE else bar
    return label


def matrix_overlap(a: Sequence[Floats], b: Sequence[Floats]) -> float:
    """How alike two sets of self-similarity matrices of one size are, 0 to 1: the overlap of the
    histograms of their values at each distance between bars (below .1, .3, .5, .7, .9, and up),
    mean over distances.
    """
    one, other = np.stack(list(a)), np.stack(list(b))
    found = []
    for lag in range(1, one.shape[1]):
        shares = []
        for many in (one, other):
            values = np.diagonal(many, lag, 1, 2).ravel()
            shares.append(np.histogram(values, _EDGES)[0] / len(values))
        found.append(np.minimum(*shares).sum())
    return float(np.mean(found))


def section_labels(form: str, n_bars: int, end_bars: int = 2) -> Ints:
    """Labels of bars `(n_bars,)` for a form in letters, such as `AABA`: sections of equal length,
    those of one letter alike. The last `end_bars` are none of them, so that the piece may end.
    """
    edges = np.round(np.linspace(0, n_bars, len(form) + 1)).astype(np.int64)
    label, where = np.arange(n_bars), dict[str, tuple[int, int]]()
    for letter, begin, stop in zip(form, edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        first, length = where.setdefault(letter, (begin, stop - begin))
        shared = min(length, stop - begin)
        label[begin : begin + shared] = first + np.arange(shared)
    ending = np.arange(max(n_bars - end_bars, int(edges[-2])), n_bars)
    label[ending] = ending
    return label


def by_window(label: Ints, window_bars: int) -> Ints:
    """Labels of bars `(n, N)` in windows. `(n, W, window_bars)`"""
    n, N = label.shape
    whole = np.tile(np.arange(-(-N // window_bars) * window_bars), (n, 1))
    whole[:, :N] = label
    return whole.reshape(n, -1, window_bars)
