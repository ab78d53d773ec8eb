"""Floor 1: a song as numpy structure-of-arrays, in ticks.

`Song` is what every file format is read into and written from. It is immutable: arrays are
copied in, sorted, and frozen, so a song can be shared without fear. Time is in ticks
throughout; `ticks_per_quarter` says how long a tick is, and `Tempo` how fast they pass.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar
from warnings import warn

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = [
    "Ints",
    "Key",
    "Meter",
    "Part",
    "Song",
    "TempoMap",
    "resolve_overlaps",
    "trusted",
    "with_tables",
]

Ints = NDArray[np.int64]
_T = TypeVar("_T")


def frozen(values: ArrayLike) -> Ints:
    """A copy as a flat int64 array that cannot be changed."""
    array = np.array(values, dtype=np.int64).reshape(-1)
    array.setflags(write=False)
    return array


NO_INTS = frozen([])


def trusted(kind: type[_T], **fields: Any) -> _T:
    """An object of this module without its checks, for fields that are known to pass them.

    Every field has to be given: arrays frozen, int64, sorted, within range. Where songs are read
    by the thousand, checking what a reader has just made sure of is most of the work.
    """
    made = object.__new__(kind)
    vars(made).update(fields)
    return made


class Arrays:
    """Equality for dataclasses whose fields may be arrays."""

    def __eq__(self, other: object) -> bool:
        if type(self) is not type(other):
            return NotImplemented
        mine, theirs = vars(self), vars(other)
        return all(np.array_equal(mine[name], theirs[name]) for name in mine)

    __hash__ = None  # type: ignore[assignment]


@dataclass(frozen=True, kw_only=True, eq=False)
class TempoMap(Arrays):
    """The tempo map: from `ticks[i]` on a quarter lasts `us_per_quarter[i]` microseconds."""

    ticks: Ints
    us_per_quarter: Ints

    def __post_init__(self) -> None:
        _freeze_map(self, "ticks", "us_per_quarter")

    @classmethod
    def constant(cls, qpm: float = 120.0) -> TempoMap:
        """One tempo throughout, in quarters a minute."""
        return cls(ticks=frozen([0]), us_per_quarter=frozen([round(60e6 / qpm)]))

    @property
    def qpm(self) -> NDArray[np.float64]:
        """Quarters a minute, one for each entry."""
        return 60e6 / self.us_per_quarter

    def seconds(self, ticks: ArrayLike, ticks_per_quarter: int) -> NDArray[np.float64]:
        """Time in seconds of each tick. Shape as given."""
        at = np.asarray(ticks, dtype=np.int64)
        pace = self.us_per_quarter / 1e6 / ticks_per_quarter
        starts = np.concatenate([[0.0], np.cumsum(np.diff(self.ticks) * pace[:-1])])
        i = np.clip(np.searchsorted(self.ticks, at, side="right") - 1, 0, None)
        return np.asarray(starts[i] + (at - self.ticks[i]) * pace[i])


@dataclass(frozen=True, kw_only=True, eq=False)
class Meter(Arrays):
    """The meter map: from `ticks[i]` on bars are `numerator[i]`/`denominator[i]`."""

    ticks: Ints
    numerator: Ints
    denominator: Ints

    def __post_init__(self) -> None:
        _freeze_map(self, "ticks", "numerator", "denominator")

    @classmethod
    def constant(cls, numerator: int = 4, denominator: int = 4) -> Meter:
        """One meter throughout."""
        return cls(
            ticks=frozen([0]), numerator=frozen([numerator]), denominator=frozen([denominator])
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class Key(Arrays):
    """Key signatures: from `ticks[i]` on `fifths[i]` sharps (flats if negative), minor or not."""

    ticks: Ints
    fifths: Ints
    minor: Ints

    def __post_init__(self) -> None:
        _freeze_map(self, "ticks", "fifths", "minor")

    @classmethod
    def none(cls) -> Key:
        """No key signature."""
        return cls(ticks=frozen([]), fifths=frozen([]), minor=frozen([]))


def _freeze_map(owner: Any, *names: str) -> None:
    """Sort a map by tick; of several entries at one tick the last one counts."""
    columns = [np.asarray(getattr(owner, name), dtype=np.int64).reshape(-1) for name in names]
    order = np.argsort(columns[0], kind="stable")
    ticks = columns[0][order]
    last = np.append(np.diff(ticks) != 0, True)[: len(ticks)]
    columns = [column[order][last] for column in columns]
    for name, column in zip(names, columns, strict=True):
        object.__setattr__(owner, name, frozen(column))


def from_zero(entries: Any, default: Any) -> Any:
    """A map that starts at tick 0: the default holds until the first entry."""
    return type(default)(
        **{
            name: np.concatenate([value, getattr(entries, name)])
            for name, value in vars(default).items()
        }
    )


MAX_TICKS_PER_QUARTER = 0x7FFF  # what a MIDI file can say
_COLUMNS = ("onset_ticks", "duration_ticks", "pitch", "velocity")


@dataclass(frozen=True, kw_only=True, eq=False)
class Part(Arrays):
    """One line of a song.

    `onset_ticks`, `duration_ticks`, `pitch` (MIDI number) and `velocity` (1..127) are int64
    arrays of one length, sorted by (onset, pitch, duration). Durations are at least one tick.
    """

    name: str = ""
    program: int = 0
    is_drum: bool = False
    onset_ticks: Ints
    duration_ticks: Ints
    pitch: Ints
    velocity: Ints

    def __post_init__(self) -> None:
        columns = [np.asarray(getattr(self, f), dtype=np.int64).reshape(-1) for f in _COLUMNS]
        if len({len(column) for column in columns}) != 1:
            raise ValueError("onset_ticks, duration_ticks, pitch and velocity differ in length")
        onset, duration, pitch, _ = columns
        for field, column in zip(
            _COLUMNS, _ordered((duration, pitch, onset), columns), strict=True
        ):
            object.__setattr__(self, field, column)

    def __len__(self) -> int:
        return len(self.pitch)

    def __repr__(self) -> str:
        what = "drums" if self.is_drum else f"program {self.program}"
        return f"<Part {self.name!r}: {what}, {len(self):,} notes>"

    @classmethod
    def empty(cls, name: str = "", program: int = 0, is_drum: bool = False) -> Part:
        """A part without notes."""
        return trusted(
            cls,
            name=name,
            program=program,
            is_drum=is_drum,
            onset_ticks=NO_INTS,
            duration_ticks=NO_INTS,
            pitch=NO_INTS,
            velocity=NO_INTS,
        )

    def with_notes(
        self,
        onset_ticks: ArrayLike,
        duration_ticks: ArrayLike,
        pitch: ArrayLike,
        velocity: ArrayLike,
    ) -> Part:
        """The same part with other notes."""
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
        """The same part, silent."""
        return Part.empty(self.name, self.program, self.is_drum)

    def take(self, which: NDArray[Any]) -> Part:
        """The part with these of its notes only."""
        return self.with_notes(*(getattr(self, name)[which] for name in _COLUMNS))

    def with_others(self, other: Part) -> Part:
        """The part with the notes of another one added, which win where both sound one pitch."""
        if not len(other):
            return self
        free = np.ones(len(self), bool)
        for pitch in np.unique(other.pitch):
            mine, theirs = self.pitch == pitch, other.take(other.pitch == pitch)
            at = np.searchsorted(theirs.onset_ticks, self.onset_ticks[mine], side="right") - 1
            until = (theirs.onset_ticks + theirs.duration_ticks)[at]
            free[mine] = (at < 0) | (self.onset_ticks[mine] >= until)
        if not free.all():
            return self.take(free).with_others(other)
        onset, duration, pitches, velocity = (
            np.concatenate([getattr(self, name), getattr(other, name)]) for name in _COLUMNS
        )
        keep, duration, _ = resolve_overlaps(onset, duration, pitches)
        return self.with_notes(onset[keep], duration[keep], pitches[keep], velocity[keep])

    @property
    def end_ticks(self) -> int:
        """The tick at which the last note stops, 0 if there is none."""
        return int((self.onset_ticks + self.duration_ticks).max(initial=0))


@dataclass(frozen=True, kw_only=True, eq=False)
class Song(Arrays):
    """One piece: parts, meter map, tempo map, key signatures and length, all in ticks."""

    ticks_per_quarter: int = 480
    parts: tuple[Part, ...] = ()
    tempo: TempoMap
    meter: Meter
    key: Key
    end_ticks: int = 0

    def __post_init__(self) -> None:
        if not 1 <= self.ticks_per_quarter <= MAX_TICKS_PER_QUARTER:
            raise ValueError(f"ticks_per_quarter must be within 1..{MAX_TICKS_PER_QUARTER}")
        last = max((part.end_ticks for part in self.parts), default=0)
        object.__setattr__(self, "parts", tuple(self.parts))
        object.__setattr__(self, "end_ticks", max(int(self.end_ticks), last))
        if not len(self.tempo.ticks) or self.tempo.ticks[0] > 0:
            object.__setattr__(self, "tempo", from_zero(self.tempo, TempoMap.constant()))
        if not len(self.meter.ticks) or self.meter.ticks[0] > 0:
            object.__setattr__(self, "meter", from_zero(self.meter, Meter.constant()))

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
        """A song in one tempo and one meter."""
        return cls(
            ticks_per_quarter=ticks_per_quarter,
            parts=tuple(parts),
            tempo=TempoMap.constant(qpm),
            meter=Meter.constant(*meter),
            key=Key.none(),
            end_ticks=end_ticks,
        )

    def __repr__(self) -> str:
        facts = f"{len(self.parts)} parts, {self.n_notes:,} notes, {self.duration_s:.1f} s"
        return f"<Song: {facts}>"

    def without_notes(self) -> Song:
        """The song's frame: its maps, its length, its parts silent."""
        silent = tuple(part.without_notes() for part in self.parts)
        return trusted(Song, **{**vars(self), "parts": silent})

    @property
    def n_notes(self) -> int:
        """Notes in all parts together."""
        return sum(len(part) for part in self.parts)

    @property
    def duration_s(self) -> float:
        """Length in seconds, trailing silence included."""
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


