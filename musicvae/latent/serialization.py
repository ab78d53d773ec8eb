"""All fields of an encoding but its latents, as plain data for JSON and back."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import numpy as np

from musicvae.arrays import Bools, Ints
from musicvae.chords import QUALITIES
from musicvae.config.size_limits import MAX_BAR_QUARTERS
from musicvae.downbeats import TimeMap
from musicvae.downbeats.time_warp import SwungBeats, TimeWarp
from musicvae.io.limits import MAX_QUARTERS
from musicvae.latent.encoding import Encoding
from musicvae.representation.bars import Bars, Notes
from musicvae.representation.chord_grid import UNKNOWN
from musicvae.representation.grid import Grid, make_grid
from musicvae.representation.part_traits import SIZES
from musicvae.song import ChordMap, KeyMap, MeterMap, Part, Song, TempoMap
from musicvae.swing import Swing

MAX_STEPS_PER_QUARTER = 960
MAX_SLOT_BARS = 1 << 26
"""Slots of all passes, times bars."""
_MAPS: dict[str, Any] = {"tempo": TempoMap, "meter": MeterMap, "key": KeyMap, "chords": ChordMap}
_NOTE_FIELDS = ("onset_ticks", "duration_ticks", "pitch", "velocity")
_BAR_FIELDS = ("numerator", "denominator", "length_ticks")
_COMPARED_FIELDS = (
    "steps",
    "lead_steps",
    "numerator",
    "denominator",
    "start_ticks",
    "length_ticks",
)


def to_dict(encoding: Encoding) -> dict[str, Any]:
    """Return all fields but `mu` and `sigma` as plain data; the inverse is `from_dict`."""
    bars = encoding.bars
    levels = encoding.bar_velocities.T.astype(np.int64)
    data: dict[str, Any] = {
        "steps_per_quarter": bars.grid.steps_per_quarter,
        "song": _song_to_dict(replace(bars.header, parts=encoding.passthrough)),
        "owners": [parts.tolist() for parts in encoding.source_parts],
        "active": [[_run_lengths(slot) for slot in each.T] for each in encoding.active],
        "key": int(encoding.key),
        "levels": [_deltas(part) for part in levels],
    }
    if encoding.chords is not None:
        data["quarter_chords"] = _chord_runs(encoding.chords.reshape(-1, 3))
    if encoding.traits is not None:
        data["traits"] = [traits.tolist() for traits in encoding.traits]
    if not _same_bars(bars.grid, Bars.from_song(bars.header, bars.grid.steps_per_quarter).grid):
        data["bars"] = {name: getattr(bars.grid, name).tolist() for name in _BAR_FIELDS}
        data["bars"]["pickup"] = bool((bars.grid.lead_steps > 0).any())
    if (time_map := encoding.time_map) is not None:
        data["file"] = _song_to_dict(time_map.original)
        if not time_map.warp.is_identity:
            points = (time_map.warp.file_ticks.tolist(), time_map.warp.song_ticks.tolist())
            data["warp"] = points
            if (swung := time_map.warp.swung) is not None:
                data["swung"] = [swung.swing.ratio, swung.swing.unit, swung.origin_ticks]
        elif data["file"] == _song_to_dict(bars.header):
            data["file"] = None  # the same as the song
    return data


def from_dict(data: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of an `Encoding` from the data of `to_dict`.

    Raises `ValueError`, `KeyError`, `TypeError` or `IndexError` for invalid data.
    """
    song, steps_per_quarter = _song_from_dict(data["song"]), int(data["steps_per_quarter"])
    if not 1 <= steps_per_quarter <= MAX_STEPS_PER_QUARTER or not -128 < int(data["key"]) < 128:
        raise ValueError("invalid grid or key")
    bars = Bars.from_song(song.without_notes(), steps_per_quarter)
    if "bars" in data:
        bars = replace(bars, grid=_grid_from_dict(data["bars"], bars.grid))
    N, n_parts = len(bars), len(song.parts)
    source_parts = tuple(_int_array(parts) for parts in data["owners"])
    if any(((parts < -1) | (parts >= n_parts)).any() for parts in source_parts):
        raise ValueError("a slot refers to a missing part")
    n_slots = sum(max(len(each), 1) for each in data["active"])
    if n_slots * max(N, 1) > MAX_SLOT_BARS:
        raise ValueError("too many slots and bars")
    active = [np.stack([_from_runs(runs, N) for runs in each], axis=1) for each in data["active"]]
    if [each.shape[1] for each in active] != [len(parts) for parts in source_parts]:
        raise ValueError("the passes have different numbers of slots")
    levels = [np.cumsum(_int_array(part)) for part in data["levels"]]
    if len(levels) != n_parts or any(len(level) != N for level in levels):
        raise ValueError("not one velocity for each bar and part")
    time_map = None
    if "file" in data:
        file = data["file"]
        original = song.without_notes() if file is None else _song_from_dict(file)
        if len(original.parts) != n_parts:
            raise ValueError("the parts of song and file differ")
        warp = _warp_from_points(data.get("warp"))
        if "swung" in data:
            ratio, unit, origin = data["swung"]
            if not np.isfinite(origin):
                raise ValueError("invalid swing")
            warp = replace(
                warp,
                swung=SwungBeats(
                    swing=Swing(ratio, unit),
                    origin_ticks=float(origin),
                    ticks_per_quarter=song.ticks_per_quarter,
                ),
            )
        time_map = TimeMap(warp=warp, original=original)
    return {
        "bars": replace(bars, notes=Notes.concatenate([])),
        "source_parts": source_parts,
        "active": tuple(active),
        "chords": _from_chord_runs(data["quarter_chords"], N) if "quarter_chords" in data else None,
        "traits": _traits_from_lists(data["traits"], source_parts) if "traits" in data else None,
        "key": int(data["key"]),
        "passthrough": song.parts,
        "bar_velocities": np.array(levels, np.float64).reshape(n_parts, N).T,
        "time_map": time_map,
    }


