"""Baselines for the distribution metrics: windows that resemble music only in part.

All keep the bars and meters of real windows, and random notes also the bars in which each part
sounds.
"""

from __future__ import annotations

import numpy as np

from musicvae.arrays import Ints, ragged_range
from musicvae.representation.note_table import (
    BAR,
    DURATION,
    PART,
    PITCH,
    POSITION,
    VELOCITY,
    WINDOW,
    NoteTable,
)


def random_notes(template: NoteTable, pool: NoteTable, *, seed: int = 0) -> NoteTable:
    """Return the same number of onsets in each part and window, in random cells.

    Only cells where the part is given to sound are used, and none twice in a part unless it has
    more notes than cells. Pitches are uniform over those of the part in `pool`; durations and
    velocities are drawn from it.
    """
    rng, R = np.random.default_rng(seed), len(template.part_kinds)
    cell, part = np.nonzero(template.part_active)
    line = np.searchsorted(template.window_end, cell, side="right") * R + part
    order = np.lexsort((rng.random(len(line)), line))
    cell, line = cell[order], line[order]
    begin = np.searchsorted(line, np.arange(len(template) * R + 1))
    on = template.rows[template.is_onset]
    wanted = np.bincount(on[:, WINDOW] * R + on[:, PART], minlength=len(template) * R)
    wanted = np.where(np.diff(begin) > 0, wanted, 0)
    line = np.repeat(np.arange(len(wanted)), wanted)
    nth = ragged_range(wanted)
    place = cell[begin[line] + nth % np.maximum(np.diff(begin)[line], 1)]
    bar = np.searchsorted(template.cell_offsets, place, side="right") - 1
    rows = np.zeros((len(line), template.rows.shape[1]), np.int64)
    rows[:, WINDOW], rows[:, PART] = line // R, line % R
    rows[:, BAR] = bar % template.steps.shape[1]
    rows[:, POSITION] = 1 + place - template.cell_offsets[bar] + template.lead_steps.ravel()[bar]
    known = pool.rows[pool.is_onset]
    for r in range(R):
        mine, there = np.flatnonzero(rows[:, PART] == r), known[known[:, PART] == r]
        if len(there):
            rows[mine, PITCH] = rng.choice(np.unique(there[:, PITCH]), len(mine))
            for column in (DURATION, VELOCITY):
                rows[mine, column] = rng.choice(there[:, column], len(mine))
    return template.with_rows(rows)


def unigram_bars(template: NoteTable, pool: NoteTable, *, seed: int = 0) -> NoteTable:
    """Replace each bar by an independently drawn bar of `pool` of the same meter and length."""
    rng = np.random.default_rng(seed)
    wanted, there = _bar_types(template), _bar_types(pool)
    order = np.argsort(there, kind="stable")
    low = np.searchsorted(there[order], wanted, side="left")
    count = np.searchsorted(there[order], wanted, side="right") - low
    drawn = low + (rng.random(len(wanted)) * count).astype(np.int64)
    source = np.where(count > 0, order[np.minimum(drawn, len(order) - 1)], -1)
    return _replace_bars(template, pool, source)


def shuffled_bars(table: NoteTable, *, seed: int = 0) -> NoteTable:
    """Permute the bars of each song's windows among those of the same meter and length."""
    rng = np.random.default_rng(seed)
    N = table.steps.shape[1]
    kind = _bar_types(table) * (int(table.song.max(initial=0)) + 1) + np.repeat(table.song, N)
    source = np.empty(len(kind), np.int64)
    mixed = rng.permutation(len(kind))
    source[np.argsort(kind, kind="stable")] = mixed[np.argsort(kind[mixed], kind="stable")]
    return _replace_bars(table, table, source)


def _bar_types(table: NoteTable) -> Ints:
    """Return a number for the meter and length of each bar. `(W*N,)`"""
    return ((table.meter * 1024 + table.steps) * 1024 + table.lead_steps).ravel()


def _replace_bars(template: NoteTable, pool: NoteTable, source: Ints) -> NoteTable:
    """The onsets of bars `source` `(W*N,)` of `pool` in the bars of `template`; -1 for silence."""
    N = template.steps.shape[1]
    rows = pool.rows[pool.is_onset]
    bar = rows[:, WINDOW] * N + rows[:, BAR]
    rows = rows[np.argsort(bar, kind="stable")]
    first = np.searchsorted(np.sort(bar), np.arange(len(pool) * N + 1))
    count = np.where(source >= 0, np.diff(first)[source], 0)
    target = np.repeat(np.arange(len(source)), count)
    made = rows[ragged_range(count, first[source])]
    made[:, WINDOW], made[:, BAR] = target // N, target % N
    return template.with_rows(made)
