"""Floor 7: forms of the songs that a model learns from, kept beside its prior."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from musicvae.attributes.form import labels_of, self_similarity
from musicvae.data import WindowDataset
from musicvae.networks.priors.flow import FORM_BARS
from musicvae.representation.bars import Notes
from musicvae.song import Ints

_MOST, _SHORTEST = 512, 8


def forms_of(windows: WindowDataset, seed: int = 0) -> Ints:
    """Labels of the bars of songs, -1 past their ends; see `statistics.forms`. `(F, FORM_BARS)`

    Bars that are no whole ones, a pickup or what a repeat begins with, are left out, and so is what
    sounds in less than half of its bars, such as the second notes of a few double stops: its
    silence comes back, no theme. Of many songs 512 are chosen by chance, of every length as many as
    there are or equally many.
    """
    grid, notes = windows.cutter.end_to_end
    found = []
    for begin, stop in pairwise(windows.cutter.offsets.tolist()):
        length = grid.open_steps[begin:stop]
        whole = np.flatnonzero(length == np.bincount(length).argmax())[:FORM_BARS]
        first, last = np.searchsorted(notes.bar, [begin, stop])
        sounding = np.intersect1d(notes.bar[first:last] - begin, whole)
        if len(whole) >= _SHORTEST and 2 * len(sounding) >= len(whole):
            found.append(_form(notes, begin, stop, whole, windows.preset.grid.bars))
    forms = np.array(found, np.int64).reshape(-1, FORM_BARS)
    length, chance = (forms >= 0).sum(1), np.random.default_rng(seed).permutation(len(forms))
    order = np.lexsort((chance, length))
    among = np.searchsorted(length[order], length[order])
    nth = np.arange(len(order)) - among  # of those of its length
    return forms[np.sort(order[np.argsort(nth, kind="stable")][:_MOST])]


def _form(notes: Notes, begin: int, stop: int, whole: Ints, window_bars: int) -> Ints:
    """The labels of one song, whose bars are `begin` to `stop` of all. `(FORM_BARS,)`"""
    a, b = np.searchsorted(notes.bar, [begin, stop])
    place = np.full(stop - begin, -1)
    place[whole] = np.arange(len(whole))
    bar, step, part, pitch = (
        getattr(notes, name)[a:b].astype(np.int64) for name in ("bar", "step", "part", "pitch")
    )
    keep = place[bar - begin] >= 0
    line = (part * 128 + pitch)[keep]
    alike = self_similarity(place[bar - begin][keep], step[keep], line, len(whole))
    label = np.full(FORM_BARS, -1)
    label[: len(whole)] = labels_of(alike, window_bars)
    return label
