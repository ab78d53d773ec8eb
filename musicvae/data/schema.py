"""Arrow schema of shards: stored songs <-> rows of record batches, one row per file.

Notes and bars are list columns, which Arrow lays out as flat tables with offsets. A skipped file is
a row too: with its reason, without notes. The bytes of a batch depend on its rows alone, whether
they were just read or reused from an older shard.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

import numpy as np

from musicvae.data.fingerprints import Fingerprint
from musicvae.data.stored_song import StoredSong
from musicvae.representation.bars import Bars, Notes
from musicvae.representation.grid import Grid
from musicvae.song import ChordMap, KeyMap, MeterMap, Part, Song, TempoMap
from musicvae.swing import Swing

FORMAT_VERSION = 4
DIGEST_BYTES = 16
NO_DIGEST = bytes(DIGEST_BYTES)
Row = dict[str, Any]
"""A value for each column: `path`, `content` (hash of the file's bytes), `reason` (None if kept),
`died` (reading it crashed the process), `frame` (the song's header) and `facts` (both JSON),
`music`, `lowest` and `prints` (its `Fingerprint`), and an array for each column of bars and
notes."""

NOTE_COLUMNS = {
    "bar": "int32", "step": "int32", "part": "uint16", "pitch": "uint8", "duration": "int32",
    "velocity": "uint8", "timing": "int16",
}  # fmt: skip
BAR_COLUMNS = {
    "steps": "int32", "lead": "int32", "numerator": "int32", "denominator": "int32",
    "start_ticks": "int64", "length_ticks": "int64",
}  # fmt: skip
LIST_COLUMNS = {
    "prints": "uint64",
    **{f"bar_{name}": kind for name, kind in BAR_COLUMNS.items()},
    **{f"note_{name}": kind for name, kind in NOTE_COLUMNS.items()},
}
BAR_FIELDS = {name: "lead_steps" if name == "lead" else name for name in BAR_COLUMNS}
"""The field of `Grid` that each column of bars holds."""
_CHORD_COLUMNS = ("ticks", "root", "quality", "bass")
SCALAR_COLUMNS = {
    "path": "string", "content": "digest", "reason": "string", "died": "bool", "frame": "string",
    "facts": "string", "music": "uint64", "lowest": "uint8",
}  # fmt: skip
EMPTY_LISTS = {name: np.zeros(0, kind) for name, kind in LIST_COLUMNS.items()}


@cache
def schema() -> Any:
    """Return the Arrow schema of every batch."""
    import pyarrow as pa

    plain = [pa.field(name, _arrow_type(kind)) for name, kind in SCALAR_COLUMNS.items()]
    lists = [pa.field(name, pa.list_(_arrow_type(kind))) for name, kind in LIST_COLUMNS.items()]
    return pa.schema(plain + lists)


def song_to_row(song: StoredSong, content: bytes) -> Row:
    """Return the row of a song; the inverse is `row_to_song`."""
    grid, notes = song.bars.grid, song.bars.notes
    return {
        "path": song.path,
        "content": content,
        "reason": None,
        "died": False,
        "frame": json.dumps(_header(song.bars), separators=(",", ":")),
        "facts": json.dumps(song.facts, separators=(",", ":")),
        "music": song.fingerprint.music_hash,
        "lowest": song.fingerprint.lowest_pitch,
        "prints": song.fingerprint.bar_hashes,
        **{f"bar_{name}": getattr(grid, field) for name, field in BAR_FIELDS.items()},
        **{f"note_{name}": getattr(notes, name) for name in NOTE_COLUMNS},
    }


def skipped_row(path: str, content: bytes, reason: str, *, died: bool = False) -> Row:
    """Return the row of a file that was skipped, with the reason."""
    plain = {"path": path, "content": content, "reason": reason, "died": died}
    return {**plain, "frame": "", "facts": "", "music": 0, "lowest": 0, **EMPTY_LISTS}


def rows_to_batch(rows: Sequence[Row]) -> Any:
    """Return rows as one record batch; the inverse is `batch_to_rows`."""
    import pyarrow as pa

    columns = [
        pa.array([row[name] for row in rows], _arrow_type(kind))
        for name, kind in SCALAR_COLUMNS.items()
    ]
    for name, kind in LIST_COLUMNS.items():
        arrays = [row[name] for row in rows]
        offsets = np.zeros(len(rows) + 1, np.int32)
        np.cumsum([len(array) for array in arrays], out=offsets[1:])
        flat = np.concatenate(arrays, dtype=kind, casting="unsafe") if arrays else EMPTY_LISTS[name]
        columns.append(pa.ListArray.from_arrays(pa.array(offsets), pa.array(flat)))
    return pa.record_batch(columns, schema=schema())


def batch_to_rows(batch: Any) -> Iterator[Row]:
    """Yield the rows of a batch; their arrays are views of it."""
    plain = {name: batch.column(name).to_pylist() for name in SCALAR_COLUMNS}
    lists = {}
    for name in LIST_COLUMNS:
        column = batch.column(name)
        lists[name] = (column.offsets.to_numpy(), column.values.to_numpy())
    for i in range(batch.num_rows):
        row = {name: values[i] for name, values in plain.items()}
        for name, (offsets, values) in lists.items():
            row[name] = values[offsets[i] : offsets[i + 1]]
        yield row


def row_to_song(row: Row) -> StoredSong:
    """Return the song of a row that was kept, with copies of its arrays."""
    header = json.loads(row["frame"])
    song = Song(
        ticks_per_quarter=header["ticks_per_quarter"],
        parts=tuple(Part.empty(*part) for part in header["parts"]),
        tempo=TempoMap(**_by_name(("ticks", "us_per_quarter"), header["tempo"])),
        meter=MeterMap(**_by_name(("ticks", "numerator", "denominator"), header["meter"])),
        key=KeyMap(**_by_name(("ticks", "fifths", "minor"), header["key"])),
        chords=ChordMap(**_by_name(_CHORD_COLUMNS, header.get("chords", [[]] * 4))),
        end_ticks=header["end_ticks"],
        swing=Swing(*header["swing"]) if "swing" in header else None,
    )
    grid = Grid(
        steps_per_quarter=header["steps_per_quarter"],
        ticks_per_quarter=header["ticks_per_quarter"],
        **{field: row[f"bar_{name}"].astype(np.int64) for name, field in BAR_FIELDS.items()},
    )
    notes = Notes(**{name: row[f"note_{name}"].astype(np.int64) for name in NOTE_COLUMNS})
    moved, merged = header["counts"]
    return StoredSong(
        path=row["path"],
        bars=Bars(header=song, grid=grid, notes=notes, n_moved=moved, n_merged=merged),
        fingerprint=Fingerprint(row["prints"].copy(), row["music"], row["lowest"]),
        facts=json.loads(row["facts"]),
    )


def _header(bars: Bars) -> dict[str, Any]:
    song = bars.header
    swing = {} if song.swing is None else {"swing": [song.swing.ratio, song.swing.unit]}
    return swing | {
        "parts": [[part.name, part.program, part.is_drum] for part in song.parts],
        "tempo": [song.tempo.ticks.tolist(), song.tempo.us_per_quarter.tolist()],
        "meter": [getattr(song.meter, n).tolist() for n in ("ticks", "numerator", "denominator")],
        "key": [getattr(song.key, n).tolist() for n in ("ticks", "fifths", "minor")],
        "chords": [getattr(song.chords, name).tolist() for name in _CHORD_COLUMNS],
        "ticks_per_quarter": song.ticks_per_quarter,
        "end_ticks": song.end_ticks,
        "steps_per_quarter": bars.grid.steps_per_quarter,
        "counts": [bars.n_moved, bars.n_merged],
    }


def _by_name(names: tuple[str, ...], columns: list[list[int]]) -> dict[str, Any]:
    return dict(zip(names, columns, strict=True))


def _arrow_type(kind: str) -> Any:
    import pyarrow as pa

    return pa.binary(DIGEST_BYTES) if kind == "digest" else pa.type_for_alias(kind)
