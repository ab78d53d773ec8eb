"""Files of a prepared folder: shards with record batches of songs, clusters and an index.

A shard is one Arrow IPC file, memory-mapped when it is read; rolls are never stored. It is written
to a temporary file and named by a hash of its content, so existing shards never change and a
dataset stays intact until the next one is complete. `index.json` is written last: it lists the
valid shards, and a folder without it is not a dataset.
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

from musicvae.arrays import Ints
from musicvae.data.fingerprints import Hashes
from musicvae.data.schema import FORMAT_VERSION, Row, batch_to_rows, row_to_song, schema
from musicvae.data.stored_song import StoredSong
from musicvae.errors import DataError
from musicvae.storage import atomic_path, rename_into_place, write_bytes

PARTIAL_SUFFIX = ".shard.part"
_FILES = ("index.json", "report.json", "clusters.arrow", "split.csv", ".source", ".origin")
"""Files of a prepared folder other than shards."""
ORIGIN_FILE = ".origin"
"""In the cache, the folder as the user gave it, which messages name."""


class ShardsWriter:
    """Writer of shards of `files_per_shard` files each; the inverse is `Shards`.

    It is a context manager: after an exception complete shards remain, and no partial one.
    """

    def __init__(self, folder: Path, settings: str, files_per_shard: int) -> None:
        self._folder, self._settings = folder, settings.encode()
        self._size, self._names = files_per_shard, list[str]()
        self._files = 0
        self._temporary: Path | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._temporary is not None:
            self._sink.close()
            self._temporary.unlink(missing_ok=True)

    def add(self, batch: Any) -> None:
        """Append a batch, in the order of files."""
        if self._temporary is None:
            self._begin()
        self._digest.update(batch.serialize())
        self._writer.write_batch(batch)
        self._files += batch.num_rows
        if self._files >= self._size:
            self._end()

    def finish(self) -> list[str]:
        """Finish the last shard and return the names of all, in order."""
        if self._temporary is not None:
            self._end()
        return self._names

    def _begin(self) -> None:
        import pyarrow as pa

        handle, name = tempfile.mkstemp(dir=self._folder, prefix=".", suffix=PARTIAL_SUFFIX)
        self._temporary, self._files = Path(name), 0
        self._sink = os.fdopen(handle, "wb")
        self._digest = hashlib.blake2b(self._settings, digest_size=8)
        schema_with_settings = schema().with_metadata({"settings": self._settings})
        self._writer = pa.ipc.new_file(self._sink, schema_with_settings)

    def _end(self) -> None:
        assert self._temporary is not None
        self._writer.close()
        self._sink.close()
        name = f"shard-{len(self._names):05d}-{self._digest.hexdigest()}.arrow"
        target = self._folder / name
        # A complete shard of this name has this content and stays: readers may have it open.
        if not target.exists() or target.stat().st_size != self._temporary.stat().st_size:
            rename_into_place(self._temporary, target)
        self._temporary.unlink(missing_ok=True)
        self._names.append(name)
        self._temporary = None


class Shards:
    """A prepared folder; iterating over it yields its songs (`StoredSong`) in order.

    `origin` is the folder for messages: that of the songs if it was prepared in the cache.

    Raises `DataError` if the folder is not prepared, or in a format of another version.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self.origin = read_origin(self.folder)
        try:
            self.index: dict[str, Any] = json.loads((self.folder / "index.json").read_text("utf-8"))
        except (OSError, ValueError):
            hint = f"musicvae prepare MIDI_FOLDER --out {self.folder}"
            raise DataError(f"{self.folder}: not a prepared folder; run {hint}") from None
        if self.index.get("format") != FORMAT_VERSION:
            found = self.index.get("format")
            reason = f"prepared in format {found}, this version reads {FORMAT_VERSION}"
            raise DataError(f"{self.origin}: {reason}; prepare it again")

    def __len__(self) -> int:
        return int(self.index["report"]["kept"])

    def __iter__(self) -> Iterator[StoredSong]:
        return (row_to_song(row) for row in self.rows() if row["reason"] is None)

    def rows(self) -> Iterator[Row]:
        """Yield a row for each file, including skipped ones."""
        for batch in iter_batches(self.folder, self.index["shards"]):
            yield from batch_to_rows(batch)

    def paths(self) -> Iterator[str]:
        """Yield the path of each song."""
        for batch in iter_batches(self.folder, self.index["shards"]):
            columns = (batch.column(name).to_pylist() for name in ("path", "reason"))
            yield from (path for path, reason in zip(*columns, strict=True) if reason is None)

    def clusters(self) -> Clusters:
        """Return the cluster of each song."""
        return read_clusters(self.folder / self.index["clusters"])


