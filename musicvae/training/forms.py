"""Floor 7: forms of the songs that a model learns from, kept beside its prior."""

from __future__ import annotations

import numpy as np

from musicvae.dataset import Windows
from musicvae.models.flow import FORM_BARS
from musicvae.song import Ints
from musicvae.statistics.forms import labels_of, self_similarity

_MOST, _SHORTEST = 512, 8


def forms_of(windows: Windows, seed: int = 0) -> Ints:
    """Labels of the bars of songs, -1 past their ends; see `statistics.forms`. `(F, FORM_BARS)`

    Bars that are no whole ones, a pickup or what a repeat begins with, are left out. Of many songs
    512 are drawn, of those of each length as many as there are.
    """
    cutter, size = windows.cutter, windows.preset.grid.bars
    grid, notes = cutter.end_to_end
    found = []
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(cutter.lengths))
    for source in order.tolist():
        begin, stop = cutter.offsets[source : source + 2].tolist()
        length = (grid.steps - grid.lead)[begin:stop]
        whole = np.flatnonzero(length == np.bincount(length).argmax())[:FORM_BARS]
        if len(whole) < _SHORTEST:
            continue
        a, b = np.searchsorted(notes.bar, [begin, stop])
        bar = notes.bar[a:b].astype(np.int64) - begin
        place = np.full(stop - begin, -1)
        place[whole] = np.arange(len(whole))
        keep = place[bar] >= 0
        line = notes.part[a:b].astype(np.int64) * 128 + notes.pitch[a:b]
        step = notes.step[a:b].astype(np.int64)
        alike = self_similarity(place[bar][keep], step[keep], line[keep], len(whole))
        label = np.full(FORM_BARS, -1)
        label[: len(whole)] = labels_of(alike, size)
        found.append(label)
        if len(found) == _MOST:
            break
    return np.array(found, np.int64).reshape(-1, FORM_BARS)
