"""A song as numpy structure-of-arrays, with time in ticks.

Every file format is read into a `Song` and written from one. It is immutable: arrays are copied,
sorted and made read-only, so a song can be shared safely. `Song.ticks_per_quarter` is the
resolution, and `TempoMap` turns ticks into seconds.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar
from warnings import warn

import numpy as np
from numpy.typing import ArrayLike, NDArray

from musicvae.arrays import ArrayEq, Bools, Floats, Ints, freeze_map, frozen_ints
from musicvae.chords import ChordMap
from musicvae.swing import Swing

__all__ = [
    "NOTE_COLUMNS",
    "ChordMap",
    "KeyMap",
    "MeterMap",
    "Part",
    "Song",
    "TempoMap",
    "construct_unchecked",
    "parts_from_table",
    "resolve_overlaps",
]

_T = TypeVar("_T")


_EMPTY = frozen_ints([])


def construct_unchecked(kind: type[_T], **fields: Any) -> _T:
    """Construct a dataclass of this module without validation, from fields known to be valid.

    All fields are required; arrays must be read-only, int64, sorted and within range. When
    thousands of songs are read, repeating the checks of the reader would take most of the time.
    """
    instance = object.__new__(kind)
    vars(instance).update(fields)
    return instance


@dataclass(frozen=True, kw_only=True, eq=False)
class TempoMap(ArrayEq):
    """Tempo map: from `ticks[i]` on a quarter lasts `us_per_quarter[i]` microseconds. `(M,)`"""

    ticks: Ints
    us_per_quarter: Ints

    def __post_init__(self) -> None:
        freeze_map(self, "ticks", "us_per_quarter")

    @classmethod
    def constant(cls, qpm: float = 120.0) -> TempoMap:
        """Return a map with a single tempo, in quarters per minute."""
        return cls(ticks=frozen_ints([0]), us_per_quarter=frozen_ints([round(60e6 / qpm)]))

    @property
    def qpm(self) -> Floats:
        """Tempo of each entry in quarters per minute. `(M,)`"""
        return 60e6 / self.us_per_quarter

    def seconds(self, ticks: ArrayLike, ticks_per_quarter: int) -> Floats:
        """Return the time of each tick in seconds, in the shape of `ticks`."""
        tick = np.asarray(ticks, dtype=np.int64)
        seconds_per_tick = self.us_per_quarter / 1e6 / ticks_per_quarter
        starts = np.concatenate([[0.0], np.cumsum(np.diff(self.ticks) * seconds_per_tick[:-1])])
        i = np.clip(np.searchsorted(self.ticks, tick, side="right") - 1, 0, None)
        return np.asarray(starts[i] + (tick - self.ticks[i]) * seconds_per_tick[i])


@dataclass(frozen=True, kw_only=True, eq=False)
class MeterMap(ArrayEq):
    """Meter map: from `ticks[i]` on bars are `numerator[i]`/`denominator[i]`. Arrays `(M,)`."""

    ticks: Ints
    numerator: Ints
    denominator: Ints

    def __post_init__(self) -> None:
        freeze_map(self, "ticks", "numerator", "denominator")

    @classmethod
    def constant(cls, numerator: int = 4, denominator: int = 4) -> MeterMap:
        """Return a map with a single meter."""
        return cls(
            ticks=frozen_ints([0]),
            numerator=frozen_ints([numerator]),
            denominator=frozen_ints([denominator]),
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class KeyMap(ArrayEq):
    """Key signatures: from `ticks[i]` on `fifths[i]` sharps, or flats if negative.

    `minor[i]` is 1 for a minor key. Arrays `(M,)`; the map may be empty.
    """

    ticks: Ints
    fifths: Ints
    minor: Ints

    def __post_init__(self) -> None:
        freeze_map(self, "ticks", "fifths", "minor")

    @classmethod
    def none(cls) -> KeyMap:
        """Return a map without key signatures."""
        return cls(ticks=frozen_ints([]), fifths=frozen_ints([]), minor=frozen_ints([]))

    @classmethod
    def constant(cls, fifths: int, minor: bool = False) -> KeyMap:
        """Return a map with a single key signature."""
        return cls(ticks=frozen_ints([0]), fifths=frozen_ints([fifths]), minor=frozen_ints([minor]))


def starting_at_zero(entries: Any, default: Any) -> Any:
    """Return the map with `default` prepended, which holds until the first entry."""
    return type(default)(
        **{
            name: np.concatenate([value, getattr(entries, name)])
            for name, value in vars(default).items()
        }
    )


MAX_TICKS_PER_QUARTER = 0x7FFF  # limit of the MIDI header
NOTE_COLUMNS = ("onset_ticks", "duration_ticks", "pitch", "velocity")


@dataclass(frozen=True, kw_only=True, eq=False)
class Part(ArrayEq):
    """One instrument of a song: a General MIDI program or a drum kit, and its notes.

    `onset_ticks`, `duration_ticks`, `pitch` (MIDI number) and `velocity` (1..127) are int64
    arrays `(M,)`, sorted by (onset, pitch, duration). Durations are at least one tick. Raises
    `ValueError` for arrays that differ in length or hold values out of range.
    """

    name: str = ""
    program: int = 0
    is_drum: bool = False
    onset_ticks: Ints
    duration_ticks: Ints
    pitch: Ints
    velocity: Ints

    def __post_init__(self) -> None:
        columns = [np.asarray(getattr(self, f), dtype=np.int64).reshape(-1) for f in NOTE_COLUMNS]
        if len({len(column) for column in columns}) != 1:
            raise ValueError("onset_ticks, duration_ticks, pitch and velocity differ in length")
        onset, duration, pitch, _ = columns
        for name, column in zip(
            NOTE_COLUMNS, _sort_notes((duration, pitch, onset), columns), strict=True
        ):
            object.__setattr__(self, name, column)

    def __len__(self) -> int:
        return len(self.pitch)

    def __repr__(self) -> str:
        instrument = "drums" if self.is_drum else f"program {self.program}"
        return f"<Part {self.name!r}: {instrument}, {len(self):,} notes>"

    @classmethod
    def empty(cls, name: str = "", program: int = 0, is_drum: bool = False) -> Part:
        """Return a part without notes."""
        return construct_unchecked(
            cls,
            name=name,
            program=program,
            is_drum=is_drum,
            onset_ticks=_EMPTY,
            duration_ticks=_EMPTY,
            pitch=_EMPTY,
            velocity=_EMPTY,
        )

    def with_notes(
        self,
        onset_ticks: ArrayLike,
        duration_ticks: ArrayLike,
        pitch: ArrayLike,
        velocity: ArrayLike,
    ) -> Part:
        """Return the same part with other notes, arrays `(M,)`."""
        columns = (onset_ticks, duration_ticks, pitch, velocity)
        onset, duration, pitches, velocities = (np.asarray(column) for column in columns)
        return replace(
            self,
            onset_ticks=onset,
            duration_ticks=duration,
            pitch=pitches,
            velocity=velocities,
        )

    def without_notes(self) -> Part:
        """Return the same part without its notes."""
        return Part.empty(self.name, self.program, self.is_drum)

    def select(self, index: NDArray[Any] | slice) -> Part:
        """Return the part with a selection of its notes, by index or boolean mask."""
        return self.with_notes(*(getattr(self, name)[index] for name in NOTE_COLUMNS))

    def overlay(self, other: Part) -> Part:
        """Return the part with the notes of `other`, which take precedence on a shared pitch."""
        if not len(other):
            return self
        free = np.ones(len(self), bool)
        for pitch in np.unique(other.pitch):
            ours, theirs = self.pitch == pitch, other.select(other.pitch == pitch)
            before = np.searchsorted(theirs.onset_ticks, self.onset_ticks[ours], side="right") - 1
            end = (theirs.onset_ticks + theirs.duration_ticks)[before]
            free[ours] = (before < 0) | (self.onset_ticks[ours] >= end)
        if not free.all():
            return self.select(free).overlay(other)
        onset, duration, pitches, velocity = (
            np.concatenate([getattr(self, name), getattr(other, name)]) for name in NOTE_COLUMNS
        )
        keep, duration, _ = resolve_overlaps(onset, duration, pitches)
        return self.with_notes(onset[keep], duration[keep], pitches[keep], velocity[keep])

    @property
    def end_ticks(self) -> int:
        """End of the last note in ticks, 0 without notes."""
        return int((self.onset_ticks + self.duration_ticks).max(initial=0))


@dataclass(frozen=True, kw_only=True, eq=False)
class Song(ArrayEq):
    """A piece of music: parts, tempo, meter, key and chord maps, and its length, all in ticks.

    `end_ticks` is raised to the end of the last note, and tempo and meter maps start at tick 0
    (by default 120 quarters per minute, 4/4). Notes of a song with `swing` are notated straight;
    MIDI files and audio get them as they are played. Raises `ValueError` for an invalid resolution.
    """

    ticks_per_quarter: int = 480
    parts: tuple[Part, ...] = ()
    tempo: TempoMap
    meter: MeterMap
    key: KeyMap
    chords: ChordMap = field(default_factory=ChordMap.none)
    end_ticks: int = 0
    swing: Swing | None = None
    has_notated_bars: bool = field(default=False, compare=False)
    """Whether the bar lines come from a score or a transcription and need no estimation."""

    def __post_init__(self) -> None:
        if not 1 <= self.ticks_per_quarter <= MAX_TICKS_PER_QUARTER:
            raise ValueError(f"ticks_per_quarter must be within 1..{MAX_TICKS_PER_QUARTER}")
        last = max((part.end_ticks for part in self.parts), default=0)
        object.__setattr__(self, "parts", tuple(self.parts))
        object.__setattr__(self, "end_ticks", max(int(self.end_ticks), last))
        if not len(self.tempo.ticks) or self.tempo.ticks[0] > 0:
            object.__setattr__(self, "tempo", starting_at_zero(self.tempo, TempoMap.constant()))
        if not len(self.meter.ticks) or self.meter.ticks[0] > 0:
            object.__setattr__(self, "meter", starting_at_zero(self.meter, MeterMap.constant()))

    @classmethod
    def new(
        cls,
        parts: Iterable[Part] = (),
        *,
        qpm: float = 120.0,
        meter: tuple[int, int] = (4, 4),
        ticks_per_quarter: int = 480,
        end_ticks: int = 0,
    ) -> Song:
        """Return a song with one tempo (quarters per minute), one meter and no key signature."""
        return cls(
            ticks_per_quarter=ticks_per_quarter,
            parts=tuple(parts),
            tempo=TempoMap.constant(qpm),
            meter=MeterMap.constant(*meter),
            key=KeyMap.none(),
            end_ticks=end_ticks,
        )

    def __repr__(self) -> str:
        summary = f"{len(self.parts)} parts, {self.n_notes:,} notes, {self.duration_s:.1f} s"
        return f"<Song: {summary}>"

    def without_notes(self) -> Song:
        """Return the song's header: its maps and length, and its parts without notes."""
        parts = tuple(part.without_notes() for part in self.parts)
        return construct_unchecked(Song, **{**vars(self), "parts": parts})

    @property
    def n_notes(self) -> int:
        """Number of notes in all parts."""
        return sum(len(part) for part in self.parts)

    @property
    def duration_s(self) -> float:
        """Length in seconds, including trailing silence."""
        return float(self.tempo.seconds(self.end_ticks, self.ticks_per_quarter))

    @classmethod
    def read(cls, path: str | Path) -> Song:
        """Deprecated alias of `musicvae.read`."""
        from musicvae.io import read

        warn("Song.read(path) is now musicvae.read(path)", DeprecationWarning, stacklevel=2)
        return read(path)

    def save(self, path: str | Path, *, note: str = "") -> Path:
        """Deprecated alias of `musicvae.write`."""
        from musicvae.io import write

        warn("song.save(path) is now musicvae.write(song, path)", DeprecationWarning, stacklevel=2)
        return write(self, path, note=note)


