"""Detection of duplicate, transposed and near-duplicate songs in any number of songs.

It holds about thirty bytes per song in memory. The hashes of bars go to temporary files, one for
each bucket of hash values, and are compared bucket by bucket.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from types import TracebackType
from typing import Any, NamedTuple, Self

import numpy as np

from musicvae.arrays import Ints, ragged_range
from musicvae.data.fingerprints import Hashes, set_hash
from musicvae.data.shards import Clusters

MIN_SHARED_BARS = 0.5  # share of the smaller song's bars that makes two songs near-duplicates
MAX_SONGS_PER_BAR = 20  # bars found in more songs than this are too common to count
BUCKET_BITS = 5  # leading bits of a hash that select its temporary file
MAX_PENDING_HASHES = 1 << 15  # hashes in memory before they are written
_RECORD = np.dtype([("hash", "<u8"), ("song", "<u4")])


class DuplicateGroup(NamedTuple):
    """A group of duplicates: its kind, and the row of each file in the order of files."""

    kind: str
    rows: list[int]


DUPLICATE_KINDS = ("same bytes", "same music", "transposed", "near")


class DuplicateFinder:
    """Collector of record batches that then finds duplicates; a context manager."""

    def __init__(self) -> None:
        self._files: list[Any] = [tempfile.TemporaryFile() for _ in range(1 << BUCKET_BITS)]  # noqa: SIM115
        self._songs: dict[str, list[np.ndarray]] = {
            name: [] for name in ("row", "content", "music", "lowest", "count", "set")
        }
        self._pending: list[np.ndarray] = []
        self._n_rows = self._n_songs = self._n_pending = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        for file in self._files:
            file.close()

    def add(self, batch: Any) -> None:
        """Add the songs of a batch (`schema.rows_to_batch`)."""
        # Tested one by one: Arrow's null test loads its compute module, 60 ms and 5 MB.
        kept = np.flatnonzero([reason is None for reason in batch.column("reason").to_pylist()])
        content = np.frombuffer(batch.column("content").buffers()[1], "<u8").reshape(-1, 2)
        hashes = batch.column("prints")
        values, offsets = hashes.values.to_numpy(), hashes.offsets.to_numpy().astype(np.int64)
        count = np.diff(offsets)[kept]
        columns = {
            "row": (self._n_rows + kept).astype(np.uint32),
            "content": content[kept, 0].copy(),
            "music": batch.column("music").to_numpy()[kept],
            "lowest": batch.column("lowest").to_numpy()[kept],
            "count": count.astype(np.uint32),
            "set": set_hash(values, offsets)[kept],
        }
        for name, column in columns.items():
            self._songs[name].append(column)
        records = np.empty(len(values), _RECORD)
        records["hash"] = values  # skipped files have none
        records["song"] = np.repeat(np.arange(self._n_songs, self._n_songs + len(kept)), count)
        self._pending.append(records)
        self._n_pending += len(records)
        self._n_rows += batch.num_rows
        self._n_songs += len(kept)
        if self._n_pending > MAX_PENDING_HASHES:
            self._flush()

    def find(self) -> tuple[list[DuplicateGroup], Clusters]:
        """Return the groups of duplicates by kind, and the cluster of every song."""
        self._flush()
        songs = {name: _concatenate(columns) for name, columns in self._songs.items()}
        self._songs = {name: [column] for name, column in songs.items()}
        n_songs = len(songs["row"])
        sets = _UnionFind(n_songs)
        # Songs with the same bars are joined first, which keeps the number of pairs small.
        content, music = songs["content"], songs["music"]
        bars = np.where(songs["count"] > 0, songs["set"], music)
        for column in (content, music, bars):
            for same in _repeated_values(column):
                sets.join(same)
        head = sets.heads()
        for one, other in self._near_pairs(head, songs["count"]):
            sets.join([one, other])
        head = sets.heads()
        key = np.full(n_songs, np.iinfo(np.uint64).max)
        np.minimum.at(key, head, bars)
        return list(_duplicate_groups(songs, head)), Clusters(head, key[head])

    def _near_pairs(self, head: Ints, count: np.ndarray) -> Iterator[tuple[int, int]]:
        """Yield pairs of heads that share enough bars, not counting common ones."""
        pairs, shared = [np.zeros(0, np.uint64)], [np.zeros(0, np.int64)]
        for file in self._files:
            file.seek(0)
            records = np.frombuffer(file.read(), _RECORD)
            found, number = np.unique(_song_pairs(records, head), return_counts=True)
            pairs.append(found)
            shared.append(number)
        found, at = np.unique(_concatenate(pairs), return_inverse=True)
        number = np.bincount(at, _concatenate(shared), len(found))
        one, other = (
            (found >> np.uint64(32)).astype(np.int64),
            (found & LOW_32_BITS).astype(np.int64),
        )
        fewest = np.minimum(count[one], count[other])
        near = number >= np.maximum(2, MIN_SHARED_BARS * fewest)
        yield from zip(one[near].tolist(), other[near].tolist(), strict=True)

    def _flush(self) -> None:
        records = _concatenate([np.zeros(0, _RECORD), *self._pending])
        bucket = (records["hash"] >> np.uint64(64 - BUCKET_BITS)).astype(np.int64)
        order = np.argsort(bucket, kind="stable")
        ends = np.cumsum(np.bincount(bucket, minlength=1 << BUCKET_BITS))
        for file, part in zip(self._files, np.split(records[order], ends[:-1]), strict=True):
            file.write(part.tobytes())
        self._pending, self._n_pending = [], 0


LOW_32_BITS = np.uint64(0xFFFFFFFF)


def _song_pairs(records: np.ndarray, head: Ints) -> Hashes:
    """Return `head << 32 | head` for each two heads that share a bar, once per uncommon bar."""
    order = np.lexsort((head[records["song"]], records["hash"]))
    hashes, songs = records["hash"][order], head[records["song"]][order].astype(np.uint64)
    first = np.ones(len(hashes), bool)
    first[1:] = (hashes[1:] != hashes[:-1]) | (songs[1:] != songs[:-1])
    hashes, songs = hashes[first], songs[first]
    begin = np.flatnonzero(np.append(True, hashes[1:] != hashes[:-1])[: len(hashes)])
    size = np.diff(begin, append=len(hashes))
    uncommon = np.repeat((size > 1) & (size <= MAX_SONGS_PER_BAR), size)
    songs, place = songs[uncommon], ragged_range(size)[uncommon]
    left = np.repeat(size, size)[uncommon] - place - 1  # songs of the same bar after this one
    found = [np.zeros(0, np.uint64)]
    for step in range(1, int(left.max(initial=0)) + 1):
        at = np.flatnonzero(left >= step)
        found.append((songs[at] << np.uint64(32)) | songs[at + step])
    return _concatenate(found)


def _repeated_values(column: np.ndarray) -> Iterator[list[int]]:
    """Yield the indices of each value that occurs more than once."""
    order = np.argsort(column, kind="stable")
    values = column[order]
    begin = np.flatnonzero(np.append(True, values[1:] != values[:-1])[: len(values)])
    size = np.diff(begin, append=len(values))
    for at, number in zip(begin[size > 1].tolist(), size[size > 1].tolist(), strict=True):
        yield order[at : at + number].tolist()


def _duplicate_groups(songs: dict[str, np.ndarray], head: Ints) -> Iterator[DuplicateGroup]:
    """Yield every group once for each kind of duplicate that it holds, the closest kind first."""
    row, content, music = songs["row"], songs["content"], songs["music"]
    same = music ^ songs["lowest"].astype(np.uint64)
    inner = (None, content, same, music)
    for kind, column, closer in zip(
        DUPLICATE_KINDS, (content, same, music, head), inner, strict=True
    ):
        for places in sorted(_repeated_values(column)):
            if closer is None or len(np.unique(closer[places])) > 1:
                yield DuplicateGroup(kind, row[places].tolist())


def _concatenate(columns: list[np.ndarray]) -> np.ndarray:
    return np.concatenate(columns) if columns else np.zeros(0, np.uint64)


class _UnionFind:
    """Union-find over integers; the smallest member of a set is its head."""

    def __init__(self, size: int) -> None:
        self.parent = np.arange(size, dtype=np.int64)

    def _root(self, member: int) -> int:
        parent = self.parent
        while (above := int(parent[member])) != member:
            parent[member] = parent[above]
            member = above
        return member

    def join(self, members: list[int]) -> None:
        """Merge the sets of these members."""
        roots = {self._root(member) for member in members}
        for root in roots:
            self.parent[root] = min(roots)

    def heads(self) -> Ints:
        """Return the head of each integer."""
        parent = self.parent
        while not np.array_equal(above := parent[parent], parent):
            parent = above
        self.parent = parent
        return parent
