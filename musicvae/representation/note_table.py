"""Notes of many windows in one table, with the cells of each window.

A model's output and its target are two tables over the same windows. Cells are the unmasked steps
of all windows, counted one window after the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musicvae.arrays import Bools, Floats, Ints, ragged_range
from musicvae.representation.windows import CARRY

WINDOW, BAR, POSITION, PART, PITCH, DURATION, VELOCITY, TIMING = range(8)
"""Columns of rows of notes. Velocity is 0 if unknown, timing in 960ths of a quarter."""
NO_EVENT, NOTE_OFF = 0, 1
"""States of a cell of a `voice`; from 2 on, onsets of pitch `state - 2`."""

_WINDOW_COLUMNS = ("steps", "lead_steps", "meter", "present", "song", "qpm")
_MEMBER_HASHES = np.random.default_rng(0).integers(1, 2**63, (2, 128)).astype(np.uint64)


@dataclass(frozen=True, kw_only=True, eq=False)
class NoteTable:
    """Notes of W windows of N bars. `rows`: `(M, 8)` int64, columns as above.

    A position is 0 for a carry-in and `1 + step` for an onset; a duration is in cells.
    """

    rows: Ints
    steps: Ints  # (W, N) steps of each bar, 0 past the song's end
    lead_steps: Ints  # (W, N) masked steps at the beginning of a pickup
    meter: Ints  # (W, N) meter index
    present: Bools  # (W, N, R) whether a part is active in a bar
    song: Ints  # (W,) song index
    qpm: Floats  # (W,) tempo in quarters per minute
    part_kinds: tuple[str, ...]  # (R,) `voice`, `chords` or `drums`
    steps_per_quarter: int

    def __len__(self) -> int:
        return len(self.steps)

    def with_rows(self, rows: Ints) -> NoteTable:
        """Return the same windows with other notes."""
        return replace(self, rows=rows)

    def select(self, index: Ints) -> NoteTable:
        """Return the windows at `index` `(V,)`, without repetitions, renumbered in that order."""
        new_index = np.full(len(self), -1, np.int64)
        new_index[index] = np.arange(len(index))
        rows = self.rows[new_index[self.rows[:, WINDOW]] >= 0]
        rows = rows[np.argsort(new_index[rows[:, WINDOW]], kind="stable")]
        rows[:, WINDOW] = new_index[rows[:, WINDOW]]
        columns: dict[str, Any] = {name: getattr(self, name)[index] for name in _WINDOW_COLUMNS}
        return replace(self, rows=rows, **columns)

    @staticmethod
    def concatenate(tables: Sequence[NoteTable]) -> NoteTable:
        """Return the windows of several tables of one preset, one table after the other."""
        offsets = np.cumsum([0, *(len(table) for table in tables)]).tolist()
        rows = [table.rows.copy() for table in tables]
        for table_rows, offset in zip(rows, offsets[:-1], strict=True):
            table_rows[:, WINDOW] += offset
        columns: dict[str, Any] = {
            name: np.concatenate([getattr(table, name) for table in tables])
            for name in _WINDOW_COLUMNS
        }
        return replace(tables[0], rows=np.concatenate(rows), **columns)

    @cached_property
    def is_drums(self) -> Bools:
        """Whether each part is a drum kit. `(R,)`"""
        return np.array([kind == "drums" for kind in self.part_kinds])

    @cached_property
    def cell_offsets(self) -> Ints:
        """First cell of each bar of all windows, and the number of cells. `(W*N + 1,)`"""
        return np.concatenate([[0], np.cumsum((self.steps - self.lead_steps).ravel())])

    @property
    def n_cells(self) -> int:
        """Number of cells of all windows."""
        return int(self.cell_offsets[-1])

    @cached_property
    def window_end(self) -> Ints:
        """The cell after the last one of each window. `(W,)`"""
        return self.cell_offsets[self.steps.shape[1] :: self.steps.shape[1]]

    @cached_property
    def is_onset(self) -> Bools:
        """Whether each row is an onset rather than a carry-in. `(M,)`"""
        return self.rows[:, POSITION] != CARRY

    @cached_property
    def start(self) -> Ints:
        """Cell in which each note begins. `(M,)`"""
        window, bar, position = self.rows[:, :3].T
        bar_index, offsets = window * self.steps.shape[1] + bar, self.cell_offsets
        step = np.maximum(position - 1 - self.lead_steps.ravel()[bar_index], 0)
        first, last = offsets[bar_index], np.maximum(offsets[bar_index + 1] - 1, offsets[bar_index])
        return np.where(position == CARRY, first, np.minimum(first + step, last))

    @cached_property
    def stop(self) -> Ints:
        """The cell after each note's last one. `(M,)`

        It is no later than the end of the window and, in a voice, than the next onset.
        """
        window, part = self.rows[:, WINDOW], self.rows[:, PART]
        stop = np.minimum(self.start + self.rows[:, DURATION], self.window_end[window])
        is_voice = np.array([kind == "voice" for kind in self.part_kinds])[part]
        index = np.flatnonzero(is_voice)
        if not len(index):
            return np.maximum(stop, self.start + 1)
        order = index[np.lexsort((self.start[index], part[index], window[index]))]
        line, start = (window * len(self.part_kinds) + part)[order], self.start[order]
        is_new = np.append(True, (np.diff(line) != 0) | (np.diff(start) != 0))[: len(order)]
        head = np.flatnonzero(is_new)  # of notes that begin together the last one counts
        last = np.append(head[1:], len(order))[: len(head)] - 1
        limit = stop[order[last]]
        continues = np.flatnonzero(np.diff(line[head]) == 0)
        limit[continues] = np.minimum(limit[continues], start[head[continues + 1]])
        stop[order] = limit[np.cumsum(is_new) - 1]
        return np.maximum(stop, self.start + 1)

    @cached_property
    def part_active(self) -> Bools:
        """Whether each part is active in the bar of each cell. `(cells, R)`"""
        by_bar = self.present.reshape(-1, len(self.part_kinds))
        return by_bar.repeat(np.diff(self.cell_offsets), axis=0)

    @cached_property
    def states(self) -> NDArray[np.uint64]:
        """State of each part in each cell, as a number. `(cells, R)`

        For a `voice`, the tokens of Magenta's melodies (Roberts et al. 2018): the onset of a pitch,
        a note-off, or no event, while a note or a rest continues. For `chords`, the set of pitches
        that start and the set of those that continue; for `drums`, the set of classes struck. A set
        is the sum of one random number per member.
        """
        part, pitch = self.rows[:, PART], np.clip(self.rows[:, PITCH], 0, 127)
        states = np.zeros((self.n_cells, len(self.part_kinds)), np.uint64)
        kind = np.array(self.part_kinds)[part] if len(part) else np.zeros(0, str)
        is_voice, is_drums = kind == "voice", kind == "drums"
        ends = is_voice & (self.stop < self.window_end[self.rows[:, WINDOW]])
        states[self.stop[ends], part[ends]] = NOTE_OFF
        begins = is_voice & self.is_onset
        states[self.start[begins], part[begins]] = 2 + pitch[begins]
        sets = ~is_voice & self.is_onset
        np.add.at(states, (self.start[sets], part[sets]), _MEMBER_HASHES[0, pitch[sets]])
        index = np.flatnonzero(~is_voice & ~is_drums)
        length = self.stop[index] - self.start[index]
        note, cell = np.repeat(index, length), ragged_range(length, self.start[index])
        sustained = ~self.is_onset[note] | (cell > self.start[note])
        note, cell = note[sustained], cell[sustained]
        np.add.at(states, (cell, part[note]), _MEMBER_HASHES[1, pitch[note]])
        return states

    @cached_property
    def events(self) -> Bools:
        """Whether a note of each part begins or ends in a cell; drums only begin. `(cells, R)`"""
        window, part = self.rows[:, WINDOW], self.rows[:, PART]
        events = np.zeros((self.n_cells, len(self.part_kinds)), bool)
        events[self.start[self.is_onset], part[self.is_onset]] = True
        ends = (self.stop < self.window_end[window]) & ~self.is_drums[part]
        events[self.stop[ends], part[ends]] = True
        return events