def _sort_notes(keys: tuple[Ints, ...], columns: Sequence[Ints]) -> list[Ints]:
    """Check note columns, sort them by `keys` (primary key last) and make them read-only."""
    onset, duration, pitch, velocity = columns
    if len(onset) and (onset.min() < 0 or duration.min() < 1):
        raise ValueError("onsets must be >= 0 and durations >= 1 tick")
    if len(pitch) and (pitch.min() < 0 or pitch.max() > 127):
        raise ValueError("pitches must be within 0..127")
    order = np.lexsort(keys)
    columns = (onset, duration, pitch, np.clip(velocity, 1, 127))
    return [frozen_ints(column[order]) for column in columns]


def parts_from_table(parts: Sequence[Part], index: Ints, *columns: Ints) -> tuple[Part, ...]:
    """Distribute the notes of one table over `parts`: note `i` belongs to part `index[i]`.

    `columns` are onsets, durations, pitches and velocities `(M,)`, as in `Part`.
    """
    onset, duration, pitch, _ = columns
    ordered = _sort_notes((duration, pitch, onset, index), columns)
    stop = np.cumsum(np.bincount(index, minlength=len(parts))).tolist()
    return tuple(
        construct_unchecked(
            Part,
            name=part.name,
            program=part.program,
            is_drum=part.is_drum,
            **{name: column[a:b] for name, column in zip(NOTE_COLUMNS, ordered, strict=True)},
        )
        for part, a, b in zip(parts, [0, *stop], stop, strict=False)
    )


