"""Floor 9: the sets of windows that are compared: held out, learned from, sampled, and baselines.

All are over the same number of windows with the same meters, and all are in the common key.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from musicvae.data import Windows
from musicvae.metrics.baselines import random_notes, shuffled_bars, unigram_bars
from musicvae.model import MusicVAE
from musicvae.representation.note_table import Table
from musicvae.song import Ints
from musicvae.training.validation import table_of


def sample_windows(
    model: MusicVAE, windows: Windows, index: Ints, *, temperature: float = 1.0, seed: int = 0
) -> Table:
    """New notes for the frames of the windows at `index` `(W,)`: their bars, meters, keys, places
    in their songs and which parts sound where.

    A path is drawn for each whole song, as `MusicVAE.sample` does; `windows` must hop a window.
    """
    rng, size = np.random.default_rng(seed), model.preset.grid.bars
    cutter = windows.cutter
    source, nth = windows.source[index], windows.first[index] // size
    z = np.zeros((len(index), model.vae.Z), np.float32)
    songs = np.unique(source)
    for length in np.unique(cutter.lengths[songs]).tolist():
        equal = songs[cutter.lengths[songs] == length]
        paths = model.paths(cutter, equal, temperature, rng)
        mine = np.isin(source, equal)
        z[mine] = paths[np.searchsorted(equal, source[mine]), nth[mine]]
    rows = model.decoded(cutter, source, windows.first[index], z, settle=model.settle)
    low, high = (np.array([getattr(p, b) for p in model.preset.parts]) for b in ("low", "high"))
    drums = np.array([part.kind == "drums" for part in model.preset.parts])
    window, part = rows[:, 0], rows[:, 3]
    pitch = rows[:, 4] + np.where(drums[part], 0, cutter.key[source[window]])
    return table_of(windows, index).with_rows(rows[(pitch >= low[part]) & (pitch <= high[part])])


def alike(pool: Windows, windows: Windows, index: Ints, *, seed: int = 0) -> Ints:
    """Windows of `pool` of the same meters and places in their songs as those of `windows` at
    `index`, each drawn once as far as they go. Indices into `pool`, `(W,)`.

    Only windows of `pool` that begin where a window would if it hopped one are drawn.
    """
    rng, size = np.random.default_rng(seed), pool.preset.grid.bars
    usable = np.flatnonzero(pool.first % size == 0)
    there, wanted = _situation(pool, usable), _situation(windows, index)
    chosen = np.zeros(len(index), np.int64)
    for kind in np.unique(wanted).tolist():
        mine = np.flatnonzero(wanted == kind)
        # The nearest there is: of another length, in another place, of another meter.
        choices = [there // d == kind // d for d in (1, 64, 192)] + [np.ones(len(there), bool)]
        fitting = usable[next(c for c in choices if c.any())]
        chosen[mine] = np.resize(rng.permutation(fitting), len(mine))
    return chosen


def _situation(windows: Windows, index: Ints) -> Ints:
    """A number for meter, place and length of each window."""
    size, length = windows.preset.grid.bars, windows.cutter.lengths[windows.source[index]]
    first = windows.first[index]
    left = np.minimum(length - first, size)
    place = np.where(first == 0, 0, np.where(first + size >= length, 2, 1))
    return (windows.meter_of(index) * 3 + place) * 64 + left


@dataclass(frozen=True, kw_only=True, eq=False)
class Sets:
    """Windows to compare, W of each."""

    test: Table
    train: Table
    samples: Table
    random: Table
    unigram: Table
    shuffled: Table

    @classmethod
    def of(
        cls, model: MusicVAE, held_out: Windows, index: Ints, learned: Windows, *, seed: int = 0
    ) -> Sets:
        """The sets for the held-out windows at `index`; `learned` are those of the train split."""
        test = table_of(held_out, index)
        train = table_of(learned, alike(learned, held_out, index, seed=seed))
        return cls(
            test=test,
            train=train,
            samples=sample_windows(model, held_out, index, seed=seed),
            random=random_notes(test, train, seed=seed),
            unigram=unigram_bars(test, train, seed=seed),
            shuffled=shuffled_bars(test, seed=seed),
        )