def _ordered(keys: tuple[Ints, ...], columns: Sequence[Ints]) -> list[Ints]:
    """The columns of notes in the order of `keys`, the last one first; checked and frozen."""
    onset, duration, pitch, velocity = columns
    if len(onset) and (onset.min() < 0 or duration.min() < 1):
        raise ValueError("onsets must be >= 0 and durations >= 1 tick")
    if len(pitch) and (pitch.min() < 0 or pitch.max() > 127):
        raise ValueError("pitches must be within 0..127")
    order = np.lexsort(keys)
    columns = (onset, duration, pitch, np.clip(velocity, 1, 127))
    return [frozen(column[order]) for column in columns]


def with_tables(parts: Sequence[Part], index: Ints, *columns: Ints) -> tuple[Part, ...]:
    """Parts with the notes of one table, all made at once: note `i` is of part `index[i]`.

    `columns` are onsets, durations, pitches and velocities, as in `Part`.
    """
    onset, duration, pitch, _ = columns
    whole = _ordered((duration, pitch, onset, index), columns)
    stop = np.cumsum(np.bincount(index, minlength=len(parts))).tolist()
    return tuple(
        trusted(
            Part,
            name=part.name,
            program=part.program,
            is_drum=part.is_drum,
            **{name: column[a:b] for name, column in zip(_COLUMNS, whole, strict=True)},
        )
        for part, a, b in zip(parts, [0, *stop], stop, strict=False)
    )


