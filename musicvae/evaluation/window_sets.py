"""Sets of windows to compare: held-out songs, training songs, samples, and baselines.

All have the same number of windows with the same meters, transposed to the common key.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from musicvae.arrays import Ints
from musicvae.data import WindowDataset
from musicvae.metrics.baselines import random_notes, shuffled_bars, unigram_bars
from musicvae.model import MusicVAE
from musicvae.representation.note_table import NoteTable
from musicvae.training.validation import note_table


def sample_windows(
    model: MusicVAE, windows: WindowDataset, index: Ints, *, temperature: float = 1.0, seed: int = 0
) -> NoteTable:
    """Return sampled notes for the windows at `index` `(W,)`.

    Samples are conditioned on their bars, meters, keys, positions in the song and active parts. A
    path of latents is drawn for each whole song, as in `MusicVAE.sample`; `windows` must not
    overlap.
    """
    rng, size = np.random.default_rng(seed), model.preset.grid.bars
    batcher = windows.batcher
    source, nth = windows.input_index[index], windows.first_bar[index] // size
    z = np.zeros((len(index), model.vae.Z), np.float32)
    songs = np.unique(source)
    for length in np.unique(batcher.lengths_bars[songs]).tolist():
        equal = songs[batcher.lengths_bars[songs] == length]
        paths = model.sample_latents(batcher, equal, temperature, rng)
        mine = np.isin(source, equal)
        z[mine] = paths[np.searchsorted(equal, source[mine]), nth[mine]]
    rows = model.decode_windows(
        batcher, source, windows.first_bar[index], z, refine_steps=model.refine_steps
    )
    low, high = (np.array([getattr(p, b) for p in model.preset.parts]) for b in ("low", "high"))
    drums = np.array([part.kind == "drums" for part in model.preset.parts])
    window, part = rows[:, 0], rows[:, 3]
    pitch = rows[:, 4] + np.where(drums[part], 0, batcher.key[source[window]])
    return note_table(windows, index).with_rows(rows[(pitch >= low[part]) & (pitch <= high[part])])


def matching_windows(
    pool: WindowDataset, windows: WindowDataset, index: Ints, *, seed: int = 0
) -> Ints:
    """Return windows of `pool` that match those of `windows` at `index`. `(W,)` indices of `pool`

    They have the same meters and positions in their songs (first, inner, last), and are drawn
    without replacement as far as possible. Only non-overlapping windows of `pool` are drawn.
    """
    rng, size = np.random.default_rng(seed), pool.preset.grid.bars
    usable = np.flatnonzero(pool.first_bar % size == 0)
    there, wanted = _context_id(pool, usable), _context_id(windows, index)
    chosen = np.zeros(len(index), np.int64)
    for kind in np.unique(wanted).tolist():
        mine = np.flatnonzero(wanted == kind)
        # The best match there is: else of another length, position, or meter.
        choices = [there // d == kind // d for d in (1, 64, 192)] + [np.ones(len(there), bool)]
        fitting = usable[next(c for c in choices if c.any())]
        chosen[mine] = np.resize(rng.permutation(fitting), len(mine))
    return chosen


def _context_id(windows: WindowDataset, index: Ints) -> Ints:
    """Return a number for meter, position and length of each window. `(W,)`"""
    size, length = (
        windows.preset.grid.bars,
        windows.batcher.lengths_bars[windows.input_index[index]],
    )
    first = windows.first_bar[index]
    left = np.minimum(length - first, size)
    place = np.where(first == 0, 0, np.where(first + size >= length, 2, 1))
    return (windows.meter_ids(index) * 3 + place) * 64 + left


@dataclass(frozen=True, kw_only=True, eq=False)
class WindowSets:
    """Tables of W windows each."""

    test: NoteTable
    train: NoteTable
    samples: NoteTable
    random: NoteTable
    unigram: NoteTable
    shuffled: NoteTable
    given: NoteTable | None = None
    """Windows of songs of another system, judged as samples are."""

    @property
    def tables(self) -> dict[str, NoteTable]:
        """The sets that there are, by name."""
        return {name: table for name, table in vars(self).items() if table is not None}

    @classmethod
    def build(
        cls,
        model: MusicVAE,
        held_out: WindowDataset,
        index: Ints,
        train_windows: WindowDataset,
        *,
        given: WindowDataset | None = None,
        seed: int = 0,
    ) -> WindowSets:
        """Return the sets for the held-out windows at `index` `(W,)`.

        `given` are windows of another system, of which those are taken that match the held-out
        ones in meter and position.
        """
        test = note_table(held_out, index)
        train = note_table(
            train_windows, matching_windows(train_windows, held_out, index, seed=seed)
        )
        return cls(
            test=test,
            train=train,
            samples=sample_windows(model, held_out, index, seed=seed),
            random=random_notes(test, train, seed=seed),
            unigram=unigram_bars(test, train, seed=seed),
            shuffled=shuffled_bars(test, seed=seed),
            given=None
            if given is None
            else note_table(given, matching_windows(given, held_out, index, seed=seed)),
        )
