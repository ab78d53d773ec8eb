"""Measures shared by song statistics, window attributes, and the features of `metrics`."""

from __future__ import annotations

import numpy as np

from musicvae.arrays import Bools, Floats, Ints, group_mean
from musicvae.representation.note_table import BAR, PART, PITCH, POSITION, WINDOW, NoteTable


def is_pitched(table: NoteTable) -> Bools:
    """Mask of the notes that are not drums. `(M,)`"""
    return ~table.is_drums[table.rows[:, PART]]


def onset_counts(table: NoteTable) -> Ints:
    """Return the number of onsets of each window. `(W,)`"""
    return np.bincount(table.rows[table.is_onset, WINDOW], minlength=len(table))


def sounding_counts(start: Ints, stop: Ints, n_cells: int) -> Ints:
    """Return how many notes from `start` to `stop` `(M,)` sound in each cell. `(n_cells,)`"""
    edges = np.bincount(start, minlength=n_cells + 1)
    edges = edges - np.bincount(stop, minlength=n_cells + 1)
    return np.cumsum(edges)[:n_cells]


def pitch_extent(pitch: Ints, group: Ints, n_groups: int) -> tuple[Ints, Ints]:
    """Return the lowest and highest pitch of each group, 999 and -999 if empty. `(n_groups,)`"""
    low, high = np.full(n_groups, 999), np.full(n_groups, -999)
    np.minimum.at(low, group, pitch)
    np.maximum.at(high, group, pitch)
    return low, high


def consecutive_bar_f1(table: NoteTable, *, pitches: bool) -> Floats:
    """Return the F1 of the onsets of each bar and the next one. `(W, N - 1)`

    Onsets match in step and part, with `pitches` also in pitch. nan past the end of the song and
    for two bars without onsets.
    """
    (W, N), rows = table.steps.shape, table.rows[table.is_onset]
    key = (rows[:, POSITION] * 64 + rows[:, PART]) * 128
    if pitches:
        key = key + rows[:, PITCH]
    note = np.unique((rows[:, WINDOW] * N + rows[:, BAR]) * 2**26 + key)
    bar = note >> 26
    count = np.bincount(bar, minlength=W * N)
    repeats = np.bincount(bar[np.isin(note + 2**26, note)], minlength=W * N)
    total = (count + np.roll(count, -1)).reshape(W, N)[:, :-1]
    f1 = 2 * repeats.reshape(W, N)[:, :-1] / np.maximum(total, 1)
    return np.where((table.steps[:, 1:] > 0) & (total > 0), f1, np.nan)


def mean_polyphony(table: NoteTable) -> Floats:
    """Return the mean number of pitched notes sounding at once, rests left out. `(W,)`"""
    pitched = is_pitched(table)
    sounding = sounding_counts(table.start[pitched], table.stop[pitched], table.n_cells)
    return cell_mean(sounding, table)


def cell_mean(counts: Ints, table: NoteTable) -> Floats:
    """Return the mean of `counts` `(cells,)` over the cells of each window where it is not 0."""
    cells = np.flatnonzero(counts)
    window = np.searchsorted(table.window_end, cells, side="right")
    return group_mean(counts[cells], window, len(table))
