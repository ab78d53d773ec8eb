"""Floor 5: a folder of files -> shards, and a report that accounts for every file.

Files are read in sandboxes (`chunks.Reader`), some at a time; this process appends what comes to
shards and keeps a few numbers a song, so memory does not grow with the folder. Rows that an earlier
run left in the target, finished or not, are taken over wherever the bytes of a file are the same.
"""

from __future__ import annotations

import hashlib
import json
from collections import deque
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from musicvae.data.counts import Tally
from musicvae.data.discover import files_under, look, nothing_in
from musicvae.data.duplicates import Finder
from musicvae.data.reader import Names, Reader, crashed_row, packed, unpacked
from musicvae.data.report import PrepareReport, write_report
from musicvae.data.sandbox import Failure, Limits, cores, run
from musicvae.data.schema import FORMAT, Row, rows_of
from musicvae.data.shards import ShardsWriter, is_prepared, write_clusters, write_index
from musicvae.data.stored_song import READER
from musicvae.errors import DataError, WriteError, reason_of
from musicvae.io.options import ReadOptions
from musicvae.storage import cache_folder, writable_folder, write_bytes

Progress = Callable[[int, int], None]
FILES_PER_SHARD = 256
FILES_PER_CHUNK = 32
_CLUSTERS = "clusters.arrow"
_STATE = ".source"


def prepare(
    source: str | Path,
    out: str | Path,
    *,
    options: ReadOptions | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
) -> PrepareReport:
    """Read every file under `source` into shards in `out`, in sorted order.

    Args:
        source: a folder; `out` may lie in it, and is then left out.
        out: where shards, `report.json` and `index.json` go. What an interrupted or an earlier run
            left there is gone on with: files with the same bytes, read with the same options, are
            not read again.
        options: how files become songs.
        workers: processes that read; one a core if not given.
        progress: told how many files are done, and of how many.

    Same files, same bytes, whatever the number of workers and however often it was interrupted.
    Raises `DataError` if nothing usable was found, `WriteError` if `out` cannot be written. Until
    the end a dataset that was in `out` stays as it is.
    """
    options = options or ReadOptions()
    return fill(Path(source), Path(out), Readers(options), workers=workers, progress=progress)


class Readers:
    """What files are read with: options and limits; tests put another `intake` in its place."""

    def __init__(self, options: ReadOptions, limits: Limits | None = None, **intake: Any) -> None:
        self.options, self.limits, self.intake = options, limits or Limits(), intake
        self.settings = {"format": FORMAT, "reader": READER, "options": asdict(options)}
        self.text = json.dumps(self.settings, sort_keys=True)

    def answers(
        self, source: Path, target: Path, workers: int
    ) -> Generator[tuple[Tally, Any], None, None]:
        """The sums and the record batch of each chunk of files, in order."""
        reader = Reader(
            root=str(source),
            out=str(target),
            settings=self.text,
            options=self.options,
            **self.intake,
        )
        waiting: deque[Names] = deque()

        def chunks() -> Iterator[Names]:
            names = files_under(source, target)
            while chunk := tuple(islice(names, FILES_PER_CHUNK)):
                waiting.append(chunk)
                yield chunk

        found = run(reader, chunks(), workers=workers, limits=self.limits, split=_one_by_one)
        with closing(found):
            for answer in found:
                names = waiting.popleft()
                if isinstance(answer, bytes):
                    yield unpacked(answer)
                else:
                    yield unpacked(packed(_singly(reader.root, names, answer)))


def _one_by_one(names: Names) -> list[Names]:
    return [(name,) for name in names]


def _singly(root: str, names: Names, answer: Failure | list[bytes | Failure]) -> list[Row]:
    """The rows of files that were read one by one, since together they were too much."""
    rows: list[Row] = []
    for name, single in zip(names, answer if isinstance(answer, list) else [answer], strict=True):
        if isinstance(single, Failure):
            rows.append(crashed_row(root, name, single.reason))
        else:
            rows.extend(rows_of(unpacked(single)[1]))
    return rows


def fill(
    source: Path,
    out: Path,
    readers: Readers,
    *,
    workers: int | None = None,
    progress: Progress | None = None,
) -> PrepareReport:
    """`prepare`, with any way of reading."""
    if is_prepared(source):
        raise DataError(f"{source}: is prepared already; give the folder of the files themselves")
    total = look(source, out).files
    target = writable_folder(out)
    if target.resolve() == source.resolve():
        raise WriteError(target, "is the folder that is read", "choose another one with --out")
    with _alone_in(target):
        return _fill(source, target, readers, workers or cores(), total, progress)


def _fill(
    source: Path,
    target: Path,
    readers: Readers,
    workers: int,
    total: int,
    progress: Progress | None,
) -> PrepareReport:
    tally = Tally()
    with (
        _as_write_errors(target),
        Finder() as finder,
        ShardsWriter(target, readers.text, FILES_PER_SHARD) as writer,
        closing(readers.answers(source, target, workers)) as answers,
    ):
        for sums, batch in answers:
            writer.add(batch)
            finder.add(batch)
            tally.add(sums)
            if progress:
                progress(tally.files, max(total, tally.files))
        shards = writer.finish()
        groups, clusters = finder.find()
    report = write_report(target, shards, tally, groups, readers.settings)
    if not tally.kept:
        (target / "index.json").unlink(missing_ok=True)
        reason = next(iter(tally.reasons), "")
        raise nothing_in(source, tally.files, f"{tally.examples[reason][0]}: {reason}")
    write_clusters(target / _CLUSTERS, clusters)
    write_index(
        target,
        {
            "shards": shards,
            "clusters": _CLUSTERS,
            "settings": readers.settings,
            "report": {name: getattr(tally, name) for name in ("files", "kept", "bars", "notes")},
        },
    )
    return report


def prepare_cached(
    source: str | Path,
    *,
    options: ReadOptions | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
) -> Path:
    """The prepared form of `source`: itself if it holds shards, else shards in the user's cache.

    The cache has one place for a folder and options. When a file's name, size or time of change
    differs, what has changed is read anew.
    """
    folder = Path(source)
    if is_prepared(folder):
        return folder
    readers = Readers(options or ReadOptions())
    state = look(folder).state
    key = hashlib.sha256(json.dumps([readers.text, str(folder.resolve())]).encode()).hexdigest()
    target = cache_folder() / "datasets" / key[:24]
    if not _is_of(target, state):
        try:
            writable_folder(target)
        except WriteError as error:
            hint = "set MUSICVAE_CACHE to a folder that can be written"
            raise WriteError(target, error.reason, hint) from None
        with _alone_in(target, wait=True):
            if not _is_of(target, state):
                total = look(folder).files
                _fill(folder, target, readers, workers or cores(), total, progress)
                write_bytes(target / _STATE, state.encode())
    return target


def _is_of(target: Path, state: str) -> bool:
    marked = target / _STATE
    return is_prepared(target) and marked.is_file() and marked.read_text() == state


@contextmanager
def _alone_in(target: Path, *, wait: bool = False) -> Iterator[None]:
    """Keep other runs out of a folder; the system lets go of it however this one ends."""
    lock = FileLock(target / ".lock", timeout=-1 if wait else 0)
    try:
        lock.acquire()
    except Timeout:
        hint = "wait for it, or choose another folder with --out"
        raise WriteError(target, "another run is writing there", hint) from None
    try:
        yield
    finally:
        lock.release()


@contextmanager
def _as_write_errors(target: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise WriteError(target, reason_of(error), "choose another folder with --out") from None
