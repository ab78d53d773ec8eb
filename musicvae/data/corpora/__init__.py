"""Built-in corpora, parsed from music21's corpus and exported as MIDI with their bar lines.

>>> from musicvae.data import corpora
>>> report = corpora.export("chorales", "data/midi/chorales")
>>> for stem, song in corpora.songs("folk"): ...

The first use of a corpus parses it in parallel, in under a minute; later ones copy it from the
cache (`corpora.cache`). Bars are those of the score (`io.notation.measures`).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path

from musicvae import storage
from musicvae.data.corpora import cache
from musicvae.data.corpora.parse import Piece, Skipped, parse_piece
from musicvae.data.corpora.sources import CORPORA, Corpus, find_sources
from musicvae.data.discover import SPLIT_FILE
from musicvae.data.split import read_split_table, write_split_table
from musicvae.errors import ConfigError, ExistsError, WriteError, nearest
from musicvae.io import midi
from musicvae.processes import worker_pool
from musicvae.song import Song

__all__ = [
    "Corpus",
    "ExportReport",
    "ExportedFile",
    "Piece",
    "Skipped",
    "export",
    "get",
    "names",
    "pieces",
    "songs",
]

_CHUNK_SIZE = 16  # pieces sent to a worker at a time; fewer are parsed without workers

ProgressCallback = Callable[[int, int], None]


@dataclass(frozen=True, kw_only=True)
class ExportedFile:
    """One file of an export; `status` is `written`, `unchanged` or `kept` (an existing file)."""

    path: Path
    piece: Piece
    status: str


@dataclass(frozen=True, kw_only=True)
class ExportReport:
    """Result of an export: whether it came from the cache, and the cache file, if there is one."""

    corpus: Corpus
    folder: Path
    files: tuple[ExportedFile, ...]
    skipped: tuple[Skipped, ...]
    from_cache: bool
    cache_path: Path | None

    def paths_with_status(self, status: str) -> list[Path]:
        """Return the paths of all files with a status."""
        return [file.path for file in self.files if file.status == status]


def names() -> tuple[str, ...]:
    """Return the names of all built-in corpora."""
    return tuple(CORPORA)


def get(name: str) -> Corpus:
    """Return the corpus with this name. Raises `ConfigError` that names the nearest one."""
    if name in CORPORA:
        return CORPORA[name]
    known = ", ".join(CORPORA)
    near = nearest(name.lower(), CORPORA)
    raise ConfigError(f"no corpus named {name!r}{near}; there are: {known}")


def pieces(
    name: str,
    *,
    limit: int | None = None,
    workers: int | None = None,
    progress: ProgressCallback | None = None,
) -> Iterator[Piece | Skipped]:
    """Yield all pieces of a corpus in a fixed order, from the cache or parsed now.

    `limit` is the maximum number of pieces that are not skipped, `workers` the number of processes,
    by default one per core; `progress(done, total)` is called after each piece. A corpus that is
    parsed completely is cached.
    """
    get(name)
    cached = cache.load(name)
    results = _parse_all(name, limit, workers) if cached is None else iter(cached)
    return _limit_pieces(results, get(name).n_pieces, limit, progress)


def songs(name: str, *, workers: int | None = None) -> Iterator[tuple[str, Song]]:
    """Yield (stem, song) of every piece of a corpus, as read from its exported file."""
    for piece in pieces(name, workers=workers):
        if isinstance(piece, Piece):
            yield piece.stem, midi.from_bytes(piece.midi, f"{piece.stem}.mid")


def export(
    name: str,
    folder: str | Path,
    *,
    limit: int | None = None,
    workers: int | None = None,
    force: bool = False,
    progress: ProgressCallback | None = None,
) -> ExportReport:
    """Write a corpus as `folder/<stem>.mid`. Raises `ConfigError`, `WriteError`, `DataError`.

    The split of a corpus, if it has a fixed one, is written to `folder/split.csv`. Existing files
    with the same content are left unchanged; others are kept and reported, unless `force`. For
    `limit`, `workers` and `progress` see `pieces`.
    """
    corpus = get(name)
    try:
        target = storage.ensure_writable_folder(folder)
    except WriteError as error:
        raise WriteError(error.path, error.reason, "choose another folder") from None
    cached = cache.load(name)
    results = _parse_all(name, limit, workers) if cached is None else iter(cached)
    files, skipped = [], []
    for result in _limit_pieces(results, corpus.n_pieces, limit, progress):
        if isinstance(result, Skipped):
            skipped.append(result)
        else:
            path = target / f"{result.stem}.mid"
            status = _write_piece(path, result, force)
            files.append(ExportedFile(path=path, piece=result, status=status))
    _write_splits(target, corpus, [file.path.name for file in files])
    cache_path = cache.path(name)
    return ExportReport(
        corpus=corpus,
        folder=target,
        files=tuple(files),
        skipped=tuple(skipped),
        from_cache=cached is not None,
        cache_path=cache_path if cache_path.is_file() else None,
    )


def _write_splits(target: Path, corpus: Corpus, files: Sequence[str]) -> None:
    """Name the held-out files of a corpus in a table of splits, if the corpus has a fixed split.

    Shipped models keep their held-out songs that way, whatever corrects a few notes of them.
    """
    table = Path(__file__).parent / f"{corpus.name}-split.csv"
    held_out = read_split_table(table)
    if held_out:
        path = target / SPLIT_FILE
        splits = {file: held_out.get(file, "train") for file in files}
        with storage.locked(storage.hidden_lock_file(path), None):
            write_split_table(path, read_split_table(path) | splits)


def _write_piece(path: Path, piece: Piece, force: bool) -> str:
    """Write a piece unless the file exists; return the status of the file."""
    try:
        is_same = path.read_bytes() == piece.midi
    except FileNotFoundError:
        if path.is_symlink() and not force:  # to nowhere
            return "kept"
        is_same = False
    except OSError:
        return "kept"
    else:
        if not is_same and not force:
            return "kept"
    if is_same:
        return "unchanged"
    try:
        with storage.exclusive_writes(not force):
            storage.write_bytes(path, piece.midi)
    except ExistsError:  # written by another process in the meantime
        return _write_piece(path, piece, force)
    return "written"


def _limit_pieces(
    results: Iterator[Piece | Skipped],
    total: int,
    limit: int | None,
    progress: ProgressCallback | None,
) -> Iterator[Piece | Skipped]:
    """Yield results until `limit` of them are pieces, and report progress."""
    n_pieces = 0
    for done, result in enumerate(results, start=1):
        n_pieces += isinstance(result, Piece)
        if progress:
            progress(*((done, total) if limit is None else (n_pieces, min(limit, total))))
        yield result
        if n_pieces == limit:
            return


def _parse_all(name: str, limit: int | None, workers: int | None) -> Iterator[Piece | Skipped]:
    """Parse all sources in order, with worker processes if there are many, and cache the corpus.

    `limit` is the expected number of results, and only decides on the number of workers.
    """
    sources = find_sources(name)
    expected = len(sources) if limit is None else min(limit, len(sources))
    n_workers = min(workers or os.cpu_count() or 1, -(-expected // _CHUNK_SIZE))
    results: list[Piece | Skipped] = []
    if n_workers > 1:
        try:
            with worker_pool(n_workers) as pool:
                for result in pool.map(parse_piece, sources, chunksize=_CHUNK_SIZE):
                    results.append(result)
                    yield result
        except BrokenProcessPool:
            pass  # no worker could start (unguarded script, little memory): parse here
    for source in sources[len(results) :]:
        results.append(parse_piece(source))
        yield results[-1]
    cache.save(name, results)
