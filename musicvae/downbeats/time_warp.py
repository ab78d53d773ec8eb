"""Floor 2: the file's time <-> the song's time, where a grid is shifted or drifts.

A warp is a rising line through points (tick in the file, tick in the song), with slope 1 before the
first and after the last. What sounds when stays the same: the tempo map takes up the difference.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from musicvae.song import Ints, Key, Meter, Part, Song, TempoMap

Reals = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Warp:
    """Points `(K,)` of the line, K >= 1, in ticks; both rise."""

    file_ticks: Reals
    song_ticks: Reals

    @classmethod
    def shift(cls, ticks: int) -> Warp:
        """Everything later by so many ticks."""
        return cls(file_ticks=np.zeros(1), song_ticks=np.array([float(ticks)]))

    @property
    def is_identity(self) -> bool:
        """Whether nothing moves."""
        return bool(np.array_equal(self.file_ticks, self.song_ticks))

    def forward(self, file_ticks: ArrayLike) -> Reals:
        """Ticks of the song from ticks of the file, before rounding."""
        return _along(np.asarray(file_ticks, np.float64), self.file_ticks, self.song_ticks)

    def backward(self, song_ticks: ArrayLike) -> Reals:
        """Ticks of the file from ticks of the song, the inverse of `forward`."""
        return _along(np.asarray(song_ticks, np.float64), self.song_ticks, self.file_ticks)

    def apply(self, song: Song) -> Song:
        """The song in its own time. Its meter map moves along, snapped to nothing."""
        if self.is_identity:
            return song
        return replace(
            song,
            parts=tuple(_moved(part, self.forward) for part in song.parts),
            tempo=self._tempo(song),
            meter=Meter(
                ticks=_from_start(song.meter.ticks, self.forward),
                numerator=song.meter.numerator,
                denominator=song.meter.denominator,
            ),
            key=Key(
                ticks=_from_start(song.key.ticks, self.forward),
                fifths=song.key.fifths,
                minor=song.key.minor,
            ),
            end_ticks=_end(round(float(self.forward(song.end_ticks))), song.ticks_per_quarter),
        )

    def undo(self, song: Song, original: Song) -> Song:
        """Notes of a song in its own time, back in the time and under the maps of its file.

        The inverse of `apply`: a note that is as it was comes back exactly, whatever the warp; any
        other within a tick. Notes past the end of `original` are cut there or left out.
        """
        parts = song.parts
        if not self.is_identity:
            pairs = zip(parts, original.parts, strict=True)
            parts = tuple(self._back(part, known) for part, known in pairs)
        return replace(original, parts=tuple(_cut(part, original.end_ticks) for part in parts))

    def _back(self, part: Part, known: Part) -> Part:
        """A part in the file's time, with the ticks of `known` for what `known` became in it."""
        there = _rows(*_span(known, self.forward), known.pitch)
        place = {note: i for i, note in enumerate(there)}
        stop = part.onset_ticks + part.duration_ticks
        notes = _rows(part.onset_ticks, stop, part.pitch)
        source = np.array([place.get(note, -1) for note in notes], np.int64)
        same = np.flatnonzero(source >= 0)
        onset, stop = _span(part, self.backward)
        onset[same] = known.onset_ticks[source[same]]
        stop[same] = onset[same] + known.duration_ticks[source[same]]
        return part.with_notes(onset, stop - onset, part.pitch, part.velocity)

    def sources(self, part: Part, moved: Part) -> Part:
        """The notes of a part in the file's time that became notes of `moved` in the song's."""
        onset, stop = _span(part, self.forward)
        ends = moved.onset_ticks + moved.duration_ticks
        there = set(_rows(moved.onset_ticks, ends, moved.pitch))
        which = [note in there for note in _rows(onset, stop, part.pitch)]
        return part.take(np.array(which, bool))

    def _tempo(self, song: Song) -> TempoMap:
        tempo = song.tempo
        slope = np.diff(self.song_ticks) / np.diff(self.file_ticks)
        at = np.unique(np.concatenate([tempo.ticks, _rounded(self.file_ticks)]))
        at = at[at >= 0]
        pace = tempo.us_per_quarter[np.searchsorted(tempo.ticks, at, side="right") - 1]
        segment = np.searchsorted(self.file_ticks, at + 0.5, side="right") - 1
        inside = (segment >= 0) & (segment < len(slope))
        stretch = np.where(inside, np.append(slope, 1.0)[np.clip(segment, 0, len(slope))], 1.0)
        ticks = _from_start(at, self.forward)
        pace = np.maximum(np.round(pace / stretch), 1).astype(np.int64)
        change = np.append(True, np.diff(pace) != 0)
        return TempoMap(ticks=ticks[change], us_per_quarter=pace[change])


def _rows(*columns: Ints) -> list[tuple[int, ...]]:
    """Columns as a row for each note, to look notes up by."""
    return list(zip(*(column.tolist() for column in columns), strict=True))


Line = Callable[[ArrayLike], Reals]


def _along(at: Reals, x: Reals, y: Reals) -> Reals:
    inside = np.interp(at, x, y)
    return np.where(at < x[0], y[0] + at - x[0], np.where(at > x[-1], y[-1] + at - x[-1], inside))


def _from_start(ticks: Ints, line: Line) -> Ints:
    """Ticks of a map along a line; what held from the beginning still does."""
    return np.where(ticks <= 0, 0, np.maximum(_rounded(line(ticks)), 0))


def _span(part: Part, line: Line) -> tuple[Ints, Ints]:
    """Where notes begin and stop along a line, none before the beginning or without length."""
    onset = np.maximum(_rounded(line(part.onset_ticks)), 0)
    stop = _rounded(line(part.onset_ticks + part.duration_ticks))
    return onset, np.maximum(stop, onset + 1)


def _moved(part: Part, line: Line) -> Part:
    onset, stop = _span(part, line)
    return part.with_notes(onset, stop - onset, part.pitch, part.velocity)


def _cut(part: Part, end: int) -> Part:
    """The part within a song that ends at this tick."""
    if part.end_ticks <= end:
        return part
    inside = part.take(part.onset_ticks < end)
    length = np.minimum(inside.duration_ticks, end - inside.onset_ticks)
    return inside.with_notes(inside.onset_ticks, length, inside.pitch, inside.velocity)


def _end(ticks: int, ticks_per_quarter: int) -> int:
    """An end that lies less than half a stored cell past a sixteenth is on it: else the silence at
    the end of many a song would reach a tick into one more bar."""
    late = 4 * ticks % ticks_per_quarter // 4
    return max(ticks - late if late <= ticks_per_quarter // 48 else ticks, 0)


def _rounded(ticks: Reals) -> Ints:
    return np.round(ticks).astype(np.int64)
