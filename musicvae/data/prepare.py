"""Preparation of a folder: music files -> shards, and a report that accounts for every file.

Files are read in sandboxed processes (`reader.Reader`), a chunk at a time; this process appends the
rows to shards and keeps a few numbers per song, so memory does not grow with the folder. Rows that
an earlier run left in the target, finished or not, are reused for files with the same bytes.
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

from musicvae.data.counts import Counts
from musicvae.data.discover import (
    SPLIT_FILE,
    FolderScan,
    files_under,
    no_usable_file_error,
    scan_folder,
)
from musicvae.data.duplicates import DuplicateFinder
from musicvae.data.reader import (
    Names,
    Reader,
    crashed_row,
    pack_answer,
    reading_limits,
    unpack_answer,
)
from musicvae.data.report import PrepareReport, write_report
from musicvae.data.sandbox import Failure, Limits, available_cpus, run
from musicvae.data.schema import FORMAT_VERSION, Row, batch_to_rows
from musicvae.data.shards import (
    ShardsWriter,
    is_prepared,
    write_clusters,
    write_index,
    write_origin,
)
from musicvae.data.split import merge_split_tables, write_split_table
from musicvae.data.stored_song import READER_VERSION
from musicvae.errors import DataError, WriteError, os_reason
from musicvae.io.options import ReadOptions
from musicvae.storage import (
    LOCK_FILE,
    cache_folder,
    ensure_writable_folder,
    locked,
    write_bytes,
)

ProgressCallback = Callable[[int, int], None]
FILES_PER_SHARD = 256
FILES_PER_CHUNK = 32
CLUSTERS_FILE = "clusters.arrow"
STATE_FILE = ".source"


def prepare(
    source: str | Path,
    out: str | Path,
    *,
    options: ReadOptions | None = None,
    workers: int | None = None,
    progress: ProgressCallback | None = None,
) -> PrepareReport:
    """Read every file under `source` into shards in `out`, in sorted order.

    Args:
        source: a folder; if `out` lies in it, `out` is not read.
        out: the folder for shards, `report.json` and `index.json`. An interrupted or earlier run
            there is continued: files with the same bytes and options are not read again.
        options: how files become songs.
        workers: number of reading processes, by default one per core.
        progress: called with the number of files done and the total.

    The output is the same, byte for byte, for any number of workers and interruptions. A dataset
    that was in `out` stays intact until the end. Raises `DataError` if no file is usable,
    `WriteError` if `out` cannot be written.
    """
    options = options or ReadOptions()
    return prepare_with(
        Path(source), Path(out), ReaderPool(options), workers=workers, progress=progress
    )


class ReaderPool:
    """Sandboxed readers with their options and limits.

    Other keyword arguments go to `Reader`: tests replace its `read_song`.
    """

    def __init__(
        self, options: ReadOptions, limits: Limits | None = None, **reader_options: Any
    ) -> None:
        self.options, self.reader_options = options, reader_options
        self.limits = limits or reading_limits(options)
        self.settings = {
            "format": FORMAT_VERSION,
            "reader": READER_VERSION,
            "options": asdict(options),
        }
        self.settings_json = json.dumps(self.settings, sort_keys=True)

    def read_chunks(
        self, source: Path, target: Path, workers: int
    ) -> Generator[tuple[Counts, Any], None, None]:
        """Yield the counts and the record batch of each chunk of files, in order."""
        reader = Reader(
            root=str(source),
            out=str(target),
            settings=self.settings_json,
            options=self.options,
            **self.reader_options,
        )
        pending: deque[Names] = deque()

        def chunks() -> Iterator[Names]:
            names = files_under(source, target)
            while chunk := tuple(islice(names, FILES_PER_CHUNK)):
                pending.append(chunk)
                yield chunk

        answers = run(reader, chunks(), workers=workers, limits=self.limits, split=_split_chunk)
        with closing(answers):
            for answer in answers:
                names = pending.popleft()
                if isinstance(answer, bytes):
                    yield unpack_answer(answer)
                else:
                    yield unpack_answer(pack_answer(_single_rows(reader.root, names, answer)))


def _split_chunk(names: Names) -> list[Names]:
    return [(name,) for name in names]


def _single_rows(root: str, names: Names, answer: Failure | list[bytes | Failure]) -> list[Row]:
    """Return the rows of a chunk that failed and was read again file by file."""
    rows: list[Row] = []
    for name, single in zip(names, answer if isinstance(answer, list) else [answer], strict=True):
        if isinstance(single, Failure):
            rows.append(crashed_row(root, name, single.reason))
        else:
            rows.extend(batch_to_rows(unpack_answer(single)[1]))
    return rows


def prepare_with(
    source: Path,
    out: Path,
    readers: ReaderPool,
    *,
    workers: int | None = None,
    progress: ProgressCallback | None = None,
) -> PrepareReport:
    """Run `prepare` with the given readers."""
    if is_prepared(source):
        raise DataError(f"{source}: is already prepared; give the folder of the music files")
    found = scan_folder(source, out)
    target = ensure_writable_folder(out)
    if target.resolve() == source.resolve():
        raise WriteError(target, "is the source folder", "choose another one with --out")
    with _exclusive_lock(target):
        return _write_dataset(source, target, readers, workers or available_cpus(), found, progress)


def _write_dataset(
    source: Path,
    target: Path,
    readers: ReaderPool,
    workers: int,
    found: FolderScan,
    progress: ProgressCallback | None,
) -> PrepareReport:
    splits, counts = merge_split_tables(source, found.split_files), Counts()
    with (
        _as_write_errors(target),
        DuplicateFinder() as finder,
        ShardsWriter(target, readers.settings_json, FILES_PER_SHARD) as writer,
        closing(readers.read_chunks(source, target, workers)) as chunks,
    ):
        for chunk_counts, batch in chunks:
            writer.add(batch)
            finder.add(batch)
            counts.add(chunk_counts)
            if progress:
                progress(counts.files, max(found.n_files, counts.files))
        shards = writer.finish()
        groups, clusters = finder.find()
    report = write_report(target, shards, counts, groups, readers.settings)
    if not counts.kept:
        (target / "index.json").unlink(missing_ok=True)
        reason = next(iter(counts.reasons), "")
        raise no_usable_file_error(source, counts.files, f"{counts.examples[reason][0]}: {reason}")
    write_clusters(target / CLUSTERS_FILE, clusters)
    write_split_table(target / SPLIT_FILE, splits)
    write_index(
        target,
        {
            "shards": shards,
            "clusters": CLUSTERS_FILE,
            "settings": readers.settings,
            "report": {name: getattr(counts, name) for name in ("files", "kept", "bars", "notes")},
        },
    )
    return report


def prepare_cached(
    source: str | Path,
    *,
    options: ReadOptions | None = None,
    workers: int | None = None,
    progress: ProgressCallback | None = None,
) -> Path:
    """Return a prepared folder for `source`: itself if it holds shards, else one in the cache.

    The cache has one entry per folder and options. When the name, size or modification time of a
    file differs, changed files are read again. Raises as `prepare` does.
    """
    folder = Path(source)
    if is_prepared(folder):
        return folder
    readers = ReaderPool(options or ReadOptions())
    state = scan_folder(folder).state_hash
    key = hashlib.sha256(
        json.dumps([readers.settings_json, str(folder.resolve())]).encode()
    ).hexdigest()
    target = cache_folder() / "datasets" / key[:24]
    if not _is_current(target, state):
        try:
            ensure_writable_folder(target)
        except WriteError as error:
            hint = "set MUSICVAE_CACHE to a folder that can be written"
            raise WriteError(target, error.reason, hint) from None
        with _exclusive_lock(target, wait=True):
            if not _is_current(target, state):
                _write_dataset(
                    folder,
                    target,
                    readers,
                    workers or available_cpus(),
                    scan_folder(folder),
                    progress,
                )
                write_bytes(target / STATE_FILE, state.encode())
    write_origin(target, folder)
    return target


def _is_current(target: Path, state: str) -> bool:
    stored = target / STATE_FILE
    return is_prepared(target) and stored.is_file() and stored.read_text() == state


@contextmanager
def _exclusive_lock(target: Path, *, wait: bool = False) -> Iterator[None]:
    """Lock a folder against other runs."""
    hint = "wait for it, or choose another folder with --out"
    refusal = None if wait else WriteError(target, "another run is writing to it", hint)
    with locked(target / LOCK_FILE, refusal):
        yield


@contextmanager
def _as_write_errors(target: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise WriteError(target, os_reason(error), "choose another folder with --out") from None
