"""Floor 2: a song as its file tells it <-> the same song with bar lines where the music has them.

Three questions, in this order. Which grid do the onsets lie on (`grids`)? What does the music say
of its bar lines (`features`, `network`, `meters`)? Does what the file states agree well enough to
be believed, if need be moved by a constant (`choose`)?
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from musicvae.alignment.choose import Choice, choose
from musicvae.alignment.features import CELLS_PER_QUARTER, Heard, features
from musicvae.alignment.grids import GridFit, fit_grid
from musicvae.alignment.meters import Hearing, Path
from musicvae.alignment.network import METERS, listen, weights
from musicvae.grid import Grid, grid_of, meter_lasting
from musicvae.song import Ints, Meter, Part, Song

_LONGEST = 64.0  # cells: a longer note says no more
_TAIL = 32  # cells heard after the last onset
_MOST_CELLS = 60_000  # of a piece that are listened to, about four hours


@dataclass(frozen=True, kw_only=True, eq=False)
class Alignment:
    """What was found. `song` is the song in its own time, with its own meter map.

    `undo` brings it, or whatever a model made of it, back under the maps of its file.
    """

    song: Song
    original: Song
    fit: GridFit
    choice: Choice

    @property
    def is_identity(self) -> bool:
        """Whether the file was right in all."""
        return self.song is self.original

    @property
    def offset_s(self) -> float:
        """How late the grid begins in the file, in seconds."""
        tempo, tpq = self.original.tempo, self.original.ticks_per_quarter
        pace = float(tempo.us_per_quarter[0]) / 1e6
        return pace * float(self.fit.warp.backward(0)) / tpq

    def seconds(self, song_ticks: Ints) -> NDArray[np.float64]:
        """Time in the file of ticks of `song`; before its beginning, negative."""
        at = self.fit.warp.backward(song_ticks)
        tempo, tpq = self.original.tempo, self.original.ticks_per_quarter
        early = np.minimum(at, 0) * tempo.us_per_quarter[0] / 1e6 / tpq
        return tempo.seconds(np.maximum(np.round(at), 0).astype(np.int64), tpq) + early

    def undo(self, song: Song) -> Song:
        """A song in the time of `self.song`, in the time and under the maps of the file."""
        return self.fit.warp.undo(song, self.original)


def align(song: Song, *, as_written: bool = False) -> Alignment:
    """Find the bar lines of a song; `as_written` takes its file at its word, grid and bars.

    The song's notes stay where they are in seconds. A performance without a grid is aligned as
    well as can be: whether to use it is for the caller to say, by `fit.gridded`.
    """
    notes = _Notes.of(song)
    if not len(notes.onset):
        return Alignment(song=song, original=song, fit=_NO_GRID, choice=Choice.as_stated(1.0))
    tpq = song.ticks_per_quarter
    fit = fit_grid(notes.onset / tpq, tpq, drums_alone=bool(notes.is_drum.all()))
    if as_written:
        fit = replace(fit, warp=_NO_GRID.warp, gridded=True)
        return Alignment(song=song, original=song, fit=fit, choice=Choice.as_stated(1.0))
    moved = fit.warp.apply(song)
    if not fit.warp.is_identity:
        moved = replace(moved, meter=_meter_of(_snapped(song.meter, fit, tpq), tpq))
    grid = grid_of(moved, CELLS_PER_QUARTER)
    hearing, first = _listen(notes, fit, tpq)
    tidied = _tidied(moved.meter, tpq)
    other = grid_of(replace(moved, meter=tidied), CELLS_PER_QUARTER) if tidied else None
    choice = choose(hearing, grid, other, first)
    if choice.path is not None:
        moved = replace(moved, meter=_meter_of(_inferred(choice.path, first), tpq))
    elif choice.source == "tidied" and tidied:
        moved = replace(moved, meter=tidied)
    elif choice.shift:
        moved = replace(moved, meter=_meter_of(_shifted(grid, choice.shift), tpq))
    return Alignment(song=moved, original=song, fit=fit, choice=choice)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Notes:
    """The notes of all parts in order of onset; arrays `(M,)`."""

    onset: Ints
    duration: Ints
    pitch: Ints
    velocity: Ints
    part: Ints
    is_drum: NDArray[np.bool_]

    @classmethod
    def of(cls, song: Song) -> _Notes:
        parts = [part for part in song.parts if len(part)] or [Part.empty()]
        counts = [len(part) for part in parts]
        names = ("onset_ticks", "duration_ticks", "pitch", "velocity")
        columns = [np.concatenate([getattr(part, name) for part in parts]) for name in names]
        order = np.argsort(columns[0], kind="stable")
        onset, duration, pitch, velocity = (column[order] for column in columns)
        return cls(
            onset=onset,
            duration=duration,
            pitch=pitch,
            velocity=velocity,
            part=np.repeat(np.arange(len(parts)), counts)[order],
            is_drum=np.repeat([part.is_drum for part in parts], counts)[order],
        )


_NO_GRID = fit_grid(np.zeros(0), 1, drums_alone=False)


def _listen(notes: _Notes, fit: GridFit, tpq: int) -> tuple[Hearing, int]:
    """What is heard, and the cell of the song at which hearing begins."""
    scale = CELLS_PER_QUARTER / tpq
    cell = np.floor(fit.warp.forward(notes.onset) * scale + 0.5).astype(np.int64)
    cell = np.maximum(cell, 0)
    length = np.minimum(notes.duration * scale, _LONGEST)
    # A long silence before the first note says nothing: begin a bar or so before it.
    first = max(int(cell[0]) - 16, 0) if cell[0] > _LONGEST else 0
    stop = int(cell[-1]) + 1 + int(min(max(length[cell == cell[-1]].max(), 1), _TAIL))
    heard = Heard(cell - first, length, notes.pitch, notes.velocity, notes.part, notes.is_drum)
    n_cells = stop - first
    if n_cells > _MOST_CELLS:
        n_cells = _MOST_CELLS
        heard = heard.take(heard.cell < n_cells)
    return Hearing(*listen(features(heard, n_cells), weights())), first


def _meter_of(events: list[tuple[int, int, int]], tpq: int) -> Meter:
    """A meter map from events (cell, numerator, denominator), the first of them perhaps not at 0.

    What comes before the first event is a pickup of its meter, whole bars after it.
    """
    if len(events) > 1 and events[1][0] - events[0][0] <= _cells(events[0]) < _cells(events[1]):
        events = events[1:]  # a pickup follows from the meter after it
    first = events[0][0] % _cells(events[0])
    events = [(first, *events[0][1:]), *(event for event in events[1:] if event[0] > first)]
    at = [round(cell * tpq / CELLS_PER_QUARTER) for cell, _, _ in events]
    meters = [event[1:] for event in events]
    if at[0]:
        at, meters = [0, *at], [meter_lasting(at[0], tpq), *meters]
    numerators, denominators = np.array(meters, np.int64).T
    return Meter(ticks=np.array(at), numerator=numerators, denominator=denominators)


def _cells(event: tuple[int, int, int]) -> int:
    """Cells of a bar from a change of meter."""
    return max(4 * CELLS_PER_QUARTER * event[1] // event[2], 1)


def _inferred(path: Path, first: int) -> list[tuple[int, int, int]]:
    """The changes of meter of a path."""
    change = np.append(True, np.diff(path.meters) != 0)
    cells, names = path.lines[change] + first, [METERS[m] for m in path.meters[change]]
    pairs = [tuple(int(n) for n in name.split("/")) for name in names]
    return [(int(c), n, d) for c, (n, d) in zip(cells, pairs, strict=True)]


def _snapped(meter: Meter, fit: GridFit, tpq: int) -> list[tuple[int, int, int]]:
    """The changes of a stated meter map on the nearest cells of the song's own time."""
    at = fit.warp.forward(meter.ticks) * (CELLS_PER_QUARTER / tpq)
    cells = np.floor(at + 0.5).astype(np.int64)
    columns = (cells.tolist(), meter.numerator.tolist(), meter.denominator.tolist())
    return list(zip(*columns, strict=True))