def _song_to_dict(song: Song) -> dict[str, Any]:
    """Return a song as plain data, with ticks and onsets delta coded."""
    data: dict[str, Any] = {
        name: [
            _deltas(column) if field == "ticks" else column.tolist()
            for field, column in vars(getattr(song, name)).items()
        ]
        for name in _MAPS
        if name != "chords" or len(song.chords)
    }
    parts = []
    for part in song.parts:
        columns = [getattr(part, name) for name in _NOTE_FIELDS]
        notes = [_deltas(columns[0]), *(column.tolist() for column in columns[1:])]
        parts.append([part.name, int(part.program), bool(part.is_drum), *(notes * bool(len(part)))])
    data |= {"quarter": song.ticks_per_quarter, "end": song.end_ticks, "parts": parts}
    return data if song.swing is None else data | {"swing": [song.swing.ratio, song.swing.unit]}


def _song_from_dict(data: dict[str, Any]) -> Song:
    maps: dict[str, Any] = {}
    for name, kind in _MAPS.items():
        if name == "chords" and name not in data:
            maps[name] = ChordMap.none()
            continue
        columns = [_int_array(column) for column in data[name]]
        names = [field.name for field in fields(kind)]
        maps[name] = kind(**dict(zip(names, [np.cumsum(columns[0]), *columns[1:]], strict=True)))
    parts = []
    for name, program, is_drum, *notes in data["parts"]:
        columns = [_int_array(column) for column in notes] or [_int_array([])] * 4
        if not (isinstance(name, str) and 0 <= int(program) < 128):
            raise ValueError("invalid name or program of a part")
        empty = Part.empty(name, int(program), bool(is_drum))
        parts.append(empty.with_notes(np.cumsum(columns[0]), *columns[1:]))
    song = Song(
        ticks_per_quarter=int(data["quarter"]),
        parts=tuple(parts),
        end_ticks=int(data["end"]),
        swing=Swing(*data["swing"]) if "swing" in data else None,
        **maps,
    )
    _validate_song(song)
    return song


def _validate_song(song: Song) -> None:
    """Raise `ValueError` for values from which no bars can be made."""
    tempo, meter, quarter = song.tempo, song.meter, song.ticks_per_quarter
    if min(tempo.us_per_quarter.min(), meter.numerator.min(), meter.denominator.min()) < 1:
        raise ValueError("invalid tempo or meter")
    if (song.key.fifths.size and np.abs(song.key.fifths).max() > 7) or meter.ticks.min() < 0:
        raise ValueError("invalid key or meter")
    length = np.maximum(4.0 * quarter * meter.numerator / meter.denominator, 1)
    lasts = np.diff(np.minimum(np.append(meter.ticks, song.end_ticks), song.end_ticks))
    if song.end_ticks > MAX_QUARTERS * quarter or (lasts / length).sum() > MAX_QUARTERS:
        raise ValueError("the song is too long")


