"""Form of a song: which bars repeat which.

A form is a label for each bar. Bars with the same label are exact or near repeats of each other.
"""

from __future__ import annotations

import numpy as np

from musicvae.arrays import Floats, Ints

MIN_REPEAT_F1 = 0.7
"""F1 of two bars above which one is a repeat of the other."""


def self_similarity(bar: Ints, step: Ints, pitch_id: Ints, n_bars: int) -> Floats:
    """Return the F1 of the onsets of each pair of bars. `(N, N)`

    `bar`, `step` and `pitch_id`, a number for part and pitch, are `(M,)`. Two bars without notes
    have an F1 of 1.
    """
    key = step * (1 + int(pitch_id.max(initial=0))) + pitch_id
    _, index = np.unique(key, return_inverse=True)
    onsets = np.zeros((n_bars, int(index.max(initial=0)) + 1))
    onsets[bar, index] = 1
    count = onsets.sum(1)
    total = count[:, None] + count
    return np.where(total > 0, 2 * (onsets @ onsets.T) / np.maximum(total, 1), 1.0)


def form_labels(similarity: Floats, window_bars: int = 1) -> Ints:
    """Return the form of a song from its `self_similarity` `(N, N)`. `(N,)`

    The label of a bar is the first bar that it repeats, or itself. Only bars a multiple of
    `window_bars` apart can be repeats, since they have the same position in a window.
    """
    n = len(similarity)
    label = np.arange(n)
    for bar in range(n):
        before = np.arange(bar % window_bars, bar, window_bars)
        before = before[label[before] == before]
        if len(before):
            best = before[np.argmax(similarity[bar, before])]
            label[bar] = best if similarity[bar, best] >= MIN_REPEAT_F1 else bar
    return label


def section_labels(form: str, n_bars: int, end_bars: int = 2) -> Ints:
    """Return labels of bars for a form in letters, such as `AABA`. `(n_bars,)`

    Sections have equal length, those of one letter are repeats. The last `end_bars` have labels of
    their own, so that the piece can end.
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


def labels_by_window(label: Ints, window_bars: int) -> Ints:
    """Return labels of bars `(n, N)` split into windows. `(n, W, window_bars)`"""
    n, N = label.shape
    padded = np.tile(np.arange(-(-N // window_bars) * window_bars), (n, 1))
    padded[:, :N] = label
    return padded.reshape(n, -1, window_bars)
