"""Floor 3: bars <-> windows of notes. `cut` and its inverse `join`.

A window is a run of bars that one latent describes. Inside a window a note stands once, at its
onset: bar, position, part, pitch, duration, velocity, timing. Position 0 is a carry-in, a note that
was already sounding when the window began; position `1 + step` is an onset. A note that outlasts
the window is cut there, and comes back as a carry-in of the next one.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from musicvae.representation.bars import NoteColumns, Notes, cells, places
from musicvae.representation.grid import Grid
from musicvae.song import Ints, resolve_overlaps

CARRY = 0


@dataclass(frozen=True, kw_only=True, eq=False)
class WindowNotes(NoteColumns):
    """Notes of many windows, sorted by (window, bar, position, part, pitch); arrays `(M,)` int64.

    `bar` counts from the window's first bar. `duration` is in unmasked cells.
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


class Cutter:
    """Cuts windows out of notes on a grid, many at once and without a loop over notes.

    The grid may hold many songs one after the other: the caller says where each window stops.
    """

    def __init__(self, grid: Grid, notes: Notes) -> None:
        self.grid = grid
        self.notes = notes

    @cached_property
    def _first_note(self) -> Ints:
        """Index of the first note of each bar, and at the end their number. `(N + 1,)`"""
        return np.searchsorted(self.notes.bar, np.arange(len(self.grid) + 1))

    @cached_property
    def _start(self) -> Ints:
        return cells(self.grid, self.notes)

    @cached_property
    def _carried(self) -> tuple[Ints, Ints]:
        """Notes sounding across each bar line: their indices by bar, and offsets `(N + 1,)`."""
        last_cell = self._start + self.notes.duration - 1
        last_bar = np.searchsorted(self.grid.base[:-1], last_cell, side="right") - 1
        crossed = np.minimum(last_bar, len(self.grid) - 1) - self.notes.bar
        note = np.repeat(np.arange(len(self.notes)), crossed)
        bar = self.notes.bar[note] + _ranges(crossed) + 1
        order = np.argsort(bar, kind="stable")
        return note[order], np.searchsorted(bar[order], np.arange(len(self.grid) + 1))

    def cut(self, first: Ints, stop: Ints) -> WindowNotes:
        """Windows over bars `first[w]` up to, not including, `stop[w]`. Arrays `(W,)`."""
        notes, base = self.notes, self.grid.base
        begin, count = self._first_note[first], self._first_note[stop] - self._first_note[first]
        inside = np.repeat(begin, count) + _ranges(count)
        carried, offsets = self._carried
        n_carried = offsets[first + 1] - offsets[first]
        over = carried[np.repeat(offsets[first], n_carried) + _ranges(n_carried)]
        which = np.concatenate([over, inside])
        rows = np.arange(len(first))
        window = np.concatenate([np.repeat(rows, n_carried), np.repeat(rows, count)])
        start = np.maximum(self._start[which], base[first[window]])
        end = np.minimum(self._start[which] + notes.duration[which], base[stop[window]])
        is_carry = np.arange(len(which)) < len(over)
        return WindowNotes.sorted(
            window=window,
            bar=np.where(is_carry, 0, notes.bar[which] - first[window]),
            position=np.where(is_carry, CARRY, notes.step[which] + 1),
            part=notes.part[which],
            pitch=notes.pitch[which],
            duration=end - start,
            velocity=notes.velocity[which],
            timing=np.where(is_carry, 0, notes.timing[which]),
        )


def join(windows: WindowNotes, grid: Grid, first: Ints, stop: Ints) -> tuple[Notes, int]:
    """Notes over the whole grid from windows that do not overlap; the inverse of `Cutter.cut`.

    A carry-in extends the note before it of the same part and pitch; one with nothing to extend
    is dropped and counted: returns `(notes, dropped)`.
    """
    base = grid.base
    bar = first[windows.window] + windows.bar
    within = (bar < stop[windows.window]) & (
        windows.position <= grid.steps[np.minimum(bar, len(grid) - 1)]
    )
    windows, bar = windows.take(within), bar[within]
    is_carry = windows.position == CARRY
    step = np.maximum(windows.position - 1, grid.lead[bar])
    start = np.where(is_carry, base[bar], base[bar] + step - grid.lead[bar])
    end = np.minimum(start + windows.duration, base[stop[windows.window]])
    end = np.maximum(end, start + 1)

    order = np.lexsort((is_carry, start, windows.pitch, windows.part))
    line = (windows.part * 128 + windows.pitch)[order]
    start, end, is_carry = start[order], end[order], is_carry[order]
    touches = np.append(False, (line[1:] == line[:-1]) & (start[1:] <= end[:-1]))
    chain = np.cumsum(~(is_carry & touches)) - 1  # every chain begins with its first note
    head = np.flatnonzero(~(is_carry & touches))
    stops = np.zeros(len(head), np.int64)
    np.maximum.at(stops, chain, end)
    sounds = ~is_carry[head]
    head, stops = head[sounds], stops[sounds]
    keep, duration, _ = resolve_overlaps(start[head], stops - start[head], line[head])
    head = head[keep]
    at_bar, at_step = places(grid, start[head])
    source = order[head]
    notes = Notes.sorted(
        bar=at_bar,
        step=at_step,
        part=windows.part[source],
        pitch=windows.pitch[source],
        duration=duration[keep],
        velocity=windows.velocity[source],
        timing=windows.timing[source],
    )
    return notes, int((~sounds).sum())


def window_bounds(n_bars: int, size: int, hop: int) -> tuple[Ints, Ints]:
    """First and stop bars of the windows over `n_bars` bars, the last one perhaps short."""
    first = np.arange(0, max(n_bars, 1), hop) if n_bars else np.zeros(0, np.int64)
    return first, np.minimum(first + size, n_bars)


def padded(
    rows: Ints, n_rows: int, limit: int | None = None
) -> tuple[Ints, Ints, NDArray[np.bool_]]:
    """Where to put flat items into a table: for sorted row numbers `(M,)`, the column of each,
    the number of items in each row `(n_rows,)`, and a mask of the items within `limit` columns.
    """
    count = np.bincount(rows, minlength=n_rows)
    column = _ranges(count)
    keep = np.ones(len(rows), bool) if limit is None else column < limit
    return column, count if limit is None else np.minimum(count, limit), keep


def _ranges(count: Ints) -> Ints:
    """``[0..count[0]), [0..count[1]), ...`` in one array."""
    total = np.cumsum(count)
    return np.arange(int(total[-1]) if len(total) else 0) - np.repeat(total - count, count)
