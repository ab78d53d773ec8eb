"""Floor 5: record batches of songs <-> the files of a prepared folder.

A shard is one Arrow IPC file, memory-mapped when it is read; rolls are never stored. It is written
aside as its batches come and named by what is in it, so shards that are there are never changed: a
dataset stays whole until the next one is. `index.json` is written last: it names the shards that
count, and a folder without it is not a dataset.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np

from musicvae.data.fingerprints import Hashes
from musicvae.data.schema import FORMAT, Row, rows_of, schema, song_of
from musicvae.data.stored_song import StoredSong
from musicvae.errors import DataError
from musicvae.song import Ints
from musicvae.storage import put_in_place, replacing, write_bytes

_PART = ".shard.part"


class ShardsWriter:
    """Shards of so many files each, from batches that come in order; the inverse is `Shards`.

    Used in a `with`: left by an exception, it leaves whole shards behind and no piece of one.
    """

    def __init__(self, folder: Path, settings: str, files_per_shard: int) -> None:
        self._folder, self._settings = folder, settings.encode()
        self._size, self._names = files_per_shard, list[str]()
        self._files = 0
        self._aside: Path | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._aside is not None:
            self._sink.close()
            self._aside.unlink(missing_ok=True)

    def add(self, batch: Any) -> None:
        """Append a batch."""
        if self._aside is None:
            self._begin()
        self._digest.update(batch.serialize())
        self._writer.write_batch(batch)
        self._files += batch.num_rows
        if self._files >= self._size:
            self._end()

    def finish(self) -> list[str]:
        """End the last shard; the names of all, in order."""
        if self._aside is not None:
            self._end()
        return self._names

    def _begin(self) -> None:
        import pyarrow as pa

        handle, name = tempfile.mkstemp(dir=self._folder, prefix=".", suffix=_PART)
        self._aside, self._files = Path(name), 0
        self._sink = os.fdopen(handle, "wb")
        self._digest = hashlib.blake2b(self._settings, digest_size=8)
        described = schema().with_metadata({"settings": self._settings})
        self._writer = pa.ipc.new_file(self._sink, described)

    def _end(self) -> None:
        assert self._aside is not None
        self._writer.close()
        self._sink.close()
        name = f"shard-{len(self._names):05d}-{self._digest.hexdigest()}.arrow"
        there = self._folder / name
        # The name says what is in it, so one that is whole is left alone: readers may have it open.
        if not there.exists() or there.stat().st_size != self._aside.stat().st_size:
            put_in_place(self._aside, there)
        self._aside.unlink(missing_ok=True)
        self._names.append(name)
        self._aside = None


class Shards:
    """A prepared folder; iterate over it for its songs in their order."""

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        try:
            self.index: dict[str, Any] = json.loads((self.folder / "index.json").read_text("utf-8"))
        except (OSError, ValueError):
            hint = f"musicvae prepare MIDI_FOLDER --out {self.folder}"
            raise DataError(f"{self.folder}: not a prepared folder; run {hint}") from None
        if self.index.get("format") != FORMAT:
            reason = f"prepared in format {self.index.get('format')}, this version reads {FORMAT}"
            raise DataError(f"{self.folder}: {reason}; prepare it again")

    def __len__(self) -> int:
        return int(self.index["report"]["kept"])

    def __iter__(self) -> Iterator[StoredSong]:
        return (song_of(row) for row in self.rows() if row["reason"] is None)

    def rows(self) -> Iterator[Row]:
        """A row for each file, those that were skipped among them."""
        for batch in batches_of(self.folder, self.index["shards"]):
            yield from rows_of(batch)

    def clusters(self) -> Clusters:
        """Which songs belong together, one entry a song."""
        return read_clusters(self.folder / self.index["clusters"])


class Clusters(NamedTuple):
    """For each song, in the order of the shards: where it belongs."""

    head: Ints
    """The first song of its cluster."""
    key: Hashes
    """A number for what its cluster holds, which its place in the order has no part in."""


def write_clusters(path: Path, clusters: Clusters) -> None:
    """Write clusters to an Arrow file; the inverse is `read_clusters`."""
    import pyarrow as pa

    table = pa.table({"head": clusters.head.astype(np.uint32), "key": clusters.key})
    with (
        replacing(path) as aside,
        pa.OSFile(os.fsencode(aside), "wb") as sink,
        pa.ipc.new_file(sink, table.schema) as writer,
    ):
        writer.write_table(table)


def read_clusters(path: Path) -> Clusters:
    """Clusters from the file that `write_clusters` made."""
    import pyarrow as pa

    with pa.OSFile(os.fsencode(path)) as source, pa.ipc.open_file(source) as reader:
        table = reader.read_all()
    head, key = (table.column(name).to_numpy() for name in ("head", "key"))
    return Clusters(head.astype(np.int64), key)


def batches_of(folder: Path, names: list[str]) -> Iterator[Any]:
    """The batches of shards, one shard open at a time."""
    for name in names:
        shard = open_shard(folder / name)
        if shard is None:
            raise DataError(f"{folder / name}: missing or damaged; prepare the folder again")
        for number in range(shard.num_record_batches):
            yield shard.get_batch(number)


def open_shard(path: Path) -> Any:
    """A shard, memory-mapped; None if it is not there, or not whole."""
    import pyarrow as pa

    try:
        return pa.ipc.open_file(pa.memory_map(os.fsencode(path)))
    except (OSError, pa.ArrowInvalid):
        return None


def shards_in(folder: Path) -> list[Path]:
    """Every shard in a folder, whether an index names it or not."""
    return sorted(folder.glob("shard-*.arrow"))


def write_index(folder: Path, index: dict[str, Any]) -> None:
    """Write what makes a folder a dataset, last of all; then remove what does not count.

    That is shards that no index names, and files that were being written when a run was killed.
    """
    content = json.dumps({"format": FORMAT, **index}, indent=1, sort_keys=True)
    write_bytes(folder / "index.json", (content + "\n").encode())
    named = set(index["shards"])
    for path in (*shards_in(folder), *folder.glob(".*.part")):
        if path.name not in named:
            with suppress(OSError):  # Windows keeps what another process has mapped
                path.unlink()


def is_prepared(folder: str | Path) -> bool:
    """Whether a folder holds shards rather than MIDI."""
    return (Path(folder) / "index.json").is_file()
