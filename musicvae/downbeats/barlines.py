"""Floor 2: a song as its file tells it <-> the same song with bar lines where the music has them.

Three questions, in this order. Which grid do the onsets lie on (`grids`)? What does the music say
of its bar lines (`features`, `network`, `meters`)? Does what the file states agree well enough to
be believed, if need be moved by a constant (`choose`)?
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from musicvae.downbeats.decision import Case, Choice, Stated, choose, is_absurd
from musicvae.downbeats.decoding import Hearing
from musicvae.downbeats.features import CELLS_PER_QUARTER, Heard, features
from musicvae.downbeats.meter_map import changes_of, meter_of, shifted, snapped, tidied
from musicvae.downbeats.network import listen, weights
from musicvae.downbeats.quantization import GridFit, fit_grid
from musicvae.downbeats.time_warp import Warp
from musicvae.representation.grid import Grid, grid_of
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
        """How late the grid lies in the file, in seconds; where it drifts, how late it begins."""
        tempo, tpq, warp = self.original.tempo, self.original.ticks_per_quarter, self.fit.warp
        late = (warp.file_ticks - warp.song_ticks)[0 if self.fit.drifts else -1]
        return float(tempo.us_per_quarter[0]) / 1e6 * float(late) / tpq

    def seconds(self, song_ticks: Ints) -> NDArray[np.float64]:
        """Time in the file of ticks of `song`; before its beginning, negative."""
        at = self.fit.warp.backward(song_ticks)
        tempo, tpq = self.original.tempo, self.original.ticks_per_quarter
        early = np.minimum(at, 0) * tempo.us_per_quarter[0] / 1e6 / tpq
        return tempo.seconds(np.maximum(np.round(at), 0).astype(np.int64), tpq) + early

    def undo(self, song: Song) -> Song:
        """A song in the time of `self.song`, in the time and under the maps of the file."""
        return self.fit.warp.undo(song, self.original)

    def placement(self, kept: tuple[Part, ...]) -> Placement:
        """What undoing takes, without the song's notes but for those that are `kept` as they are,
        part by part, in the time of `self.song`.
        """
        frame = self.original.without_notes()
        if self.fit.warp.is_identity:
            return Placement(warp=self.fit.warp, original=frame)
        pairs = zip(self.original.parts, kept, strict=True)
        known = tuple(self.fit.warp.sources(part, these) for part, these in pairs)
        return Placement(warp=self.fit.warp, original=replace(frame, parts=known))


@dataclass(frozen=True, kw_only=True, eq=False)
class Placement:
    """Where a song is in its file: what is left of an `Alignment` when the song is gone.

    `original` is the file's frame, with such notes only as must come back to the very tick.
    """

    warp: Warp
    original: Song

    def undo(self, song: Song) -> Song:
        """A song in its own time, in the time and under the maps of the file."""
        return self.warp.undo(song, self.original)


def align(song: Song, *, as_written: bool = False, measured: bool = False) -> Alignment:
    """Find the bar lines of a song; `as_written` takes its file at its word, grid and bars.

    `measured` says that the bars are those of a score: they are right, and there is a grid.
    The song's notes stay where they are in seconds. A performance without a grid is aligned as
    well as can be: whether to use it is for the caller to say, by `fit.gridded`.
    """
    notes = _Notes.of(song)
    if not len(notes.onset):
        return Alignment(song=song, original=song, fit=_NO_GRID, choice=Choice.as_stated(1.0))
    tpq = song.ticks_per_quarter
    fit = fit_grid(notes.onset / tpq, tpq, drums_alone=bool(notes.is_drum.all()))
    if as_written or measured:
        fit = replace(fit, warp=_NO_GRID.warp, gridded=fit.gridded or measured)
        return Alignment(song=song, original=song, fit=fit, choice=Choice.as_stated(1.0))
    tried = Attempt.of(song, notes, fit)
    return tried.as_chosen(choose(tried.case, tried.tidied_bars))


@dataclass(frozen=True, kw_only=True, eq=False)
class Attempt:
    """A song on its grid, and what speaks for its bar lines, before any are chosen."""

    song: Song
    fit: GridFit
    moved: Song
    """The song in its own time, under the stated meters."""
    grid: Grid
    first: int
    """The cell at which hearing begins."""
    case: Case
    tidied: Meter | None
    """The stated meters without changes within a bar, if there are such changes."""

    @classmethod
    def of(cls, song: Song, notes: _Notes | None = None, fit: GridFit | None = None) -> Attempt:
        """Put a song on its grid and listen to it."""
        notes, tpq = notes or _Notes.of(song), song.ticks_per_quarter
        drums = bool(notes.is_drum.all())
        fit = fit or fit_grid(notes.onset / tpq, tpq, drums_alone=drums)
        moved = fit.warp.apply(song)
        if not fit.warp.is_identity:
            moved = replace(moved, meter=meter_of(snapped(song.meter, fit, tpq), tpq))
        grid = grid_of(moved, CELLS_PER_QUARTER)
        hearing, first = _listen(notes, fit, tpq)
        case = Case(
            hearing=hearing,
            stated=Stated.of(grid, first),
            absurd=is_absurd(grid),
            weak=len(song.meter.ticks) == 1 and (grid.numerator[0], grid.denominator[0]) == (4, 4),
            drums=drums,
            late=not fit.warp.is_identity,
            changes=len(song.meter.ticks) - 1,
            onsets=int(np.count_nonzero(np.diff(notes.onset))) + 1,
        )
        return cls(
            song=song,
            fit=fit,
            moved=moved,
            grid=grid,
            first=first,
            case=case,
            tidied=tidied(moved.meter, tpq),
        )

    @property
    def tidied_bars(self) -> Stated | None:
        """The bars of the tidied meters."""
        if self.tidied is None:
            return None
        grid = grid_of(replace(self.moved, meter=self.tidied), CELLS_PER_QUARTER)
        return Stated.of(grid, self.first)

    def as_chosen(self, choice: Choice) -> Alignment:
        """The song under the bar lines that were chosen."""
        tpq, meter = self.song.ticks_per_quarter, None
        if choice.path is not None:
            meter = meter_of(changes_of(choice.path, self.first), tpq)
        elif choice.source == "tidied":
            meter = self.tidied
        elif choice.shift:
            meter = meter_of(shifted(self.grid, choice.shift), tpq)
        song = self.moved if meter is None else replace(self.moved, meter=meter)
        return Alignment(song=song, original=self.song, fit=self.fit, choice=choice)


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