def resolve_overlaps(
    onset: Ints, duration: Ints, pitch: Ints
) -> tuple[NDArray[np.bool_], Ints, int]:
    """The one rule for notes of a part that overlap on the same pitch.

    Of notes with the same onset and pitch the longest stays; a note still sounding when its
    pitch starts again ends there. Returns `(keep, duration, changed)`: a mask over the input,
    the new durations, and how many notes were dropped or shortened.
    """
    order = np.lexsort((onset, pitch))
    begin, sound = onset[order], pitch[order]
    end = begin + np.maximum(duration[order], 1)
    if not ((begin[1:] < end[:-1]) & (sound[1:] == sound[:-1])).any():
        return np.ones(len(onset), bool), duration.copy(), 0
    order = np.lexsort((-duration, onset, pitch))
    same_pitch = np.diff(pitch[order]) == 0
    twin = np.append(False, same_pitch & (np.diff(onset[order]) == 0))[: len(onset)]
    keep = np.ones(len(onset), bool)
    keep[order[twin]] = False
    kept = order[~twin]
    follows = np.diff(pitch[kept]) == 0
    gap = np.diff(onset[kept])
    shorter = duration.copy()
    cut = follows & (duration[kept[:-1]] > gap)
    shorter[kept[:-1][cut]] = gap[cut]
    return keep, shorter, int(twin.sum() + cut.sum())