def _grid_from_dict(data: dict[str, Any], like: Grid) -> Grid:
    columns = {name: _int_array(data[name]) for name in _BAR_FIELDS}
    length = columns["length_ticks"]
    if min(len(length), *(column.min(initial=1) for column in columns.values())) < 1:
        raise ValueError("invalid bar length")
    if len(length) > MAX_QUARTERS or length.sum() > MAX_QUARTERS * like.ticks_per_quarter:
        raise ValueError("the song is too long")
    return make_grid(
        like.steps_per_quarter,
        **columns,
        start_ticks=np.cumsum(length) - length,
        ticks_per_quarter=like.ticks_per_quarter,
        is_pickup=np.arange(len(length)) < int(bool(data["pickup"])),
    )


def _warp_from_points(points: Any) -> TimeWarp:
    if points is None:
        return TimeWarp.shift(0)
    file, song = (np.array(column, np.float64).reshape(-1) for column in points)
    if len(file) != len(song) or not len(file) or not np.isfinite([*file, *song]).all():
        raise ValueError("invalid time warp")
    if (np.diff(file) <= 0).any() or (np.diff(song) <= 0).any():
        raise ValueError("the time warp does not increase")
    return TimeWarp(file_ticks=file, song_ticks=song)


def _same_bars(one: Grid, other: Grid) -> bool:
    return len(one) == len(other) and all(
        np.array_equal(getattr(one, name), getattr(other, name)) for name in _COMPARED_FIELDS
    )


def _int_array(values: Any) -> Ints:
    column = np.array(values)
    if len(column) and (column.ndim != 1 or column.dtype.kind not in "iu"):
        raise ValueError("integers expected")
    return column.astype(np.int64)


def _deltas(column: Ints) -> list[int]:
    """Return the first number and the differences between consecutive ones."""
    return [int(step) for step in np.diff(column, prepend=0)]


def _run_lengths(flags: Bools) -> list[int]:
    """Return the lengths of runs of false, true, false, and so on."""
    edges = np.flatnonzero(np.diff(flags.astype(np.int8), prepend=0)).tolist()
    return [int(n) for n in np.diff([0, *edges, len(flags)])]


def _from_runs(runs: Any, n: int) -> Bools:
    lengths = _int_array(runs)
    if (lengths < 0).any() or int(lengths.sum()) != n:
        raise ValueError("wrong number of bars")
    return np.repeat(np.arange(len(lengths)) % 2 == 1, lengths)


def _traits_from_lists(passes: Any, source_parts: tuple[Ints, ...]) -> tuple[Ints, ...]:
    """Return the traits of the slots of each pass, `(R, 4)` each."""
    found = [
        _int_array([v for slot in each for v in slot]).reshape(-1, len(SIZES)) for each in passes
    ]
    if [len(each) for each in found] != [len(parts) for parts in source_parts]:
        raise ValueError("not the traits of each slot")
    if any((each < 0).any() or (each >= np.array(SIZES)).any() for each in found):
        raise ValueError("invalid traits of a part")
    return tuple(found)


def _chord_runs(chords: Ints) -> list[list[int]]:
    """Return runs of equal rows of `(M, 3)` as rows of length, root, quality and bass."""
    first = np.flatnonzero(np.append(True, (np.diff(chords, axis=0) != 0).any(1)))
    length = np.diff(np.append(first, len(chords)))
    return np.column_stack([length, chords[first]]).tolist() if len(chords) else []


def _from_chord_runs(runs: Any, n_bars: int) -> Ints:
    """Return the chords of the quarters of `n_bars` bars `(N, Q, 3)`; inverts `_chord_runs`."""
    columns = _int_array([number for run in runs for number in run]).reshape(-1, 4)
    length = columns[:, 0]
    total = int(length.sum())
    if (length < 1).any() or total > MAX_BAR_QUARTERS * n_bars or total % max(n_bars, 1):
        raise ValueError("wrong number of chords")
    highest = np.array([11, len(QUALITIES) - 1, 11])
    if (columns[:, 1:] < UNKNOWN).any() or (columns[:, 1:] > highest).any():
        raise ValueError("invalid chord")
    return np.repeat(columns[:, 1:], length, axis=0).reshape(n_bars, -1, 3)