def resolve_overlaps(onset: Ints, duration: Ints, pitch: Ints) -> tuple[Bools, Ints, int]:
    """Resolve overlaps of notes of one part on the same pitch. Arrays `(M,)`.

    Of notes with the same onset and pitch the longest is kept; a note still sounding when its
    pitch starts again ends there. Returns `(keep, duration, n_changed)`: a mask over the input,
    the new durations, and the number of notes dropped or shortened.
    """
    order = np.lexsort((onset, pitch))
    start, line = onset[order], pitch[order]
    end = start + np.maximum(duration[order], 1)
    if not ((start[1:] < end[:-1]) & (line[1:] == line[:-1])).any():
        return np.ones(len(onset), bool), duration.copy(), 0
    order = np.lexsort((-duration, onset, pitch))
    same_pitch = np.diff(pitch[order]) == 0
    duplicate = np.append(False, same_pitch & (np.diff(onset[order]) == 0))[: len(onset)]
    keep = np.ones(len(onset), bool)
    keep[order[duplicate]] = False
    kept = order[~duplicate]
    follows = np.diff(pitch[kept]) == 0
    gap = np.diff(onset[kept])
    shorter = duration.copy()
    cut = follows & (duration[kept[:-1]] > gap)
    shorter[kept[:-1][cut]] = gap[cut]
    return keep, shorter, int(duplicate.sum() + cut.sum())
