"""Floor 5: rows that earlier runs have left in a folder, found by the bytes of their files."""

from __future__ import annotations

from functools import cache, lru_cache
from pathlib import Path

import numpy as np

from musicvae.data.schema import NO_DIGEST, Row, rows_of
from musicvae.data.shards import open_shard, shards_in

_BITS = 20  # of a place, for the row in its batch and for the batch in its shard each


class Earlier:
    """The rows of all shards in a folder that were made with some settings.

    Held are sixteen bytes a row. Rows in which the process died are not among them: the next run
    tries those files again.
    """

    def __init__(self, folder: Path, settings: str) -> None:
        self.paths: list[Path] = []
        keys, places = [np.zeros(0, np.uint64)], [np.zeros(0, np.int64)]
        for path in shards_in(folder):
            shard = open_shard(path)
            if shard is None or (shard.schema.metadata or {}).get(b"settings") != settings.encode():
                continue
            for number in range(shard.num_record_batches):
                batch = shard.get_batch(number)
                digests = np.frombuffer(batch.column("content").buffers()[1], "<u8")
                first = digests.reshape(-1, 2)[: batch.num_rows, 0]
                died = batch.column("died").to_numpy(zero_copy_only=False)
                usable = np.flatnonzero((first != 0) & ~died)
                place = (len(self.paths) << 2 * _BITS) + (number << _BITS)
                keys.append(first[usable].astype(np.uint64))
                places.append(place + usable)
            self.paths.append(path)
        flat = np.concatenate(keys)
        order = np.argsort(flat, kind="stable")
        self.keys, self.places = flat[order], np.concatenate(places)[order]

    def row(self, content: bytes) -> Row | None:
        """The row of a file whose bytes have this hash, if there is one."""
        if not len(self.keys) or content == NO_DIGEST:
            return None
        key = np.uint64(int.from_bytes(content[:8], "little"))
        at = int(np.searchsorted(self.keys, key))
        if at == len(self.keys) or self.keys[at] != key:
            return None
        place = int(self.places[at])
        shard, rest = divmod(place, 1 << 2 * _BITS)
        number, i = divmod(rest, 1 << _BITS)
        rows = _rows(self.paths[shard], number)
        return rows[i] if rows and rows[i]["content"] == content else None


@cache
def earlier(folder: str, settings: str) -> Earlier:
    """The one `Earlier` of this process for a folder: as it was when the process first asked."""
    return Earlier(Path(folder), settings)


@lru_cache(maxsize=4)
def _rows(path: Path, number: int) -> list[Row]:
    shard = open_shard(path)  # it may have been removed since
    return [] if shard is None else list(rows_of(shard.get_batch(number)))
