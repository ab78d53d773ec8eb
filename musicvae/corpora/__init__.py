"""Floor 4: built-in corpora, read from music21's and exported as MIDI with right bar lines.

>>> from musicvae import corpora
>>> report = corpora.export("chorales", "data/midi/chorales")
>>> for stem, song in corpora.songs("folk"): ...

The first use of a corpus parses it with music21 in parallel (under a minute); the result is kept
(see `corpora.cache`), so that later ones only copy. Which bars a score has is in `corpora.scores`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from difflib import get_close_matches
from multiprocessing import get_context
from pathlib import Path

from musicvae import files
from musicvae.corpora import cache
from musicvae.corpora.sources import Piece, Skipped, Source, find, read
from musicvae.errors import ConfigError
from musicvae.formats import midi
from musicvae.song import Song

__all__ = [
    "Corpus",
    "Exported",
    "Piece",
    "Report",
    "Skipped",
    "export",
    "get",
    "names",
    "pieces",
    "songs",
]

_CHUNK = 16  # pieces that go to a worker at a time
_ALONE = 8  # so few are read faster without starting workers

Progress = Callable[[int, int], None]


@dataclass(frozen=True, kw_only=True)
class Corpus:
    """What a corpus is: `n_songs` are those exported, of `n_pieces` that music21 holds."""

    name: str
    title: str
    licence: str
    n_songs: int
    n_pieces: int


_CORPORA = {
    corpus.name: corpus
    for corpus in (
        Corpus(
            name="chorales",
            title="Bach's four-part chorales: Soprano, Alto, Tenor, Bass",
            licence="J. S. Bach (1685-1750): public domain; encodings by Margaret Greentree "
            "and others, used by permission in music21's corpus",
            n_songs=365,
            n_pieces=413,
        ),
        Corpus(
            name="folk",
            title="Scottish, Irish and American tunes: Aird's Airs, O'Neill's 1850, "
            "Ryan's Mammoth Collection",
            licence="published 1782 to 1903: public domain; ABC by volunteers, who are named in "
            "the files of music21's corpus",
            n_songs=4246,
            n_pieces=4248,
        ),
    )
}


@dataclass(frozen=True, kw_only=True)
class Exported:
    """One file of an export: `status` is written, unchanged, or kept (another file is there)."""

    path: Path
    piece: Piece
    status: str


@dataclass(frozen=True, kw_only=True)
class Report:
    """What an export did. `cached`: nothing was parsed; `cache`: where it is kept, if anywhere."""

    corpus: Corpus
    folder: Path
    files: tuple[Exported, ...]
    skipped: tuple[Skipped, ...]
    cached: bool
    cache: Path | None

    def having(self, status: str) -> list[Path]:
        """The paths of all files with this status."""
        return [file.path for file in self.files if file.status == status]


def names() -> tuple[str, ...]:
    """The names of all built-in corpora."""
    return tuple(_CORPORA)


def get(name: str) -> Corpus:
    """The corpus of this name. Raises `ConfigError` with the nearest one."""
    if name in _CORPORA:
        return _CORPORA[name]
    near = get_close_matches(name.lower(), _CORPORA, n=1, cutoff=0.4)
    hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(_CORPORA)}"
    raise ConfigError(f"no corpus is called {name}; {hint}")


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
    found = cache.load(name)
    jobs = find(name) if found is None else []
    total = len(jobs if found is None else found)
    total = total if limit is None else min(total, limit)
    parsed: list[Piece | Skipped] = []
    kept = 0
    for result in _parse(jobs, limit, workers) if found is None else found:
        if limit is not None and kept >= limit:
            return
        parsed.append(result)
        kept += isinstance(result, Piece)
        if progress:
            progress(min(len(parsed) if limit is None else kept, total), total)
        yield result
    if found is None and len(parsed) == len(jobs):
        cache.save(name, parsed)


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
) -> Report:
    """Write a corpus as `folder/<stem>.mid`. Raises `ConfigError`, `WriteError`, `DataError`.

    A file that is there with the same bytes is left alone; one with other bytes is kept as it
    is, and reported, unless `force`. For `limit`, `workers` and `progress` see `pieces`.
    """
    corpus, target = get(name), files.writable_folder(folder)
    cached = cache.path(name).is_file()
    exported, skipped = [], []
    for result in pieces(name, limit=limit, workers=workers, progress=progress):
        if isinstance(result, Skipped):
            skipped.append(result)
        else:
            path = target / f"{result.stem}.mid"
            exported.append(Exported(path=path, piece=result, status=_put(path, result, force)))
    return Report(
        corpus=corpus,
        folder=target,
        files=tuple(exported),
        skipped=tuple(skipped),
        cached=cached,
        cache=found if (found := cache.path(name)).is_file() else None,
    )


def _put(path: Path, piece: Piece, force: bool) -> str:
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
    files.write_bytes(path, piece.midi)
    return "written"


def _parse(
    jobs: list[Source], limit: int | None, workers: int | None
) -> Iterator[Piece | Skipped]:
    """Read the sources in order, in processes if that pays."""
    expected = len(jobs) if limit is None else min(limit, len(jobs))
    count = min(workers or os.cpu_count() or 1, -(-expected // _CHUNK))
    done = 0
    if count > 1 and expected > _ALONE:
        try:
            with ProcessPoolExecutor(count, mp_context=get_context("spawn")) as pool:
                for result in pool.map(read, jobs, chunksize=_CHUNK):
                    done += 1
                    yield result
            return
        except BrokenProcessPool:
            pass  # no worker could start (an unguarded script, little memory): go on alone
    for job in jobs[done:]:
        yield read(job)
