"""Rows that earlier runs left in a folder, looked up by the hash of a file's bytes."""

from __future__ import annotations

from functools import cache, lru_cache
from pathlib import Path

import numpy as np

from musicvae.data.schema import NO_DIGEST, Row, batch_to_rows
from musicvae.data.shards import open_shard, shard_paths

LOCATION_BITS = 20  # bits for a row within its batch, and for a batch within its shard


class PreviousRows:
    """Index of the rows of all shards in a folder that were made with the given settings.

    It holds sixteen bytes per row. Rows of files that crashed the reader are left out: the next
    run tries those files again.
    """

    def __init__(self, folder: Path, settings: str) -> None:
        self.paths: list[Path] = []
        keys, locations = [np.zeros(0, np.uint64)], [np.zeros(0, np.int64)]
        for path in shard_paths(folder):
            shard = open_shard(path)
            if shard is None or (shard.schema.metadata or {}).get(b"settings") != settings.encode():
                continue
            for number in range(shard.num_record_batches):
                batch = shard.get_batch(number)
                digests = np.frombuffer(batch.column("content").buffers()[1], "<u8")
                first = digests.reshape(-1, 2)[: batch.num_rows, 0]
                crashed = batch.column("died").to_numpy(zero_copy_only=False)
                usable = np.flatnonzero((first != 0) & ~crashed)
                base = (len(self.paths) << 2 * LOCATION_BITS) + (number << LOCATION_BITS)
                keys.append(first[usable].astype(np.uint64))
                locations.append(base + usable)
            self.paths.append(path)
        flat = np.concatenate(keys)
        order = np.argsort(flat, kind="stable")
        self.keys, self.locations = flat[order], np.concatenate(locations)[order]

    def row(self, content: bytes) -> Row | None:
        """Return the row of a file whose bytes have this hash, or None."""
        if not len(self.keys) or content == NO_DIGEST:
            return None
        key = np.uint64(int.from_bytes(content[:8], "little"))
        at = int(np.searchsorted(self.keys, key))
        if at == len(self.keys) or self.keys[at] != key:
            return None
        shard, rest = divmod(int(self.locations[at]), 1 << 2 * LOCATION_BITS)
        number, i = divmod(rest, 1 << LOCATION_BITS)
        rows = _batch_rows(self.paths[shard], number)
        return rows[i] if rows and rows[i]["content"] == content else None


@cache
def previous_rows(folder: str, settings: str) -> PreviousRows:
    """Return the index of a folder, built once per process at the first call."""
    return PreviousRows(Path(folder), settings)


@lru_cache(maxsize=4)
def _batch_rows(path: Path, number: int) -> list[Row]:
    shard = open_shard(path)  # it may have been deleted in the meantime
    return [] if shard is None else list(batch_to_rows(shard.get_batch(number)))
