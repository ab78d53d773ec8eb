"""Floor 6: all of an encoding but its latents <-> plain data for JSON."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musicvae.arrays import Ints
from musicvae.downbeats import TimeMap
from musicvae.downbeats.time_warp import TimeWarp
from musicvae.io.limits import MAX_QUARTERS
from musicvae.latent.encoding import Encoding
from musicvae.representation.bars import Bars, Notes
from musicvae.representation.grid import Grid, make_grid
from musicvae.song import KeyMap, MeterMap, Part, Song, TempoMap

_MAPS: dict[str, Any] = {"tempo": TempoMap, "meter": MeterMap, "key": KeyMap}
_MOST_STEPS = 960  # of a quarter
_NOTES = ("onset_ticks", "duration_ticks", "pitch", "velocity")
_OF_BAR = ("numerator", "denominator", "length_ticks")


def told(encoding: Encoding) -> dict[str, Any]:
    """The frame of an encoding as plain data; the inverse is `understood`."""
    bars = encoding.bars
    data: dict[str, Any] = {
        "steps_per_quarter": bars.grid.steps_per_quarter,
        "song": _song(replace(bars.header, parts=encoding.passthrough)),
        "owners": [owner.tolist() for owner in encoding.owners],
        "active": [[_runs(slot) for slot in each.T] for each in encoding.active],
        "key": int(encoding.key),
        "levels": [_steps(part) for part in encoding.levels.T.astype(np.int64)],
    }
    if not _same(bars.grid, Bars.from_song(bars.header, bars.grid.steps_per_quarter).grid):
        data["bars"] = {name: getattr(bars.grid, name).tolist() for name in _OF_BAR}
        data["bars"]["pickup"] = bool((bars.grid.lead_steps > 0).any())
    if (placed := encoding.alignment) is not None:
        data["file"] = _song(placed.original)
        if not placed.warp.is_identity:
            points = (placed.warp.file_ticks.tolist(), placed.warp.song_ticks.tolist())
            data["warp"] = points
        elif data["file"] == _song(bars.header):
            data["file"] = None  # the file was right in all
    return data


def from_dict(data: dict[str, Any]) -> dict[str, Any]:
    """What `told` was told of, by the names of the fields of `Encoding`.

    Raises `ValueError`, `KeyError`, `TypeError` or `IndexError` for data that are no such frame.
    """
    song, steps_per_quarter = _song_of(data["song"]), int(data["steps_per_quarter"])
    if not 1 <= steps_per_quarter <= _MOST_STEPS or not -128 < int(data["key"]) < 128:
        raise ValueError("a grid or a key that is none")
    bars = Bars.from_song(song.without_notes(), steps_per_quarter)
    if "bars" in data:
        bars = replace(bars, grid=_grid(data["bars"], bars.grid))
    N, parts = len(bars), len(song.parts)
    owners = tuple(_ints(owner) for owner in data["owners"])
    if any(((owner < -1) | (owner >= parts)).any() for owner in owners):
        raise ValueError("a slot belongs to a part that is not there")
    active = [np.stack([_from_runs(runs, N) for runs in each], axis=1) for each in data["active"]]
    if [each.shape[1] for each in active] != [len(owner) for owner in owners]:
        raise ValueError("its groups do not fit one another")
    levels = [np.cumsum(_ints(part)) for part in data["levels"]]
    if len(levels) != parts or any(len(level) != N for level in levels):
        raise ValueError("it has not a level for each bar")
    placed = None
    if "file" in data:
        told_file = data["file"]
        original = song.without_notes() if told_file is None else _song_of(told_file)
        if len(original.parts) != parts:
            raise ValueError("its file has other parts")
        placed = TimeMap(warp=_warp(data.get("warp")), original=original)
    return {
        "bars": replace(bars, notes=Notes.concatenate([])),
        "owners": owners,
        "active": tuple(active),
        "key": int(data["key"]),
        "untouched": song.parts,
        "levels": np.array(levels, np.float64).reshape(parts, N).T,
        "alignment": placed,
    }


def _song(song: Song) -> dict[str, Any]:
    """A song as plain data: maps with their ticks told as steps, notes with their onsets."""
    data: dict[str, Any] = {
        name: [_steps(column) if field == "ticks" else column.tolist()
               for field, column in vars(getattr(song, name)).items()]
        for name in _MAPS
    }  # fmt: skip
    parts = []
    for part in song.parts:
        columns = [getattr(part, name) for name in _NOTES]
        notes = [_steps(columns[0]), *(column.tolist() for column in columns[1:])]
        parts.append([part.name, int(part.program), bool(part.is_drum), *(notes * bool(len(part)))])
    return data | {"quarter": song.ticks_per_quarter, "end": song.end_ticks, "parts": parts}


def _song_of(data: dict[str, Any]) -> Song:
    maps = {}
    for name, kind in _MAPS.items():
        columns = [_ints(column) for column in data[name]]
        named = [field.name for field in fields(kind)]
        maps[name] = kind(**dict(zip(named, [np.cumsum(columns[0]), *columns[1:]], strict=True)))
    parts = []
    for name, program, is_drum, *notes in data["parts"]:
        columns = [_ints(column) for column in notes] or [_ints([])] * 4
        if not (isinstance(name, str) and 0 <= int(program) < 128):
            raise ValueError("a part without a name or a program")
        empty = Part.empty(name, int(program), bool(is_drum))
        parts.append(empty.with_notes(np.cumsum(columns[0]), *columns[1:]))
    song = Song(
        ticks_per_quarter=int(data["quarter"]),
        parts=tuple(parts),
        end_ticks=int(data["end"]),
        **maps,
    )
    _check(song)
    return song


def _check(song: Song) -> None:
    """Raise `ValueError` for what no song is, before bars are made of it."""
    tempo, meter, quarter = song.tempo, song.meter, song.ticks_per_quarter
    if min(tempo.us_per_quarter.min(), meter.numerator.min(), meter.denominator.min()) < 1:
        raise ValueError("a tempo or a meter that is none")
    if (song.key.fifths.size and np.abs(song.key.fifths).max() > 7) or meter.ticks.min() < 0:
        raise ValueError("a key or a meter that is none")
    length = np.maximum(4.0 * quarter * meter.numerator / meter.denominator, 1)
    lasts = np.diff(np.minimum(np.append(meter.ticks, song.end_ticks), song.end_ticks))
    if song.end_ticks > MAX_QUARTERS * quarter or (lasts / length).sum() > MAX_QUARTERS:
        raise ValueError("it lasts longer than any song")


def _grid(data: dict[str, Any], like: Grid) -> Grid:
    columns = {name: _ints(data[name]) for name in _OF_BAR}
    length = columns["length_ticks"]
    if min(len(length), *(column.min(initial=1) for column in columns.values())) < 1:
        raise ValueError("bars of no length")
    if len(length) > MAX_QUARTERS or length.sum() > MAX_QUARTERS * like.ticks_per_quarter:
        raise ValueError("it lasts longer than any song")
    return make_grid(
        like.steps_per_quarter,
        **columns,
        start_ticks=np.cumsum(length) - length,
        ticks_per_quarter=like.ticks_per_quarter,
        is_pickup=np.arange(len(length)) < int(bool(data["pickup"])),
    )


def _warp(points: Any) -> TimeWarp:
    if points is None:
        return TimeWarp.shift(0)
    there, here = (np.array(column, np.float64).reshape(-1) for column in points)
    if len(there) != len(here) or not len(there) or not np.isfinite([*there, *here]).all():
        raise ValueError("its way into the file is no line")
    if (np.diff(there) <= 0).any() or (np.diff(here) <= 0).any():
        raise ValueError("its way into the file does not rise")
    return TimeWarp(file_ticks=there, song_ticks=here)


def _same(one: Grid, other: Grid) -> bool:
    return len(one) == len(other) and all(
        np.array_equal(value, vars(other)[name])
        for name, value in vars(one).items()
        if name in ("steps", "lead", "numerator", "denominator", "start_ticks", "length_ticks")
    )


def _ints(values: Any) -> Ints:
    column = np.array(values)
    if len(column) and (column.ndim != 1 or column.dtype.kind not in "iu"):
        raise ValueError("whole numbers expected")
    return column.astype(np.int64)


def _steps(column: Ints) -> list[int]:
    """Numbers as the way from each to the next."""
    return [int(step) for step in np.diff(column, prepend=0)]


def _runs(flags: NDArray[np.bool_]) -> list[int]:
    """How long it is false, then true, then false, and so on."""
    edges = np.flatnonzero(np.diff(flags.astype(np.int8), prepend=0)).tolist()
    return [int(n) for n in np.diff([0, *edges, len(flags)])]


def _from_runs(runs: Any, n: int) -> NDArray[np.bool_]:
    lengths = _ints(runs)
    if (lengths < 0).any() or int(lengths.sum()) != n:
        raise ValueError("it has not as many bars as it says")
    return np.repeat(np.arange(len(lengths)) % 2 == 1, lengths)
