"""Floor 5: songs on the stored grid <-> Arrow files.

A shard is one Arrow IPC file with a row a song; notes and bars are list columns, which Arrow lays
out as flat tables with offsets, so a shard is memory-mapped and a song is a slice of it. Rolls are
never stored. `index.json` is written last: a folder without it is not a dataset.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, fields
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from musicvae.bars import Bars, Notes
from musicvae.errors import DataError
from musicvae.files import replacing, write_bytes
from musicvae.grid import Grid
from musicvae.song import Ints, Key, Meter, Part, Song, Tempo

FORMAT = 2
SONGS_PER_SHARD = 512
_NOTE_COLUMNS = tuple(f.name for f in fields(Notes))
_BAR_COLUMNS = ("steps", "lead", "numerator", "denominator", "start_ticks", "length_ticks")


@dataclass(frozen=True, kw_only=True)
class StoredSong:
    """A song as shards hold it: on the stored grid, with where it came from."""

    path: str
    bars: Bars
    fingerprints: Ints
    """One number for each bar that has enough notes, the same in every transposition."""


def fingerprints(bars: Bars) -> Ints:
    """A hash for each bar of at least four notes, blind to transposition. int64, sorted.

    Drums are never transposed, so they count only in a song that has nothing else.
    """
    pitched = np.array([not part.is_drum for part in bars.frame.parts], bool)[bars.notes.part]
    notes, found = bars.notes.take(pitched) if pitched.any() else bars.notes, []
    bounds = np.searchsorted(notes.bar, np.arange(len(bars) + 1))
    for begin, end in pairwise(bounds):
        if end - begin < 4:
            continue
        lowest = notes.pitch[begin:end].min()
        shape = (notes.step[begin:end], notes.pitch[begin:end] - lowest, notes.duration[begin:end])
        digest = hashlib.blake2b(np.stack(shape).astype("<i4").tobytes(), digest_size=8).digest()
        found.append(int.from_bytes(digest, "little", signed=True))
    return np.unique(np.array(found, np.int64))


def write_shard(path: Path, songs: list[StoredSong]) -> None:
    """Write songs to one Arrow file, aside and then renamed."""
    import pyarrow as pa

    columns: dict[str, Any] = {
        "path": pa.array([song.path for song in songs], pa.string()),
        "frame": pa.array([json.dumps(_frame(song.bars)) for song in songs], pa.string()),
        "fingerprints": _lists(song.fingerprints for song in songs),
    }
    for name in _BAR_COLUMNS:
        columns[f"bar_{name}"] = _lists(getattr(song.bars.grid, name) for song in songs)
    for name in _NOTE_COLUMNS:
        columns[f"note_{name}"] = _lists(getattr(song.bars.notes, name) for song in songs)
    table = pa.table(columns)
    with (
        replacing(path) as aside,
        pa.OSFile(str(aside), "wb") as sink,
        pa.ipc.new_file(sink, table.schema) as writer,
    ):
        writer.write_table(table)


class Shards:
    """A prepared folder, memory-mapped; iterate over it for its songs in their order."""

    def __init__(self, folder: str | Path) -> None:
        import pyarrow as pa

        self.folder = Path(folder)
        try:
            self.index: dict[str, Any] = json.loads((self.folder / "index.json").read_text("utf-8"))
        except (OSError, ValueError):
            hint = f"musicvae prepare MIDI_FOLDER --out {self.folder}"
            raise DataError(f"{self.folder}: not a prepared folder; run {hint}") from None
        if self.index.get("format") != FORMAT:
            reason = f"prepared in format {self.index.get('format')}, this version reads {FORMAT}"
            raise DataError(f"{self.folder}: {reason}; prepare it again")
        self._tables = [
            pa.ipc.open_file(pa.memory_map(str(self.folder / name))).read_all()
            for name in self.index["shards"]
        ]

    def __len__(self) -> int:
        return sum(table.num_rows for table in self._tables)

    def __iter__(self) -> Iterator[StoredSong]:
        for table in self._tables:
            columns = {
                name: table.column(name).combine_chunks()
                for name in table.schema.names
                if name not in ("path", "frame")
            }
            offsets = {name: column.offsets.to_numpy() for name, column in columns.items()}
            values = {name: column.values.to_numpy() for name, column in columns.items()}
            for row in range(table.num_rows):
                flat = {
                    name: values[name][offsets[name][row] : offsets[name][row + 1]]
                    for name in columns
                }
                frame = json.loads(table.column("frame")[row].as_py())
                yield _stored(table.column("path")[row].as_py(), frame, flat)


def write_index(folder: Path, index: dict[str, Any]) -> None:
    """Write what makes a folder a dataset, last of all."""
    content = json.dumps({"format": FORMAT, **index}, indent=1, sort_keys=True)
    write_bytes(folder / "index.json", (content + "\n").encode())


def is_prepared(folder: str | Path) -> bool:
    """Whether a folder holds shards rather than MIDI."""
    return (Path(folder) / "index.json").is_file()


def _lists(arrays: Any) -> Any:
    import pyarrow as pa

    arrays = list(arrays)
    offsets = np.concatenate([[0], np.cumsum([len(a) for a in arrays])]).astype(np.int64)
    flat = np.concatenate([np.zeros(0, np.int64), *arrays])
    small = np.iinfo(np.int32)
    if len(flat) and (flat.min() < small.min or flat.max() > small.max):
        values = pa.array(flat, pa.int64())
    else:
        values = pa.array(flat.astype(np.int32), pa.int32())
    return pa.LargeListArray.from_arrays(pa.array(offsets), values)


def _frame(bars: Bars) -> dict[str, Any]:
    frame = bars.frame
    return {
        "parts": [[part.name, part.program, part.is_drum] for part in frame.parts],
        "tempo": [frame.tempo.ticks.tolist(), frame.tempo.us_per_quarter.tolist()],
        "meter": [getattr(frame.meter, n).tolist() for n in ("ticks", "numerator", "denominator")],
        "key": [getattr(frame.key, n).tolist() for n in ("ticks", "fifths", "minor")],
        "ticks_per_quarter": frame.ticks_per_quarter,
        "end_ticks": frame.end_ticks,
        "steps_per_quarter": bars.grid.steps_per_quarter,
        "counts": [bars.moved, bars.merged],
    }


def _stored(path: str, frame: dict[str, Any], flat: dict[str, Any]) -> StoredSong:
    arrays = {name: column.astype(np.int64) for name, column in flat.items()}
    song = Song(
        ticks_per_quarter=frame["ticks_per_quarter"],
        parts=tuple(Part.empty(*part) for part in frame["parts"]),
        tempo=Tempo(**dict(zip(("ticks", "us_per_quarter"), frame["tempo"], strict=True))),
        meter=Meter(
            **dict(zip(("ticks", "numerator", "denominator"), frame["meter"], strict=True))
        ),
        key=Key(**dict(zip(("ticks", "fifths", "minor"), frame["key"], strict=True))),
        end_ticks=frame["end_ticks"],
    )
    grid = Grid(
        steps_per_quarter=frame["steps_per_quarter"],
        ticks_per_quarter=frame["ticks_per_quarter"],
        **{name: arrays[f"bar_{name}"] for name in _BAR_COLUMNS},
    )
    notes = Notes(**{name: arrays[f"note_{name}"] for name in _NOTE_COLUMNS})
    moved, merged = frame["counts"]
    bars = Bars(frame=song, grid=grid, notes=notes, moved=moved, merged=merged)
    return StoredSong(path=path, bars=bars, fingerprints=arrays["fingerprints"])
