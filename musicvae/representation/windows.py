"""Bars <-> windows of notes.

A window is a run of consecutive bars that one latent describes. Each of its notes has a bar, a
position, a part, a pitch, a duration, a velocity and a timing. Position `1 + step` is an onset,
position 0 a carry-in: a note that was already sounding when the window began. A note that outlasts
its window is cut there and continues as a carry-in of the next one.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np

from musicvae.arrays import Bools, Ints, ragged_range
from musicvae.representation.bars import NoteColumns, Notes, bar_and_step, cell_index
from musicvae.representation.grid import Grid
from musicvae.song import resolve_overlaps

CARRY = 0
"""Position of carry-ins."""


@dataclass(frozen=True, kw_only=True, eq=False)
class WindowNotes(NoteColumns):
    """Notes of many windows, sorted by (window, bar, position, part, pitch); arrays `(M,)` int64.

    `bar` counts from the window's first bar. `duration` is in cells.
    """

    window: Ints
    bar: Ints
    position: Ints
    part: Ints
    pitch: Ints
    duration: Ints
    velocity: Ints
    timing: Ints

    ORDER: ClassVar[tuple[str, ...]] = ("window", "bar", "position", "part", "pitch")


class WindowSlicer:
    """Slices windows out of notes on a grid, many at once.

    The grid may hold many songs one after the other: the caller says where each window stops.
    """

    def __init__(self, grid: Grid, notes: Notes) -> None:
        self.grid = grid
        self.notes = notes

    @cached_property
    def _note_offsets(self) -> Ints:
        """First note of each bar, and at the end the number of notes. `(N + 1,)`"""
        return np.searchsorted(self.notes.bar, np.arange(len(self.grid) + 1))

    @cached_property
    def _start(self) -> Ints:
        return cell_index(self.grid, self.notes)

    @cached_property
    def _carried(self) -> tuple[Ints, Ints]:
        """Notes that sound across bar lines: indices by the later bar, and offsets `(N + 1,)`."""
        last_cell = self._start + self.notes.duration - 1
        last_bar = np.searchsorted(self.grid.cell_offsets[:-1], last_cell, side="right") - 1
        n_crossed = np.minimum(last_bar, len(self.grid) - 1) - self.notes.bar
        note = np.repeat(np.arange(len(self.notes)), n_crossed)
        bar = ragged_range(n_crossed, self.notes.bar + 1)
        order = np.argsort(bar, kind="stable")
        return note[order], np.searchsorted(bar[order], np.arange(len(self.grid) + 1))

    def slice(self, first: Ints, stop: Ints) -> WindowNotes:
        """Return windows over bars `first[w]` up to, not including, `stop[w]`; arrays `(W,)`."""
        notes, cell_offsets = self.notes, self.grid.cell_offsets
        begin = self._note_offsets[first]
        n_inside = self._note_offsets[stop] - begin
        carried, carried_offsets = self._carried
        n_carried = carried_offsets[first + 1] - carried_offsets[first]
        carry_ins = carried[ragged_range(n_carried, carried_offsets[first])]
        index = np.concatenate([carry_ins, ragged_range(n_inside, begin)])
        rows = np.arange(len(first))
        window = np.concatenate([np.repeat(rows, n_carried), np.repeat(rows, n_inside)])
        start = np.maximum(self._start[index], cell_offsets[first[window]])
        end = np.minimum(self._start[index] + notes.duration[index], cell_offsets[stop[window]])
        is_carry = np.arange(len(index)) < len(carry_ins)
        return WindowNotes.sorted(
            window=window,
            bar=np.where(is_carry, 0, notes.bar[index] - first[window]),
            position=np.where(is_carry, CARRY, notes.step[index] + 1),
            part=notes.part[index],
            pitch=notes.pitch[index],
            duration=end - start,
            velocity=notes.velocity[index],
            timing=np.where(is_carry, 0, notes.timing[index]),
        )


def join_windows(windows: WindowNotes, grid: Grid, first: Ints, stop: Ints) -> tuple[Notes, int]:
    """Return the notes of windows that do not overlap; the inverse of `WindowSlicer.slice`.

    A carry-in extends the note before it of the same part and pitch. One that has no such note is
    dropped and counted: returns `(notes, n_dropped)`.
    """
    cell_offsets = grid.cell_offsets
    bar = first[windows.window] + windows.bar
    within = (bar < stop[windows.window]) & (
        windows.position <= grid.steps[np.minimum(bar, len(grid) - 1)]
    )
    windows, bar = windows.select(within), bar[within]
    is_carry = windows.position == CARRY
    step = np.maximum(windows.position - 1, grid.lead_steps[bar])
    onset = cell_offsets[bar] + step - grid.lead_steps[bar]
    start = np.where(is_carry, cell_offsets[bar], onset)
    end = np.minimum(start + windows.duration, cell_offsets[stop[windows.window]])
    end = np.maximum(end, start + 1)

    order = np.lexsort((is_carry, start, windows.pitch, windows.part))
    line = (windows.part * 128 + windows.pitch)[order]
    start, end, is_carry = start[order], end[order], is_carry[order]
    touches = np.append(False, (line[1:] == line[:-1]) & (start[1:] <= end[:-1]))
    # A chain is a note with the carry-ins that extend it.
    chain = np.cumsum(~(is_carry & touches)) - 1
    head = np.flatnonzero(~(is_carry & touches))
    chain_end = np.zeros(len(head), np.int64)
    np.maximum.at(chain_end, chain, end)
    has_onset = ~is_carry[head]
    head, chain_end = head[has_onset], chain_end[has_onset]
    keep, duration, _ = resolve_overlaps(start[head], chain_end - start[head], line[head])
    head = head[keep]
    note_bar, note_step = bar_and_step(grid, start[head])
    source = order[head]
    notes = Notes.sorted(
        bar=note_bar,
        step=note_step,
        part=windows.part[source],
        pitch=windows.pitch[source],
        duration=duration[keep],
        velocity=windows.velocity[source],
        timing=windows.timing[source],
    )
    return notes, int((~has_onset).sum())


def window_bounds(n_bars: int, size: int, hop: int) -> tuple[Ints, Ints]:
    """Return first and stop bars `(W,)` of the windows over `n_bars`; the last may be short."""
    first = np.arange(0, max(n_bars, 1), hop) if n_bars else np.zeros(0, np.int64)
    return first, np.minimum(first + size, n_bars)


def column_index(rows: Ints, n_rows: int, limit: int | None = None) -> tuple[Ints, Ints, Bools]:
    """Return where flat items go in a padded table with at most `limit` columns.

    `rows` `(M,)` are the items' row numbers, sorted. Returns their columns `(M,)`, the number of
    items kept in each row `(n_rows,)`, and a mask of the items that fit `(M,)`.
    """
    count = np.bincount(rows, minlength=n_rows)
    column = ragged_range(count)
    keep = np.ones(len(rows), bool) if limit is None else column < limit
    return column, count if limit is None else np.minimum(count, limit), keep