def _tidied(meter: Meter, tpq: int) -> Meter | None:
    """A meter map without changes within a bar: the same meter is left out, another one waits.

    None if there are no such changes.
    """
    columns = (meter.ticks.tolist(), meter.numerator.tolist(), meter.denominator.tolist())
    kept: list[list[int]] = []
    for tick, numerator, denominator in zip(*columns, strict=True):
        if kept:
            begin, *before = kept[-1]
            full = max(4 * tpq * before[0] // before[1], 1)
            rest = -(tick - begin) % full
            if rest and before == [numerator, denominator]:
                continue
            tick += rest
            if tick == begin:
                kept.pop()
        kept.append([tick, numerator, denominator])
    if len(kept) == len(columns[0]) and [k[0] for k in kept] == columns[0]:
        return None
    ticks, numerators, denominators = np.array(kept, np.int64).T
    return Meter(ticks=ticks, numerator=numerators, denominator=denominators)


def _shifted(grid: Grid, shift: int) -> list[tuple[int, int, int]]:
    """The changes of meter of stated bars moved by so many cells, whole bars alone.

    A bar that was cut in two at a repeat is whole again: where the cut belongs, no one knows now.
    """
    scale = CELLS_PER_QUARTER / grid.ticks_per_quarter
    cells = np.floor(grid.start_ticks * scale + 0.5).astype(np.int64) + shift
    length, pairs = grid.length_ticks.tolist(), zip(grid.numerator, grid.denominator, strict=True)
    meters = [(int(n), int(d)) for n, d in pairs]
    events: list[tuple[int, int, int]] = []
    i = int(grid.lead[0] > 0)
    while i < len(meters):
        halves = i + 2 < len(meters) and length[i] + length[i + 1] == length[i + 2]
        meter = meters[i + 2] if halves else meters[i]
        if not events or events[-1][1:] != meter:
            events.append((int(cells[i]), *meter))
        i += 1 + halves
    return events
