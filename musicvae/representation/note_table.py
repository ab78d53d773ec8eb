"""Floor 3: notes of many windows in one table, with the cells that each window has.

What a model made and what it should have made are two tables over the same windows. Cells are the
open ones, those within a bar, counted through all windows one after the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musicvae.representation.windows import CARRY
from musicvae.song import Ints

WINDOW, BAR, POSITION, PART, PITCH, DURATION, VELOCITY, TIMING = range(8)
"""Columns of rows of notes. Velocity is 0 where it is not known, timing in 960ths of a quarter."""
NO_EVENT, NOTE_OFF = 0, 1
"""States of a cell of a `voice`; from 2 on, onsets of pitch `state - 2`."""

_BY_WINDOW = ("steps", "lead", "meter", "present", "song", "qpm")


@dataclass(frozen=True, kw_only=True, eq=False)
class Table:
    """Notes of W windows of N bars. `rows`: `(M, 8)` int64, columns as above.

    A position is 0 for a carry-in and `1 + step` for an onset, a duration counts open cells.
    """

    rows: Ints
    steps: Ints  # (W, N) cells of each bar, 0 past the song's end
    lead: Ints  # (W, N) masked cells at the beginning of a pickup
    meter: Ints  # (W, N) a number for the meter
    present: NDArray[np.bool_]  # (W, N, R) parts that are told to sound in a bar
    song: Ints  # (W,) a number for the song
    qpm: NDArray[np.float64]  # (W,) tempo in quarters a minute
    kinds: tuple[str, ...]  # (R,) `voice`, `chords` or `drums`
    steps_per_quarter: int

    def __len__(self) -> int:
        return len(self.steps)

    def with_rows(self, rows: Ints) -> Table:
        """The same windows with other notes."""
        return replace(self, rows=rows)

    def take(self, index: Ints) -> Table:
        """The windows at `index` `(V,)`, each at most once, numbered anew in that order."""
        place = np.full(len(self), -1, np.int64)
        place[index] = np.arange(len(index))
        rows = self.rows[place[self.rows[:, WINDOW]] >= 0]
        rows = rows[np.argsort(place[rows[:, WINDOW]], kind="stable")]
        rows[:, WINDOW] = place[rows[:, WINDOW]]
        columns: dict[str, Any] = {name: getattr(self, name)[index] for name in _BY_WINDOW}
        return replace(self, rows=rows, **columns)

    @staticmethod
    def concatenate(tables: Sequence[Table]) -> Table:
        """The windows of tables of one preset, one table after the other."""
        offsets = np.cumsum([0, *(len(table) for table in tables)]).tolist()
        rows = [table.rows.copy() for table in tables]
        for each, offset in zip(rows, offsets[:-1], strict=True):
            each[:, WINDOW] += offset
        columns: dict[str, Any] = {
            name: np.concatenate([getattr(table, name) for table in tables]) for name in _BY_WINDOW
        }
        return replace(tables[0], rows=np.concatenate(rows), **columns)

    @cached_property
    def is_drums(self) -> NDArray[np.bool_]:
        """Which parts are drums. `(R,)`"""
        return np.array([kind == "drums" for kind in self.kinds])

    @cached_property
    def base(self) -> Ints:
        """Open cells before each bar of each window, and at the end their number. `(W*N + 1,)`"""
        return np.concatenate([[0], np.cumsum((self.steps - self.lead).ravel())])

    @property
    def n_cells(self) -> int:
        """Open cells of all windows."""
        return int(self.base[-1])

    @cached_property
    def end(self) -> Ints:
        """The cell after the last one of each window. `(W,)`"""
        return self.base[self.steps.shape[1] :: self.steps.shape[1]]

    @cached_property
    def onsets(self) -> NDArray[np.bool_]:
        """Which rows are onsets rather than carry-ins. `(M,)`"""
        return self.rows[:, POSITION] != CARRY

    @cached_property
    def start(self) -> Ints:
        """The cell where each note begins. `(M,)`"""
        window, bar, position = self.rows[:, :3].T
        nth = window * self.steps.shape[1] + bar
        step = np.maximum(position - 1 - self.lead.ravel()[nth], 0)
        last = np.maximum(self.base[nth + 1] - 1, self.base[nth])
        return np.where(position == CARRY, self.base[nth], np.minimum(self.base[nth] + step, last))

    @cached_property
    def stop(self) -> Ints:
        """The cell after each note's last one: no later than its window's end; in a voice, no
        later than the next onset. `(M,)`
        """
        window, part = self.rows[:, WINDOW], self.rows[:, PART]
        stop = np.minimum(self.start + self.rows[:, DURATION], self.end[window])
        voice = np.array([kind == "voice" for kind in self.kinds])[part]
        which = np.flatnonzero(voice)
        if not len(which):
            return np.maximum(stop, self.start + 1)
        order = which[np.lexsort((self.start[which], part[which], window[which]))]
        line, begin = (window * len(self.kinds) + part)[order], self.start[order]
        new = np.append(True, (np.diff(line) != 0) | (np.diff(begin) != 0))[: len(order)]
        head = np.flatnonzero(new)  # of notes that begin together the last one counts
        last = np.append(head[1:], len(order))[: len(head)] - 1
        until = stop[order[last]]
        goes_on = np.flatnonzero(np.diff(line[head]) == 0)
        until[goes_on] = np.minimum(until[goes_on], begin[head[goes_on + 1]])
        stop[order] = until[np.cumsum(new) - 1]
        return np.maximum(stop, self.start + 1)

    @cached_property
    def able(self) -> NDArray[np.bool_]:
        """In which cells each part is told to sound in that bar. `(cells, R)`"""
        flat = self.present.reshape(-1, len(self.kinds))
        return flat.repeat(np.diff(self.base), axis=0)

    @cached_property
    def states(self) -> NDArray[np.uint64]:
        """What each part does in each cell, as a number. `(cells, R)`

        Of a `voice` the tokens of Magenta's melodies (Roberts et al. 2018): the onset of a pitch,
        a note's end where none begins, or no event, which a note that goes on and a rest that goes
        on both are. Of `chords` the set of pitches that start and the set of those that go on, of
        `drums` the set of classes struck, each set as the sum of one random number a member.
        """
        part, pitch = self.rows[:, PART], np.clip(self.rows[:, PITCH], 0, 127)
        states = np.zeros((self.n_cells, len(self.kinds)), np.uint64)
        kind = np.array(self.kinds)[part] if len(part) else np.zeros(0, str)
        voice, drums, on = kind == "voice", kind == "drums", self.onsets
        ends = voice & (self.stop < self.end[self.rows[:, WINDOW]])
        states[self.stop[ends], part[ends]] = NOTE_OFF
        begins = voice & on
        states[self.start[begins], part[begins]] = 2 + pitch[begins]
        sets = ~voice & on
        np.add.at(states, (self.start[sets], part[sets]), _MEMBER[0, pitch[sets]])
        which = np.flatnonzero(~voice & ~drums)
        length = self.stop[which] - self.start[which]
        note = np.repeat(which, length)
        first = np.repeat(self.start[which] + length - np.cumsum(length), length)
        cell = first + np.arange(len(note))
        going = ~on[note] | (cell > self.start[note])
        note, cell = note[going], cell[going]
        np.add.at(states, (cell, part[note]), _MEMBER[1, pitch[note]])
        return states

    @cached_property
    def events(self) -> NDArray[np.bool_]:
        """In which cells a note of each part begins or ends; drums only begin. `(cells, R)`"""
        window, part, on = self.rows[:, WINDOW], self.rows[:, PART], self.onsets
        events = np.zeros((self.n_cells, len(self.kinds)), bool)
        events[self.start[on], part[on]] = True
        ends = (self.stop < self.end[window]) & ~self.is_drums[part]
        events[self.stop[ends], part[ends]] = True
        return events


_MEMBER = np.random.default_rng(0).integers(1, 2**63, (2, 128)).astype(np.uint64)
