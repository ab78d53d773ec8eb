"""Floor 4: windows that are like music only in part, to see what a figure is worth.

Each is made for the frames of real windows: the same bars and meters, the same parts sounding.
"""

from __future__ import annotations

import numpy as np

from musicvae.representation.note_table import (
    BAR,
    DURATION,
    PART,
    PITCH,
    POSITION,
    VELOCITY,
    WINDOW,
    Table,
)
from musicvae.song import Ints


def random_notes(frames: Table, pool: Table, *, seed: int = 0) -> Table:
    """As many onsets in each part of each window as there are, anywhere where the part may sound.

    Pitches are uniform over those that the part has in `pool`; durations and velocities are drawn
    from there. A part has no two onsets in a cell unless it has more notes than cells.
    """
    rng, R = np.random.default_rng(seed), len(frames.kinds)
    cell, part = np.nonzero(frames.able)
    line = np.searchsorted(frames.end, cell, side="right") * R + part
    order = np.lexsort((rng.random(len(line)), line))
    cell, line = cell[order], line[order]
    begin = np.searchsorted(line, np.arange(len(frames) * R + 1))
    on = frames.rows[frames.onsets]
    wanted = np.bincount(on[:, WINDOW] * R + on[:, PART], minlength=len(frames) * R)
    wanted = np.where(np.diff(begin) > 0, wanted, 0)
    line = np.repeat(np.arange(len(wanted)), wanted)
    nth = np.arange(len(line)) - np.repeat(np.cumsum(wanted) - wanted, wanted)
    place = cell[begin[line] + nth % np.maximum(np.diff(begin)[line], 1)]
    bar = np.searchsorted(frames.base, place, side="right") - 1
    rows = np.zeros((len(line), frames.rows.shape[1]), np.int64)
    rows[:, WINDOW], rows[:, PART] = line // R, line % R
    rows[:, BAR] = bar % frames.steps.shape[1]
    rows[:, POSITION] = 1 + place - frames.base[bar] + frames.lead.ravel()[bar]
    known = pool.rows[pool.onsets]
    for r in range(R):
        mine, there = np.flatnonzero(rows[:, PART] == r), known[known[:, PART] == r]
        if len(there):
            rows[mine, PITCH] = rng.choice(np.unique(there[:, PITCH]), len(mine))
            for column in (DURATION, VELOCITY):
                rows[mine, column] = rng.choice(there[:, column], len(mine))
    return frames.with_rows(rows)


def unigram_bars(frames: Table, pool: Table, *, seed: int = 0) -> Table:
    """Each bar another one from `pool` of the same meter and length, whatever stands beside it."""
    rng = np.random.default_rng(seed)
    wanted, there = _kinds(frames), _kinds(pool)
    order = np.argsort(there, kind="stable")
    low = np.searchsorted(there[order], wanted, side="left")
    count = np.searchsorted(there[order], wanted, side="right") - low
    drawn = low + (rng.random(len(wanted)) * count).astype(np.int64)
    source = np.where(count > 0, order[np.minimum(drawn, len(order) - 1)], -1)
    return _with_bars(frames, pool, source)


def shuffled_bars(table: Table, *, seed: int = 0) -> Table:
    """The bars of each song's windows in another order, among those of one meter and length."""
    rng = np.random.default_rng(seed)
    N = table.steps.shape[1]
    kind = _kinds(table) * (int(table.song.max(initial=0)) + 1) + np.repeat(table.song, N)
    source = np.empty(len(kind), np.int64)
    mixed = rng.permutation(len(kind))
    source[np.argsort(kind, kind="stable")] = mixed[np.argsort(kind[mixed], kind="stable")]
    return _with_bars(table, table, source)


def _kinds(table: Table) -> Ints:
    """A number for the meter and length of each bar. `(W*N,)`"""
    return ((table.meter * 1024 + table.steps) * 1024 + table.lead).ravel()


def _with_bars(frames: Table, pool: Table, source: Ints) -> Table:
    """The onsets of bars `source` `(W*N,)` of `pool` in the bars of `frames`; -1 for silence."""
    N = frames.steps.shape[1]
    rows = pool.rows[pool.onsets]
    bar = rows[:, WINDOW] * N + rows[:, BAR]
    rows = rows[np.argsort(bar, kind="stable")]
    first = np.searchsorted(np.sort(bar), np.arange(len(pool) * N + 1))
    count = np.where(source >= 0, np.diff(first)[source], 0)
    target = np.repeat(np.arange(len(source)), count)
    offset = np.arange(len(target)) - np.repeat(np.cumsum(count) - count, count)
    made = rows[first[source[target]] + offset]
    made[:, WINDOW], made[:, BAR] = target // N, target % N
    return frames.with_rows(made)
