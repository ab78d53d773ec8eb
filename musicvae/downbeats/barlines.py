"""Bar-line estimation: a song as notated in its file <-> the same song with estimated bar lines.

Three steps: find the grid that the onsets lie on (`quantization`), score bar lines by the music
alone (`features`, `network`, `decoding`), and decide whether to keep the notated bar lines, shift
them by a constant, or use the estimated ones (`decision`). Beats of a performance without a grid
are tracked (`performance`), if that is asked for.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from musicvae.arrays import Ints
from musicvae.downbeats.decision import (
    BarlineChoice,
    Evidence,
    NotatedBars,
    is_implausible,
    select_barlines,
)
from musicvae.downbeats.decoding import DownbeatScores
from musicvae.downbeats.features import CELLS_PER_QUARTER, NoteFeatures, cell_features
from musicvae.downbeats.meter_map import (
    meter_changes,
    meter_map_from_changes,
    shift_barlines,
    snap_to_grid,
    without_mid_bar_changes,
)
from musicvae.downbeats.network import load_weights, predict
from musicvae.downbeats.quantization import GridEstimate, estimate_grid
from musicvae.downbeats.repetition import Repetition
from musicvae.downbeats.time_warp import TimeWarp
from musicvae.errors import ReadError
from musicvae.representation.grid import Grid, cells_to_ticks, grid_from_song, ticks_to_cells
from musicvae.song import MeterMap, Part, Song

_MAX_NOTE_CELLS = 64.0  # longer notes are clipped
_TAIL_CELLS = 32  # analyzed after the last onset
DOWNBEAT_WEIGHT = 0.3  # of the downbeat scores against the likelihood of tracked beats
TRACKED_LOG_ODDS = 4.0  # added to those of bar lines that beat tracking found
_TRACKED_BIAS, _TRACKED_SLOPE = -5.0, 0.82  # log-odds of correct bars, by the score of a bar
_MAX_CELLS = 60_000  # analyzed of a song, about four hours


@dataclass(frozen=True, kw_only=True, eq=False)
class BarlineEstimate:
    """A song with its estimated bar lines.

    `song` is in song time with the estimated meter map, `original` as the file has it. `undo`
    moves `song`, or a song decoded from it, back to the time and the maps of the file.
    """

    song: Song
    original: Song
    grid_estimate: GridEstimate
    choice: BarlineChoice

    @property
    def is_identity(self) -> bool:
        """Whether grid and bar lines of the file were kept."""
        return self.song is self.original

    @property
    def offset_s(self) -> float:
        """Offset of the grid in the file, in seconds; of a drifting grid, its initial offset."""
        tempo, tpq, warp = (
            self.original.tempo,
            self.original.ticks_per_quarter,
            self.grid_estimate.warp,
        )
        late = (warp.file_ticks - warp.song_ticks)[0 if self.grid_estimate.drifts else -1]
        return float(tempo.us_per_quarter[0]) / 1e6 * float(late) / tpq

    def require_grid(self, name: str | Path) -> BarlineEstimate:
        """Return the estimate itself; raise `ReadError` for a file `name` without a grid."""
        if reason := self.grid_estimate.reject_reason:
            raise ReadError(name, reason)
        return self

    def seconds(self, song_ticks: Ints) -> NDArray[np.float64]:
        """Return the file times of ticks of `song`, negative before the file begins. `(K,)`"""
        at = self.grid_estimate.warp.backward(song_ticks)
        tempo, tpq = self.original.tempo, self.original.ticks_per_quarter
        early = np.minimum(at, 0) * tempo.us_per_quarter[0] / 1e6 / tpq
        return tempo.seconds(np.maximum(np.round(at), 0).astype(np.int64), tpq) + early

    def undo(self, song: Song) -> Song:
        """Move a song from the time of `self.song` to the time and maps of the file."""
        return self.grid_estimate.warp.undo(song, self.original)

    def time_map(self, exact_parts: tuple[Part, ...]) -> TimeMap:
        """Return what `undo` needs once the song is gone.

        `exact_parts`: for each part the notes, in the time of `self.song`, that must come back at
        exactly the ticks of the file.
        """
        header = self.original.without_notes()
        if self.grid_estimate.warp.is_identity:
            return TimeMap(warp=self.grid_estimate.warp, original=header)
        pairs = zip(self.original.parts, exact_parts, strict=True)
        known = tuple(self.grid_estimate.warp.source_notes(part, these) for part, these in pairs)
        return TimeMap(warp=self.grid_estimate.warp, original=replace(header, parts=known))


@dataclass(frozen=True, kw_only=True, eq=False)
class TimeMap:
    """Map from song time to file time: the part of a `BarlineEstimate` kept without its notes.

    `original` has the maps of the file, and only the notes that must come back at exact ticks.
    """

    warp: TimeWarp
    original: Song

    def undo(self, song: Song) -> Song:
        """Move a song from song time to the time and maps of the file."""
        return self.warp.undo(song, self.original)


def estimate_barlines(
    song: Song,
    *,
    as_written: bool = False,
    has_notated_bars: bool | None = None,
    ungridded: bool = False,
) -> BarlineEstimate:
    """Estimate the bar lines of a song.

    No note moves in seconds but those of swing, which are straight in the song that is returned,
    with the swing beside them (`Song.swing`).

    Args:
        song: as read from a file.
        as_written: keep grid and bar lines of the file, and its notes where they are.
        has_notated_bars: the song comes from a score, whose bar lines are correct and on a grid,
            and kept; by default what `song.has_notated_bars` says.
        ungridded: track the beats of a performance without a grid, so that it gets bars.

    Otherwise a performance without a grid gets bar lines that mean nothing; `require_grid` refuses
    them.
    """
    if has_notated_bars is None:
        has_notated_bars = song.has_notated_bars
    notes = _NoteArrays.from_song(song)
    if not len(notes.onset):
        return _unchanged(song, _NO_GRID)
    tpq = song.ticks_per_quarter
    in_place = as_written or has_notated_bars
    drums_alone = bool(notes.is_drum.all())
    estimate = estimate_grid(notes.onset / tpq, tpq, drums_alone=drums_alone, in_place=in_place)
    if in_place:
        is_metrical = estimate.is_metrical or has_notated_bars
        return _unchanged(song, replace(estimate, is_metrical=is_metrical))
    if ungridded and not estimate.is_metrical:
        candidate = _best_tracked(song, notes, estimate)
        return candidate.apply(candidate.tracked_choice)
    candidate = Candidate.from_song(song, notes, estimate)
    return candidate.apply(select_barlines(candidate.evidence, candidate.cleaned_bars))


def _best_tracked(song: Song, notes: _NoteArrays, estimate: GridEstimate) -> Candidate:
    """Return the likeliest grid of a performance, by its rhythm and the downbeat network."""
    from musicvae.downbeats.performance import track_performance  # needs scipy, which loads slowly

    tpq = song.ticks_per_quarter
    columns = (notes.onset, notes.duration, notes.pitch, notes.velocity)
    grids = track_performance(estimate, *columns, tempo=song.tempo, ticks_per_quarter=tpq)
    candidates = [Candidate.from_song(song, notes, grid) for grid in grids]
    return max(candidates, key=lambda candidate: candidate.tracked_score)


def _unchanged(song: Song, estimate: GridEstimate) -> BarlineEstimate:
    choice = BarlineChoice.as_notated(1.0)
    return BarlineEstimate(song=song, original=song, grid_estimate=estimate, choice=choice)


@dataclass(frozen=True, kw_only=True, eq=False)
class Candidate:
    """A song on its grid with the evidence about its bar lines, before any are selected."""

    song: Song
    grid_estimate: GridEstimate
    song_on_grid: Song
    """The song in song time, with the notated meters."""
    bar_grid: Grid
    first_cell: int
    """The cell of the song at which the downbeat scores begin."""
    evidence: Evidence
    cleaned_meter: MeterMap | None
    """The notated meter map without mid-bar changes, None if it has none."""

    @classmethod
    def from_song(
        cls, song: Song, notes: _NoteArrays | None = None, estimate: GridEstimate | None = None
    ) -> Candidate:
        """Move a song onto its grid and score its bar lines."""
        notes, tpq = notes or _NoteArrays.from_song(song), song.ticks_per_quarter
        drums_only = bool(notes.is_drum.all())
        estimate = estimate or estimate_grid(notes.onset / tpq, tpq, drums_alone=drums_only)
        on_grid = estimate.warp.apply(song)
        if not estimate.warp.is_identity:
            changes = (
                snap_to_grid(song.meter, estimate, tpq)
                if estimate.tracked is None
                else [estimate.tracked.meter_change]
            )
            on_grid = replace(on_grid, meter=meter_map_from_changes(changes, tpq))
        grid = grid_from_song(on_grid, CELLS_PER_QUARTER)
        on_cells, n_cells, first_cell = _note_features(notes, estimate, tpq)
        log_odds, meters = predict(cell_features(on_cells, n_cells), load_weights())
        if estimate.tracked is not None:
            log_odds[estimate.tracked.bar_lines(n_cells, first_cell)] += TRACKED_LOG_ODDS
        scores = DownbeatScores(log_odds, meters)
        signature = (grid.numerator[0], grid.denominator[0])
        evidence = Evidence(
            scores=scores,
            notated=NotatedBars.from_grid(grid, first_cell),
            implausible=is_implausible(grid),
            default_signature=len(song.meter.ticks) == 1 and signature == (4, 4),
            drums_only=drums_only,
            off_grid=estimate.warp.moves_grid,
            n_meter_changes=len(song.meter.ticks) - 1,
            n_onsets=int(np.count_nonzero(np.diff(notes.onset))) + 1,
            repetition=Repetition(notes=on_cells),
            bar_grid=grid,
            first_cell=first_cell,
        )
        return cls(
            song=song,
            grid_estimate=estimate,
            song_on_grid=on_grid,
            bar_grid=grid,
            first_cell=first_cell,
            evidence=evidence,
            cleaned_meter=without_mid_bar_changes(on_grid.meter, tpq),
        )

    @property
    def tracked_score(self) -> float:
        """Score of a tracked performance: of its rhythm, and of its best bar lines."""
        tracked = self.grid_estimate.tracked
        rhythm = 0.0 if tracked is None else tracked.log_likelihood
        return rhythm + DOWNBEAT_WEIGHT * self.evidence.best_path.score

    @property
    def tracked_choice(self) -> BarlineChoice:
        """The best bar lines of a tracked performance, whose file knows none."""
        path = self.evidence.best_path
        log_odds = _TRACKED_BIAS + _TRACKED_SLOPE * path.score / len(path.lines)
        return BarlineChoice(
            source="inferred",
            confidence=float(1 / (1 + np.exp(-log_odds))),
            reason="the beats of a performance are tracked",
            path=path,
        )

    @property
    def cleaned_bars(self) -> NotatedBars | None:
        """The bars of `cleaned_meter`."""
        if self.cleaned_meter is None:
            return None
        song = replace(self.song_on_grid, meter=self.cleaned_meter)
        return NotatedBars.from_grid(grid_from_song(song, CELLS_PER_QUARTER), self.first_cell)

    def apply(self, choice: BarlineChoice) -> BarlineEstimate:
        """Return the song with the selected bar lines."""
        tpq, meter = self.song.ticks_per_quarter, None
        if choice.path is not None:
            meter = meter_map_from_changes(meter_changes(choice.path, self.first_cell), tpq)
        elif choice.source == "tidied":
            meter = self.cleaned_meter
        elif choice.shift:
            meter = meter_map_from_changes(shift_barlines(self.bar_grid, choice.shift), tpq)
        song = self.song_on_grid if meter is None else replace(self.song_on_grid, meter=meter)
        estimate = self.grid_estimate
        as_stated = choice.source in ("stated", "tidied")
        if lead := _silent_lead_ticks(song, as_stated=as_stated):
            estimate = replace(estimate, warp=estimate.warp.delayed(-lead))
            meter = replace(song.meter, ticks=np.maximum(song.meter.ticks - lead, 0))
            song = replace(estimate.warp.apply(self.song), meter=meter)
        return BarlineEstimate(song=song, original=self.song, grid_estimate=estimate, choice=choice)


def _silent_lead_ticks(song: Song, *, as_stated: bool) -> int:
    """Return how much of a pickup is silence that lies before the music in the file.

    A pickup without an onset is silent as a whole; any other one begins with its first note, unless
    its bar lines are `as_stated` by the file.
    """
    grid = grid_from_song(song, CELLS_PER_QUARTER)
    if not len(grid) or not grid.lead_steps[0]:
        return 0
    first = min(int(part.onset_ticks[0]) for part in song.parts if len(part))
    cell = int(ticks_to_cells(grid, np.array([first]))[0])
    if cell >= grid.cell_offsets[1]:
        return int(grid.length_ticks[0])
    return 0 if as_stated else int(cells_to_ticks(grid, np.array([cell]))[0])


@dataclass(frozen=True, kw_only=True, eq=False)
class _NoteArrays:
    """The notes of all parts in order of onset; arrays `(M,)`, times in ticks."""

    onset: Ints
    duration: Ints
    pitch: Ints
    velocity: Ints
    part: Ints
    is_drum: NDArray[np.bool_]

    @classmethod
    def from_song(cls, song: Song) -> _NoteArrays:
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


_NO_GRID = estimate_grid(np.zeros(0), 1, drums_alone=False)


def _note_features(
    notes: _NoteArrays, estimate: GridEstimate, tpq: int
) -> tuple[NoteFeatures, int, int]:
    """Return notes on cells, how many cells there are, and the cell of the song that is cell 0."""
    scale = CELLS_PER_QUARTER / tpq
    cell = np.floor(estimate.warp.forward(notes.onset) * scale + 0.5).astype(np.int64)
    cell = np.maximum(cell, 0)
    length = notes.duration * scale
    if estimate.tracked is not None:  # a quarter of the file is not about one of the song
        ends = estimate.warp.forward(notes.onset + notes.duration)
        length = (ends - estimate.warp.forward(notes.onset)) * scale
    length = np.minimum(length, _MAX_NOTE_CELLS)
    # A long silence before the first note carries no information: begin about a bar before it.
    first = max(int(cell[0]) - 16, 0) if cell[0] > _MAX_NOTE_CELLS else 0
    stop = int(cell[-1]) + 1 + int(min(max(length[cell == cell[-1]].max(), 1), _TAIL_CELLS))
    columns = (notes.pitch, notes.velocity, notes.part, notes.is_drum)
    features = NoteFeatures(cell - first, length, *columns)
    n_cells = stop - first
    if n_cells > _MAX_CELLS:
        n_cells = _MAX_CELLS
        features = features.select(features.cell < n_cells)
    return features, n_cells, first
