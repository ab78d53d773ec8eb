"""Floor 5: stored songs <-> rows of Arrow record batches, a row a file.

Notes and bars are list columns, which Arrow lays out as flat tables with offsets. A file that was
skipped is a row too: with its reason, without notes. What a batch holds follows from its rows
alone, byte for byte, whether they were read just now or taken over from an older shard.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

import numpy as np

from musicvae.data.fingerprints import Marks
from musicvae.data.stored_song import StoredSong
from musicvae.representation.bars import Bars, Notes
from musicvae.representation.grid import Grid
from musicvae.song import Key, Meter, Part, Song, TempoMap

FORMAT = 4
DIGEST_BYTES = 16
NO_DIGEST = bytes(DIGEST_BYTES)
Row = dict[str, Any]
"""A value for each column: `path`, `content` (hash of the file's bytes), `reason` (None if kept),
`died` (reading it ended the process), `frame` and `facts` (JSON), `music`, `lowest`, `prints`, and
an array for each column of bars and notes."""

_NOTES = {
    "bar": "int32", "step": "int32", "part": "uint16", "pitch": "uint8", "duration": "int32",
    "velocity": "uint8", "timing": "int16",
}  # fmt: skip
_BARS = {
    "steps": "int32", "lead": "int32", "numerator": "int32", "denominator": "int32",
    "start_ticks": "int64", "length_ticks": "int64",
}  # fmt: skip
_LISTS = {
    "prints": "uint64",
    **{f"bar_{name}": kind for name, kind in _BARS.items()},
    **{f"note_{name}": kind for name, kind in _NOTES.items()},
}
_PLAIN = {
    "path": "string", "content": "digest", "reason": "string", "died": "bool", "frame": "string",
    "facts": "string", "music": "uint64", "lowest": "uint8",
}  # fmt: skip
_NOTHING = {name: np.zeros(0, kind) for name, kind in _LISTS.items()}


@cache
def schema() -> Any:
    """The Arrow schema of every batch."""
    import pyarrow as pa

    plain = [pa.field(name, _type(kind)) for name, kind in _PLAIN.items()]
    lists = [pa.field(name, pa.list_(_type(kind))) for name, kind in _LISTS.items()]
    return pa.schema(plain + lists)


def kept_row(song: StoredSong, content: bytes) -> Row:
    """The row of a song; the inverse is `song_of`."""
    grid, notes = song.bars.grid, song.bars.notes
    return {
        "path": song.path,
        "content": content,
        "reason": None,
        "died": False,
        "frame": json.dumps(_frame(song.bars), separators=(",", ":")),
        "facts": json.dumps(song.facts, separators=(",", ":")),
        "music": song.marks.music,
        "lowest": song.marks.lowest,
        "prints": song.marks.bars,
        **{f"bar_{name}": getattr(grid, name) for name in _BARS},
        **{f"note_{name}": getattr(notes, name) for name in _NOTES},
    }


def skipped_row(path: str, content: bytes, reason: str, *, died: bool = False) -> Row:
    """The row of a file that gave nothing, and why."""
    plain = {"path": path, "content": content, "reason": reason, "died": died}
    return {**plain, "frame": "", "facts": "", "music": 0, "lowest": 0, **_NOTHING}


def pack(rows: Sequence[Row]) -> Any:
    """Rows as one record batch; the inverse is `rows_of`."""
    import pyarrow as pa

    columns = [pa.array([row[name] for row in rows], _type(kind)) for name, kind in _PLAIN.items()]
    for name, kind in _LISTS.items():
        arrays = [row[name] for row in rows]
        offsets = np.zeros(len(rows) + 1, np.int32)
        np.cumsum([len(array) for array in arrays], out=offsets[1:])
        flat = np.concatenate(arrays, dtype=kind, casting="unsafe") if arrays else _NOTHING[name]
        columns.append(pa.ListArray.from_arrays(pa.array(offsets), pa.array(flat)))
    return pa.record_batch(columns, schema=schema())


def rows_of(batch: Any) -> Iterator[Row]:
    """The rows of a batch; their arrays are views of it."""
    plain = {name: batch.column(name).to_pylist() for name in _PLAIN}
    lists = {}
    for name in _LISTS:
        column = batch.column(name)
        lists[name] = (column.offsets.to_numpy(), column.values.to_numpy())
    for i in range(batch.num_rows):
        row = {name: values[i] for name, values in plain.items()}
        for name, (offsets, values) in lists.items():
            row[name] = values[offsets[i] : offsets[i + 1]]
        yield row


def song_of(row: Row) -> StoredSong:
    """The song of a row that was kept, its arrays its own."""
    frame = json.loads(row["frame"])
    song = Song(
        ticks_per_quarter=frame["ticks_per_quarter"],
        parts=tuple(Part.empty(*part) for part in frame["parts"]),
        tempo=TempoMap(**_named(("ticks", "us_per_quarter"), frame["tempo"])),
        meter=Meter(**_named(("ticks", "numerator", "denominator"), frame["meter"])),
        key=Key(**_named(("ticks", "fifths", "minor"), frame["key"])),
        end_ticks=frame["end_ticks"],
    )
    grid = Grid(
        steps_per_quarter=frame["steps_per_quarter"],
        ticks_per_quarter=frame["ticks_per_quarter"],
        **{name: row[f"bar_{name}"].astype(np.int64) for name in _BARS},
    )
    notes = Notes(**{name: row[f"note_{name}"].astype(np.int64) for name in _NOTES})
    moved, merged = frame["counts"]
    return StoredSong(
        path=row["path"],
        bars=Bars(frame=song, grid=grid, notes=notes, moved=moved, merged=merged),
        marks=Marks(row["prints"].copy(), row["music"], row["lowest"]),
        facts=json.loads(row["facts"]),
    )


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


def _named(names: tuple[str, ...], columns: list[list[int]]) -> dict[str, Any]:
    return dict(zip(names, columns, strict=True))


def _type(kind: str) -> Any:
    import pyarrow as pa

    return pa.binary(DIGEST_BYTES) if kind == "digest" else pa.type_for_alias(kind)
