"""Memorization: nearest training windows, transposition invariant; empty and static windows."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from musicvae.arrays import Bools, Floats, Ints, ragged_range
from musicvae.representation.note_table import PART, PITCH, WINDOW, NoteTable

_N_CANDIDATES = 48
_N_SHIFTS = 256


class NearestResult(NamedTuple):
    """The most similar window of the other set for each window."""

    f1: Floats  # (W,) of onset and pitch, after the best transposition
    window: Ints  # (W,) its index; -1 for a window without notes, or similar to none


class NearestWindows:
    """Index of a large set of windows for nearest-neighbor queries."""

    def __init__(self, table: NoteTable) -> None:
        self.notes = _Onsets.of(table)
        self.size = len(table)
        token, window = _tokens(self.notes)
        order = np.argsort(token, kind="stable")
        self._token, first = np.unique(token[order], return_index=True)
        self._window = window[order].astype(np.int32)
        self._first = np.append(first, len(token))

    def query(self, table: NoteTable) -> NearestResult:
        """Return the nearest indexed window for each window of `table`.

        Similarity is the F1 of notes (cell of the window, part, pitch) at the best transposition;
        drums are never transposed. Candidates are the 48 windows that share the most intervals
        between successive notes, which transposition preserves.
        """
        notes = _Onsets.of(table)
        token, window = _tokens(notes)
        order = np.argsort(window, kind="stable")
        bounds = np.searchsorted(window[order], np.arange(len(table) + 1))
        place = np.searchsorted(self._token, token[order])
        place = np.minimum(place, max(len(self._token) - 1, 0))
        known = (
            self._token[place] == token[order] if len(self._token) else np.zeros(len(place), bool)
        )
        ones, others = [], []
        for w in range(len(table)):
            mine = slice(bounds[w], bounds[w + 1])
            spans = [slice(self._first[p], self._first[p + 1]) for p in place[mine][known[mine]]]
            if not spans:
                continue
            shared = np.bincount(np.concatenate([self._window[s] for s in spans]))
            few = min(_N_CANDIDATES, len(shared))
            found = np.argpartition(shared, len(shared) - few)[len(shared) - few :]
            others.append(found[shared[found] > 0])
            ones.append(np.full(len(others[-1]), w))
        best, which = np.zeros(len(table)), np.full(len(table), -1)
        if ones:
            one, other = np.concatenate(ones), np.concatenate(others)
            score = _pair_f1(notes, self.notes, one, other)
            order = np.lexsort((-other, score))
            best[one[order]], which[one[order]] = score[order], other[order]  # the last one wins
        return NearestResult(best, which)


class _Onsets(NamedTuple):
    """Onsets `(M,)` sorted by window and place, a place being a cell of the window and a part."""

    window: Ints
    place: Ints
    pitch: Ints
    drums: Bools
    first: Ints
    """Index of the first note of each window, and the number of notes. `(W + 1,)`"""

    @classmethod
    def of(cls, table: NoteTable) -> _Onsets:
        window, part, pitch = table.rows[table.is_onset][:, [WINDOW, PART, PITCH]].T
        begin = np.concatenate([[0], table.window_end[:-1]])[: len(table)]
        place = (table.start[table.is_onset] - begin[window]) * len(table.part_kinds) + part
        note = np.unique((window * 2**16 + place) * 128 + pitch)
        window, place, pitch = note >> 23, (note >> 7) % 2**16, note % 128
        first = np.searchsorted(window, np.arange(len(table) + 1))
        return cls(window, place, pitch, table.is_drums[place % len(table.part_kinds)], first)


def _tokens(notes: _Onsets) -> tuple[Ints, Ints]:
    """Return a transposition-invariant hash of each note, and its window. Two arrays `(M,)`.

    The place and the interval from the highest note of the previous place of any part; of drums
    the place and the pitch.
    """
    pitched = np.flatnonzero(~notes.drums)
    at, pitch = (notes.window * 2**16 + notes.place)[pitched], notes.pitch[pitched]
    new = np.append(True, np.diff(at) != 0)[: len(at)]
    nth = np.cumsum(new) - 1
    last = np.append(np.flatnonzero(new)[1:], len(at))[: int(new.sum())] - 1
    top = pitch[last]  # notes are sorted, the highest comes last
    follows = np.append(False, np.diff(at[new] >> 16) == 0)[: len(top)]
    before = np.where(follows, np.roll(top, 1), top)
    step = 512 + notes.pitch
    step[pitched] = pitch - before[nth] + 128
    return notes.place * 1024 + step, notes.window


def _pair_f1(a: _Onsets, b: _Onsets, one: Ints, other: Ints) -> Floats:
    """Return the F1 of each pair of windows, `one[i]` of `a` and `other[i]` of `b`. `(pairs,)`"""
    result = np.zeros(len(one))
    n_a, n_b = np.diff(a.first), np.diff(b.first)
    key_b = b.window * 2**16 + b.place
    for begin in range(0, len(one), 16_384):
        chunk = slice(begin, begin + 16_384)
        x, y = one[chunk], other[chunk]
        pair, note = _expand_runs(a.first[x], n_a[x])
        key = y[pair] * 2**16 + a.place[note]
        low = np.searchsorted(key_b, key, side="left")
        count = np.searchsorted(key_b, key, side="right") - low
        which, match = _expand_runs(low, count)
        pair, note = pair[which], note[which]
        shift = a.pitch[note] - b.pitch[match]
        drums = a.drums[note]
        hits = np.bincount(pair[drums & (shift == 0)], minlength=len(x))
        moved = np.bincount(
            pair[~drums] * _N_SHIFTS + shift[~drums] + 128, minlength=len(x) * _N_SHIFTS
        )
        hits = hits + moved.reshape(-1, _N_SHIFTS).max(1)
        result[chunk] = 2 * hits / np.maximum(n_a[x] + n_b[y], 1)
    return result


def _expand_runs(first: Ints, count: Ints) -> tuple[Ints, Ints]:
    """Return the run of each item and the item, for runs `first[i] .. first[i] + count[i]`."""
    run = np.repeat(np.arange(len(first)), count)
    return run, ragged_range(count, first)


_PITCH_HASHES = np.random.default_rng(1).integers(1, 2**63, 128).astype(np.uint64)


def is_empty(table: NoteTable) -> Bools:
    """Mask of windows without an onset. `(W,)`"""
    return np.bincount(table.rows[table.is_onset, WINDOW], minlength=len(table)) == 0


def is_static(table: NoteTable) -> Bools:
    """Mask of windows with onsets in which no part ever changes its pitches. `(W,)`

    Includes windows with a single note. Drums count only in tables without pitched parts.
    """
    R, part = len(table.part_kinds), table.rows[:, PART]
    which = table.is_onset & (~table.is_drums[part] | bool(table.is_drums.all()))
    rows, size = table.rows[which], table.n_cells + 1
    line = rows[:, WINDOW] * R + rows[:, PART]
    moment, nth = np.unique(line * size + table.start[which], return_inverse=True)
    sound = np.zeros(len(moment), np.uint64)  # a hash of the set of pitches
    np.add.at(sound, nth, _PITCH_HASHES[np.clip(rows[:, PITCH], 0, 127)])
    moves = (np.diff(moment // size) == 0) & (np.diff(sound.view(np.int64)) != 0)
    moving = np.bincount(moment[1:][moves] // size // R, minlength=len(table)) > 0
    return (np.bincount(rows[:, WINDOW], minlength=len(table)) > 0) & ~moving
