"""Floor 4: built-in corpora, read from music21's and exported as MIDI with right bar lines.

>>> from musicvae.data import corpora
>>> report = corpora.export("chorales", "data/midi/chorales")
>>> for stem, song in corpora.songs("folk"): ...

The first use of a corpus parses it with music21 in parallel (under a minute); the result is kept
(see `corpora.cache`), so that later ones only copy. `formats.measures` says which bars a score has.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

from musicvae import storage
from musicvae.data.corpora import cache
from musicvae.data.corpora.parse import Piece, Skipped, parse_piece
from musicvae.data.corpora.sources import find_sources
from musicvae.errors import ConfigError, WriteError, nearest
from musicvae.io import midi
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

_CHUNK_SIZE = 16  # pieces that go to a worker at a time; so few need no worker

Progress = Callable[[int, int], None]


@dataclass(frozen=True, kw_only=True)
class Corpus:
    """What a corpus is: `n_songs` are those exported, of `n_pieces` that music21 holds."""

    name: str
    title: str
    license: str
    n_songs: int
    n_pieces: int


_CORPORA = {
    corpus.name: corpus
    for corpus in (
        Corpus(
            name="chorales",
            title="Bach's four-part chorales: Soprano, Alto, Tenor, Bass",
            license="J. S. Bach (1685-1750): public domain; encodings by Margaret Greentree "
            "and others, used by permission in music21's corpus",
            n_songs=365,
            n_pieces=413,
        ),
        Corpus(
            name="folk",
            title="Scottish, Irish and American tunes: Aird's Airs, O'Neill's 1850, "
            "Ryan's Mammoth Collection",
            license="published 1782 to 1903: public domain; ABC by volunteers, who are named in "
            "the files of music21's corpus",
            n_songs=4246,
            n_pieces=4248,
        ),
    )
}


@dataclass(frozen=True, kw_only=True)
class ExportedFile:
    """One file of an export: `status` is written, unchanged, or kept (another file is there)."""

    path: Path
    piece: Piece
    status: str


@dataclass(frozen=True, kw_only=True)
class ExportReport:
    """What an export did. `cached`: nothing was parsed; `cache`: where it is kept, if anywhere."""

    corpus: Corpus
    folder: Path
    files: tuple[ExportedFile, ...]
    skipped: tuple[Skipped, ...]
    from_cache: bool
    cache_path: Path | None

    def paths_with_status(self, status: str) -> list[Path]:
        """The paths of all files with this status."""
        return [file.path for file in self.files if file.status == status]


def names() -> tuple[str, ...]:
    """The names of all built-in corpora."""
    return tuple(_CORPORA)


def get(name: str) -> Corpus:
    """The corpus of this name. Raises `ConfigError` with the nearest one."""
    if name in _CORPORA:
        return _CORPORA[name]
    known = ", ".join(_CORPORA)
    near = nearest(name.lower(), _CORPORA)
    raise ConfigError(f"no corpus named {name!r}{near}; there are: {known}")


def pieces(
    name: str,
    *,
    limit: int | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
) -> Iterator[Piece | Skipped]:
    """All pieces of a corpus in their fixed order, from the cache or parsed now.

    `limit` ends after so many that are not skipped; `workers` are processes, by default one a
    core; `progress(done, total)` is called after each. A corpus parsed in full is cached.
    """
    get(name)
    known = cache.load(name)
    results = _parse_all(name, limit, workers) if known is None else iter(known)
    return _limit_pieces(results, get(name).n_pieces, limit, progress)


def songs(name: str, *, workers: int | None = None) -> Iterator[tuple[str, Song]]:
    """(stem, song) of every piece of a corpus, as its exported file reads."""
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
    progress: Progress | None = None,
) -> ExportReport:
    """Write a corpus as `folder/<stem>.mid`. Raises `ConfigError`, `WriteError`, `DataError`.

    A file that is there with the same bytes is left alone; one with other bytes is kept as it
    is, and reported, unless `force`. For `limit`, `workers` and `progress` see `pieces`.
    """
    corpus = get(name)
    try:
        target = storage.ensure_writable_folder(folder)
    except WriteError as error:
        raise WriteError(error.path, error.reason, "choose another folder") from None
    known = cache.load(name)
    results = _parse_all(name, limit, workers) if known is None else iter(known)
    exported, skipped = [], []
    for result in _limit_pieces(results, corpus.n_pieces, limit, progress):
        if isinstance(result, Skipped):
            skipped.append(result)
        else:
            path = target / f"{result.stem}.mid"
            exported.append(
                ExportedFile(path=path, piece=result, status=_write_piece(path, result, force))
            )
    return ExportReport(
        corpus=corpus,
        folder=target,
        files=tuple(exported),
        skipped=tuple(skipped),
        from_cache=known is not None,
        cache_path=found if (found := cache.path(name)).is_file() else None,
    )


def _write_piece(path: Path, piece: Piece, force: bool) -> str:
    try:
        same = path.read_bytes() == piece.midi
    except FileNotFoundError:
        same = False
    except OSError:
        return "kept"
    else:
        if not same and not force:
            return "kept"
    if same:
        return "unchanged"
    storage.write_bytes(path, piece.midi)
    return "written"


def _limit_pieces(
    results: Iterator[Piece | Skipped], total: int, limit: int | None, progress: Progress | None
) -> Iterator[Piece | Skipped]:
    """The results until `limit` of them are pieces, and how far that is on the way."""
    kept = 0
    for done, result in enumerate(results, start=1):
        kept += isinstance(result, Piece)
        if progress:
            progress(*((done, total) if limit is None else (kept, min(limit, total))))
        yield result
        if kept == limit:
            return


def _parse_all(name: str, limit: int | None, workers: int | None) -> Iterator[Piece | Skipped]:
    """Read all sources in order, in processes if that pays; cached if it came to the end.

    `limit` only says how many will probably be asked for.
    """
    jobs = find_sources(name)
    expected = len(jobs) if limit is None else min(limit, len(jobs))
    count = min(workers or os.cpu_count() or 1, -(-expected // _CHUNK_SIZE))
    results: list[Piece | Skipped] = []
    if count > 1:
        try:
            with ProcessPoolExecutor(count, mp_context=get_context("spawn")) as pool:
                try:
                    for result in pool.map(parse_piece, jobs, chunksize=_CHUNK_SIZE):
                        results.append(result)
                        yield result
                finally:  # nobody may want the rest
                    pool.shutdown(wait=False, cancel_futures=True)
        except BrokenProcessPool:
            pass  # no worker could start (an unguarded script, little memory): go on alone
    for job in jobs[len(results) :]:
        results.append(parse_piece(job))
        yield results[-1]
    cache.save(name, results)