def read_origin(folder: Path) -> Path:
    """Return the folder of the songs for a folder in the cache, else the folder itself."""
    try:
        return Path(os.fsdecode((folder / ORIGIN_FILE).read_bytes()))
    except OSError:
        return folder


def write_origin(folder: Path, origin: Path) -> None:
    """Write the folder of the songs into a folder in the cache, unless it is there."""
    if read_origin(folder) != origin:
        write_bytes(folder / ORIGIN_FILE, os.fsencode(origin))


class Clusters(NamedTuple):
    """Clusters of duplicates: one entry for each song, in the order of the shards."""

    head: Ints
    """Index of the first song of the cluster."""
    key: Hashes
    """Hash of the content of the cluster, independent of the order of songs."""


def write_clusters(path: Path, clusters: Clusters) -> None:
    """Write clusters to an Arrow file; the inverse is `read_clusters`."""
    import pyarrow as pa

    table = pa.table({"head": clusters.head.astype(np.uint32), "key": clusters.key})
    with (
        atomic_path(path) as temporary,
        pa.OSFile(os.fsencode(temporary), "wb") as sink,
        pa.ipc.new_file(sink, table.schema) as writer,
    ):
        writer.write_table(table)


def read_clusters(path: Path) -> Clusters:
    """Read clusters from a file of `write_clusters`."""
    import pyarrow as pa

    with pa.OSFile(os.fsencode(path)) as source, pa.ipc.open_file(source) as reader:
        table = reader.read_all()
    head, key = (table.column(name).to_numpy() for name in ("head", "key"))
    return Clusters(head.astype(np.int64), key)


def iter_batches(folder: Path, names: list[str]) -> Iterator[Any]:
    """Yield the batches of shards, with one shard open at a time.

    Raises `DataError` for a missing or damaged shard.
    """
    for name in names:
        shard = open_shard(folder / name)
        if shard is None:
            raise DataError(f"{folder / name}: missing or damaged; prepare the folder again")
        for number in range(shard.num_record_batches):
            yield shard.get_batch(number)


def open_shard(path: Path) -> Any:
    """Memory-map a shard; None if it is missing or incomplete."""
    import pyarrow as pa

    try:
        return pa.ipc.open_file(pa.memory_map(os.fsencode(path)))
    except (OSError, pa.ArrowInvalid):
        return None


def shard_paths(folder: Path) -> list[Path]:
    """Return the paths of all shards in a folder, whether listed in the index or not."""
    return sorted(folder.glob("shard-*.arrow"))


def write_index(folder: Path, index: dict[str, Any]) -> None:
    """Write `index.json`, which makes a folder a dataset; then delete leftovers.

    These are shards that the index does not list, and temporary files of killed runs.
    """
    content = json.dumps({"format": FORMAT_VERSION, **index}, indent=1, sort_keys=True)
    write_bytes(folder / "index.json", (content + "\n").encode())
    listed = set(index["shards"])
    # Of temporary files only its own: another command may be writing into the folder.
    own = [f".*{PARTIAL_SUFFIX}", *(f".{name}.*.part" for name in _FILES)]
    for path in (*shard_paths(folder), *(file for each in own for file in folder.glob(each))):
        if path.name not in listed:
            with suppress(OSError):  # Windows keeps files that another process has mapped
                path.unlink()


def is_prepared(folder: str | Path) -> bool:
    """Return whether a folder holds shards rather than music files."""
    return (Path(folder) / "index.json").is_file()
