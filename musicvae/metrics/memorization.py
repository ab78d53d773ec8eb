"""Floor 4: the nearest window of a large set for each of a smaller one, transposed or not."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from musicvae.representation.note_table import PART, PITCH, WINDOW, Table
from musicvae.song import Ints

_CANDIDATES = 48
_SHIFTS = 256


class Nearest(NamedTuple):
    """For each window the most similar one of the other set."""

    f1: NDArray[np.float64]  # (W,) of onset and pitch, after the best transposition
    which: Ints  # (W,) its number; -1 for a window without a note, or like no other


class Library:
    """A large set of windows, made ready for many questions. `table`: their notes."""

    def __init__(self, table: Table) -> None:
        self.notes = _Notes.of(table)
        self.size = len(table)
        token, window = _tokens(self.notes)
        order = np.argsort(token, kind="stable")
        self._token, first = np.unique(token[order], return_index=True)
        self._window = window[order].astype(np.int32)
        self._first = np.append(first, len(token))

    def nearest(self, table: Table) -> Nearest:
        """The nearest of these windows for each of `table`.

        Similarity is the F1 of notes (cell of the window, part, pitch) at the transposition that
        suits best; drums are never transposed. Looked at closely are the 48 windows that share the
        most steps from note to note, which is what a transposed copy keeps.
        """
        notes = _Notes.of(table)
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
            few = min(_CANDIDATES, len(shared))
            found = np.argpartition(shared, len(shared) - few)[len(shared) - few :]
            others.append(found[shared[found] > 0])
            ones.append(np.full(len(others[-1]), w))
        best, which = np.zeros(len(table)), np.full(len(table), -1)
        if ones:
            one, other = np.concatenate(ones), np.concatenate(others)
            score = _similarity(notes, self.notes, one, other)
            order = np.lexsort((-other, score))
            best[one[order]], which[one[order]] = score[order], other[order]  # the last one stays
        return Nearest(best, which)


class _Notes(NamedTuple):
    """Onsets sorted by window and place, each place a cell of the window and a part."""

    window: Ints
    place: Ints
    pitch: Ints
    drums: NDArray[np.bool_]
    first: Ints
    """The first note of each window, and at the end their number."""

    @classmethod
    def of(cls, table: Table) -> _Notes:
        window, part, pitch = table.rows[table.onsets][:, [WINDOW, PART, PITCH]].T
        begin = np.concatenate([[0], table.end[:-1]])[: len(table)]
        place = (table.start[table.onsets] - begin[window]) * len(table.kinds) + part
        note = np.unique((window * 2**16 + place) * 128 + pitch)
        window, place, pitch = note >> 23, (note >> 7) % 2**16, note % 128
        first = np.searchsorted(window, np.arange(len(table) + 1))
        return cls(window, place, pitch, table.is_drums[place % len(table.kinds)], first)


def _tokens(notes: _Notes) -> tuple[Ints, Ints]:
    """What of each note a transposition keeps, as a number, and its window. Two arrays `(M,)`.

    Its place and the step from the highest note of the place before it, whatever its part; of
    drums the pitch.
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


def _similarity(a: _Notes, b: _Notes, one: Ints, other: Ints) -> NDArray[np.float64]:
    """F1 of each pair of windows, `one[i]` of `a` and `other[i]` of `b`. `(pairs,)`"""
    result = np.zeros(len(one))
    n_a, n_b = np.diff(a.first), np.diff(b.first)
    key_b = b.window * 2**16 + b.place
    for begin in range(0, len(one), 16_384):
        chunk = slice(begin, begin + 16_384)
        x, y = one[chunk], other[chunk]
        pair, note = _spread(a.first[x], n_a[x])
        key = y[pair] * 2**16 + a.place[note]
        low = np.searchsorted(key_b, key, side="left")
        count = np.searchsorted(key_b, key, side="right") - low
        which, match = _spread(low, count)
        pair, note = pair[which], note[which]
        shift = a.pitch[note] - b.pitch[match]
        drums = a.drums[note]
        hits = np.bincount(pair[drums & (shift == 0)], minlength=len(x))
        moved = np.bincount(
            pair[~drums] * _SHIFTS + shift[~drums] + 128, minlength=len(x) * _SHIFTS
        )
        hits = hits + moved.reshape(-1, _SHIFTS).max(1)
        result[chunk] = 2 * hits / np.maximum(n_a[x] + n_b[y], 1)
    return result


def _spread(first: Ints, count: Ints) -> tuple[Ints, Ints]:
    """For runs of `count` from `first` on: the number of the run of each item, and the item."""
    run = np.repeat(np.arange(len(first)), count)
    offset = np.arange(len(run)) - np.repeat(np.cumsum(count) - count, count)
    return run, first[run] + offset


_MEMBER = np.random.default_rng(1).integers(1, 2**63, 128).astype(np.uint64)


def empty(table: Table) -> NDArray[np.bool_]:
    """Which windows have no onset. `(W,)`"""
    return np.bincount(table.rows[table.onsets, WINDOW], minlength=len(table)) == 0


def stuck(table: Table) -> NDArray[np.bool_]:
    """Which windows have onsets, but of each part always of the same pitches. `(W,)`

    A window with a single note is one of them. Drums count only where there is nothing else.
    """
    R, part = len(table.kinds), table.rows[:, PART]
    which = table.onsets & (~table.is_drums[part] | bool(table.is_drums.all()))
    rows, size = table.rows[which], table.n_cells + 1
    line = rows[:, WINDOW] * R + rows[:, PART]
    moment, nth = np.unique(line * size + table.start[which], return_inverse=True)
    sound = np.zeros(len(moment), np.uint64)  # the sum of a random number for each pitch
    np.add.at(sound, nth, _MEMBER[np.clip(rows[:, PITCH], 0, 127)])
    moves = (np.diff(moment // size) == 0) & (np.diff(sound.view(np.int64)) != 0)
    moving = np.bincount(moment[1:][moves] // size // R, minlength=len(table)) > 0
    return (np.bincount(rows[:, WINDOW], minlength=len(table)) > 0) & ~moving
