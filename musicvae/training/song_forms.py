"""Forms of the training songs, stored with the flow prior: which bars repeat which."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from musicvae.arrays import Ints
from musicvae.attributes.form import form_labels, self_similarity
from musicvae.data import WindowDataset
from musicvae.networks.priors.flow import MAX_FORM_BARS
from musicvae.representation.bars import Notes

MAX_FORMS, MIN_BARS = 512, 8


def song_forms(windows: WindowDataset, seed: int = 0) -> Ints:
    """Return labels of the bars of F songs, -1 past their ends, `(F, MAX_FORM_BARS)`.

    See `musicvae.attributes.form`. Incomplete bars (pickups, starts of repeats) are left out, and
    so are inputs that sound in less than half of their bars, such as the second notes of a few
    double stops: silence that repeats is no form. At most `MAX_FORMS` songs are chosen at random,
    balanced over lengths.
    """
    grid, notes = windows.batcher.concatenated
    songs = []
    for begin, stop in pairwise(windows.batcher.offsets_bars.tolist()):
        length = grid.unmasked_steps[begin:stop]
        whole = np.flatnonzero(length == np.bincount(length).argmax())[:MAX_FORM_BARS]
        first, last = np.searchsorted(notes.bar, [begin, stop])
        sounding = np.intersect1d(notes.bar[first:last] - begin, whole)
        if len(whole) >= MIN_BARS and 2 * len(sounding) >= len(whole):
            songs.append(_song_form(notes, begin, stop, whole, windows.preset.grid.bars))
    forms = np.array(songs, np.int64).reshape(-1, MAX_FORM_BARS)
    length, shuffled = (forms >= 0).sum(1), np.random.default_rng(seed).permutation(len(forms))
    order = np.lexsort((shuffled, length))
    first = np.searchsorted(length[order], length[order])
    nth = np.arange(len(order)) - first  # rank among the songs of its length
    return forms[np.sort(order[np.argsort(nth, kind="stable")][:MAX_FORMS])]


def _song_form(notes: Notes, begin: int, stop: int, whole: Ints, window_bars: int) -> Ints:
    """Return the labels of the song in bars `begin` to `stop`, `(MAX_FORM_BARS,)`."""
    a, b = np.searchsorted(notes.bar, [begin, stop])
    index = np.full(stop - begin, -1)  # of each bar among the complete ones
    index[whole] = np.arange(len(whole))
    bar, step, part, pitch = (
        getattr(notes, name)[a:b].astype(np.int64) for name in ("bar", "step", "part", "pitch")
    )
    keep = index[bar - begin] >= 0
    line = (part * 128 + pitch)[keep]
    similarity = self_similarity(index[bar - begin][keep], step[keep], line, len(whole))
    label = np.full(MAX_FORM_BARS, -1)
    label[: len(whole)] = form_labels(similarity, window_bars)
    return label
