"""Floor 5: songs that are the same, or much alike, also transposed, among any number of songs.

Of a song this holds some thirty bytes; the hashes of its bars wait in temporary files, sorted
roughly, so that one part of them after the other can be compared in little memory.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from types import TracebackType
from typing import Any, NamedTuple, Self

import numpy as np

from musicvae.data.fingerprints import Hashes, set_hash
from musicvae.data.shards import Clusters
from musicvae.song import Ints

SHARED = 0.5  # share of the smaller song's bars that makes two songs one
COMMON = 20  # a bar found in more songs than this says nothing about any two of them
_BITS = 5  # the temporary files are told apart by so many bits of a hash
_WAITING = 1 << 15  # hashes held before they go into files
_RECORD = np.dtype([("print", "<u8"), ("song", "<u4")])


class Group(NamedTuple):
    """Songs that are one: `kind` says how, `rows` which files, by number in the order of files."""

    kind: str
    rows: list[int]


KINDS = ("same bytes", "same music", "transposed", "near")


class Finder:
    """Takes record batches as they come; then tells groups and clusters. Used in a `with`."""

    def __init__(self) -> None:
        self._files: list[Any] = [tempfile.TemporaryFile() for _ in range(1 << _BITS)]  # noqa: SIM115
        self._songs: dict[str, list[np.ndarray]] = {
            name: [] for name in ("row", "content", "music", "lowest", "count", "set")
        }
        self._waiting: list[np.ndarray] = []
        self._n_rows = self._n_songs = self._n_waiting = 0

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
        """Take up the songs of a batch (`rows.pack`)."""
        # Asked of each in turn: Arrow's own question loads its compute module, 60 ms and 5 MB.
        kept = np.flatnonzero([reason is None for reason in batch.column("reason").to_pylist()])
        content = np.frombuffer(batch.column("content").buffers()[1], "<u8").reshape(-1, 2)
        prints = batch.column("prints")
        values, offsets = prints.values.to_numpy(), prints.offsets.to_numpy().astype(np.int64)
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
        records["print"] = values  # skipped files have none
        records["song"] = np.repeat(np.arange(self._n_songs, self._n_songs + len(kept)), count)
        self._waiting.append(records)
        self._n_waiting += len(records)
        self._n_rows += batch.num_rows
        self._n_songs += len(kept)
        if self._n_waiting > _WAITING:
            self._put_away()

    def find(self) -> tuple[list[Group], Clusters]:
        """Groups of duplicates by kind, and the cluster of every song."""
        self._put_away()
        songs = {name: _flat(columns) for name, columns in self._songs.items()}
        self._songs = {name: [column] for name, column in songs.items()}
        n_songs = len(songs["row"])
        tree = _Tree(n_songs)
        # Songs that have the same bars stand for one another from here on, which keeps pairs few.
        content, music = songs["content"], songs["music"]
        bars = np.where(songs["count"] > 0, songs["set"], music)
        for column in (content, music, bars):
            for same in _equal(column):
                tree.join(same)
        head = tree.heads()
        for one, other in self._alike(head, songs["count"]):
            tree.join([one, other])
        head = tree.heads()
        key = np.full(n_songs, np.iinfo(np.uint64).max)
        np.minimum.at(key, head, bars)
        return list(_groups(songs, head)), Clusters(head, key[head])

    def _alike(self, head: Ints, count: np.ndarray) -> Iterator[tuple[int, int]]:
        """Pairs of heads that share enough of the bars that few songs have."""
        pairs, shared = [np.zeros(0, np.uint64)], [np.zeros(0, np.int64)]
        for file in self._files:
            file.seek(0)
            records = np.frombuffer(file.read(), _RECORD)
            found, number = np.unique(_pairs(records, head), return_counts=True)
            pairs.append(found)
            shared.append(number)
        found, at = np.unique(_flat(pairs), return_inverse=True)
        number = np.bincount(at, _flat(shared), len(found))
        one, other = (found >> np.uint64(32)).astype(np.int64), (found & _LOW).astype(np.int64)
        fewest = np.minimum(count[one], count[other])
        alike = number >= np.maximum(2, SHARED * fewest)
        yield from zip(one[alike].tolist(), other[alike].tolist(), strict=True)

    def _put_away(self) -> None:
        records = _flat([np.zeros(0, _RECORD), *self._waiting])
        part = (records["print"] >> np.uint64(64 - _BITS)).astype(np.int64)
        order = np.argsort(part, kind="stable")
        ends = np.cumsum(np.bincount(part, minlength=1 << _BITS))
        for file, piece in zip(self._files, np.split(records[order], ends[:-1]), strict=True):
            file.write(piece.tobytes())
        self._waiting, self._n_waiting = [], 0


_LOW = np.uint64(0xFFFFFFFF)


def _pairs(records: np.ndarray, head: Ints) -> Hashes:
    """A number for each two heads that share a bar, once for each bar that few songs have."""
    order = np.lexsort((head[records["song"]], records["print"]))
    prints, songs = records["print"][order], head[records["song"]][order].astype(np.uint64)
    first = np.ones(len(prints), bool)
    first[1:] = (prints[1:] != prints[:-1]) | (songs[1:] != songs[:-1])
    prints, songs = prints[first], songs[first]
    begin = np.flatnonzero(np.append(True, prints[1:] != prints[:-1])[: len(prints)])
    size = np.diff(begin, append=len(prints))
    few = np.repeat((size > 1) & (size <= COMMON), size)
    songs, place = songs[few], (np.arange(len(prints)) - np.repeat(begin, size))[few]
    left = np.repeat(size, size)[few] - place - 1  # songs of the same bar after this one
    found = [np.zeros(0, np.uint64)]
    for step in range(1, int(left.max(initial=0)) + 1):
        at = np.flatnonzero(left >= step)
        found.append((songs[at] << np.uint64(32)) | songs[at + step])
    return _flat(found)


def _equal(column: np.ndarray) -> Iterator[list[int]]:
    """The places of each value that is there more than once."""
    order = np.argsort(column, kind="stable")
    values = column[order]
    begin = np.flatnonzero(np.append(True, values[1:] != values[:-1])[: len(values)])
    size = np.diff(begin, append=len(values))
    for at, number in zip(begin[size > 1].tolist(), size[size > 1].tolist(), strict=True):
        yield order[at : at + number].tolist()


def _groups(songs: dict[str, np.ndarray], head: Ints) -> Iterator[Group]:
    """Every group once for each kind of sameness that it has; the closest kind first."""
    row, content, music = songs["row"], songs["content"], songs["music"]
    same = music ^ songs["lowest"].astype(np.uint64)
    inner = (None, content, same, music)
    for kind, column, closer in zip(KINDS, (content, same, music, head), inner, strict=True):
        for places in sorted(_equal(column)):
            if closer is None or len(np.unique(closer[places])) > 1:
                yield Group(kind, row[places].tolist())


def _flat(columns: list[np.ndarray]) -> np.ndarray:
    return np.concatenate(columns) if columns else np.zeros(0, np.uint64)


class _Tree:
    """Union of sets of numbers; the smallest of a set is its head."""

    def __init__(self, size: int) -> None:
        self.parent = np.arange(size, dtype=np.int64)

    def _root(self, of: int) -> int:
        parent = self.parent
        while (above := int(parent[of])) != of:
            parent[of] = parent[above]
            of = above
        return of

    def join(self, members: list[int]) -> None:
        """Make one set of all these."""
        roots = {self._root(member) for member in members}
        for root in roots:
            self.parent[root] = min(roots)

    def heads(self) -> Ints:
        """The head of each number."""
        parent = self.parent
        while not np.array_equal(above := parent[parent], parent):
            parent = above
        self.parent = parent
        return parent
