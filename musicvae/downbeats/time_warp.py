"""Time warp between file time and song time, where a grid is shifted or drifts.

A warp is an increasing piecewise linear function through points (tick in the file, tick in the
song), with slope 1 before the first and after the last. Times in seconds do not change: the tempo
map compensates for the warp. Only swing does move notes: those of a song are straight.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from musicvae.arrays import Floats, Ints
from musicvae.song import KeyMap, MeterMap, Part, Song, TempoMap
from musicvae.swing import Swing


@dataclass(frozen=True, kw_only=True, eq=False)
class SwungBeats:
    """The swing of a file: where its pairs begin in the song, and ticks a quarter of both."""

    swing: Swing
    origin_ticks: float
    ticks_per_quarter: int

    def straighten(self, ticks: Floats) -> Floats:
        """Map swung ticks to straight ones."""
        quarters = (ticks - self.origin_ticks) / self.ticks_per_quarter
        return self.swing.straighten(quarters) * self.ticks_per_quarter + self.origin_ticks

    def perform(self, ticks: Floats) -> Floats:
        """Map straight ticks to swung ones, the inverse of `straighten`."""
        quarters = (ticks - self.origin_ticks) / self.ticks_per_quarter
        return self.swing.perform(quarters) * self.ticks_per_quarter + self.origin_ticks


@dataclass(frozen=True, kw_only=True, eq=False)
class TimeWarp:
    """Points `(K,)` of the warp, K >= 1, in ticks, both increasing.

    With `swung`, what the points map to is swung, and straightened after that.
    """

    file_ticks: Floats
    song_ticks: Floats
    swung: SwungBeats | None = None

    @classmethod
    def shift(cls, ticks: int) -> TimeWarp:
        """Return the warp that delays everything by `ticks`."""
        return cls(file_ticks=np.zeros(1), song_ticks=np.array([float(ticks)]))

    @property
    def is_identity(self) -> bool:
        """Whether the warp changes nothing."""
        return not self.moves_grid and self.swung is None

    @property
    def moves_grid(self) -> bool:
        """Whether the grid of the song lies elsewhere than that of the file."""
        return not np.array_equal(self.file_ticks, self.song_ticks)

    def delayed(self, ticks: int) -> TimeWarp:
        """Return the warp with everything later in the song by `ticks`."""
        swung = self.swung
        if swung is not None:
            swung = replace(swung, origin_ticks=swung.origin_ticks + ticks)
        return replace(self, song_ticks=self.song_ticks + ticks, swung=swung)

    def forward(self, file_ticks: ArrayLike) -> Floats:
        """Map ticks of the file to ticks of the song, unrounded."""
        at = _interpolate(np.asarray(file_ticks, np.float64), self.file_ticks, self.song_ticks)
        return at if self.swung is None else self.swung.straighten(at)

    def backward(self, song_ticks: ArrayLike) -> Floats:
        """Map ticks of the song to ticks of the file, unrounded; the inverse of `forward`."""
        at = np.asarray(song_ticks, np.float64)
        at = at if self.swung is None else self.swung.perform(at)
        return _interpolate(at, self.song_ticks, self.file_ticks)

    def apply(self, song: Song) -> Song:
        """Return the song in song time. Its meter map is warped but not snapped to the grid."""
        if self.is_identity:
            return song
        return replace(
            song,
            parts=tuple(_warp_part(part, self.forward) for part in song.parts),
            tempo=self._warp_tempo(song),
            meter=MeterMap(
                ticks=_map_ticks(song.meter.ticks, self.forward),
                numerator=song.meter.numerator,
                denominator=song.meter.denominator,
            ),
            key=KeyMap(
                ticks=_map_ticks(song.key.ticks, self.forward),
                fifths=song.key.fifths,
                minor=song.key.minor,
            ),
            chords=replace(song.chords, ticks=_map_ticks(song.chords.ticks, self.forward)),
            end_ticks=self._warp_end(song),
            swing=song.swing if self.swung is None else self.swung.swing,
        )

    def undo(self, song: Song, original: Song) -> Song:
        """Move a song from song time to the time and maps of `original`.

        The inverse of `apply`: a note of `original` that did not change comes back exactly, any
        other one within a tick. Notes past the end of `original` are truncated or dropped.
        """
        parts = song.parts
        if not self.is_identity:
            pairs = zip(parts, original.parts, strict=True)
            parts = tuple(self._undo_part(part, known) for part, known in pairs)
        return replace(original, parts=tuple(_truncate(part, original.end_ticks) for part in parts))

    def _warp_end(self, song: Song) -> int:
        """Return the end of a song in song time: on a sixteenth if it was on one in the file.

        Otherwise a grid that is early would move the end into one more bar.
        """
        tpq, end = song.ticks_per_quarter, float(self.forward(song.end_ticks))
        if 4 * song.end_ticks % tpq == 0:
            return max(round(round(4 * end / tpq) * tpq / 4), 0)
        return _snap_end(round(end), tpq)

    def _undo_part(self, part: Part, known: Part) -> Part:
        """Return a part in file time, with exact ticks for the notes that stem from `known`."""
        there = _note_tuples(*_span(known, self.forward), known.pitch)
        place = {note: i for i, note in enumerate(there)}
        stop = part.onset_ticks + part.duration_ticks
        notes = _note_tuples(part.onset_ticks, stop, part.pitch)
        source = np.array([place.get(note, -1) for note in notes], np.int64)
        same = np.flatnonzero(source >= 0)
        onset, stop = _span(part, self.backward)
        onset[same] = known.onset_ticks[source[same]]
        stop[same] = onset[same] + known.duration_ticks[source[same]]
        return part.with_notes(onset, stop - onset, part.pitch, part.velocity)

    def source_notes(self, part: Part, moved: Part) -> Part:
        """Return the notes of `part` in file time that `apply` maps to notes of `moved`."""
        onset, stop = _span(part, self.forward)
        ends = moved.onset_ticks + moved.duration_ticks
        there = set(_note_tuples(moved.onset_ticks, ends, moved.pitch))
        which = [note in there for note in _note_tuples(onset, stop, part.pitch)]
        return part.select(np.array(which, bool))

    def _warp_tempo(self, song: Song) -> TempoMap:
        tempo = song.tempo
        slope = np.diff(self.song_ticks) / np.diff(self.file_ticks)
        at = np.unique(np.concatenate([tempo.ticks, _round(self.file_ticks)]))
        at = at[at >= 0]
        pace = tempo.us_per_quarter[np.searchsorted(tempo.ticks, at, side="right") - 1]
        segment = np.searchsorted(self.file_ticks, at + 0.5, side="right") - 1
        inside = (segment >= 0) & (segment < len(slope))
        stretch = np.where(inside, np.append(slope, 1.0)[np.clip(segment, 0, len(slope))], 1.0)
        ticks = _map_ticks(at, self.forward)
        pace = np.maximum(np.round(pace / stretch), 1).astype(np.int64)
        change = np.append(True, np.diff(pace) != 0)
        return TempoMap(ticks=ticks[change], us_per_quarter=pace[change])


def _note_tuples(*columns: Ints) -> list[tuple[int, ...]]:
    """Return columns as one tuple for each note, for lookups."""
    return list(zip(*(column.tolist() for column in columns), strict=True))


TickMapping = Callable[[ArrayLike], Floats]


def _interpolate(at: Floats, x: Floats, y: Floats) -> Floats:
    inside = np.interp(at, x, y)
    return np.where(at < x[0], y[0] + at - x[0], np.where(at > x[-1], y[-1] + at - x[-1], inside))


def _map_ticks(ticks: Ints, mapping: TickMapping) -> Ints:
    """Map the ticks of a tempo, meter or key map; an entry at 0 stays there."""
    return np.where(ticks <= 0, 0, np.maximum(_round(mapping(ticks)), 0))


def _span(part: Part, mapping: TickMapping) -> tuple[Ints, Ints]:
    """Return mapped onsets and ends of notes, none negative or of zero length."""
    onset = np.maximum(_round(mapping(part.onset_ticks)), 0)
    stop = _round(mapping(part.onset_ticks + part.duration_ticks))
    return onset, np.maximum(stop, onset + 1)


def _warp_part(part: Part, mapping: TickMapping) -> Part:
    onset, stop = _span(part, mapping)
    return part.with_notes(onset, stop - onset, part.pitch, part.velocity)


def _truncate(part: Part, end: int) -> Part:
    """Return the part truncated at tick `end`."""
    if part.end_ticks <= end:
        return part
    inside = part.select(part.onset_ticks < end)
    length = np.minimum(inside.duration_ticks, end - inside.onset_ticks)
    return inside.with_notes(inside.onset_ticks, length, inside.pitch, inside.velocity)


def _snap_end(ticks: int, ticks_per_quarter: int) -> int:
    """Snap an end less than half a stored cell past a sixteenth to it.

    Otherwise the trailing silence of many songs would reach a tick into one more bar.
    """
    late = 4 * ticks % ticks_per_quarter // 4
    return max(ticks - late if late <= ticks_per_quarter // 48 else ticks, 0)


def _round(ticks: Floats) -> Ints:
    return np.round(ticks).astype(np.int64)
