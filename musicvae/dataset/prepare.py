"""Floor 5: a folder of MIDI -> shards and a report that accounts for every file."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from musicvae.bars import Bars
from musicvae.dataset.shards import (
    FORMAT,
    SONGS_PER_SHARD,
    StoredSong,
    fingerprints,
    is_prepared,
    write_index,
    write_shard,
)
from musicvae.errors import DataError, MusicVAEError, ReadError, WriteError
from musicvae.files import cache_folder, writable_folder, write_bytes
from musicvae.song import Song

Progress = Callable[[int, int], None]


@dataclass(frozen=True, kw_only=True)
class PrepareReport:
    """What became of every regular file under a folder: `files = kept + len(skipped)`."""

    files: int
    kept: int
    skipped: list[dict[str, str]]
    bars: int
    windows: int
    """Places where a window of two bars with a note in it can begin."""
    notes: int
    moved: int
    """Notes that were not exactly on the stored grid."""
    merged: int
    """Notes that fell onto another of their part and pitch."""


def prepare(
    source: str | Path,
    out: str | Path,
    *,
    workers: int | None = None,
    progress: Progress | None = None,
) -> PrepareReport:
    """Read every file under `source` into shards in `out`, in sorted order.

    Same files, same bytes, whatever the number of workers. Raises `DataError` if nothing usable
    was found, `WriteError` if `out` cannot be written.
    """
    paths = _files_under(Path(source))
    target = writable_folder(out)
    (target / "index.json").unlink(missing_ok=True)
    batch: list[StoredSong] = []
    shards: list[str] = []
    skipped: list[dict[str, str]] = []
    bars = windows = notes = moved = merged = 0
    for done, outcome in enumerate(_read_all(paths, Path(source), workers), start=1):
        if isinstance(outcome, StoredSong):
            batch.append(outcome)
            bars += len(outcome.bars)
            windows += _windows(outcome.bars)
            notes += len(outcome.bars.notes)
            moved += outcome.bars.moved
            merged += outcome.bars.merged
        else:
            skipped.append({"path": outcome.path, "reason": outcome.reason})
        if len(batch) == SONGS_PER_SHARD or (done == len(paths) and batch):
            shards.append(f"shard-{len(shards):05d}.arrow")
            write_shard(target / shards[-1], batch)
            batch = []
        if progress:
            progress(done, len(paths))
    report = PrepareReport(
        files=len(paths),
        kept=len(paths) - len(skipped),
        skipped=skipped,
        bars=bars,
        windows=windows,
        notes=notes,
        moved=moved,
        merged=merged,
    )
    write_bytes(target / "report.json", (json.dumps(asdict(report), indent=1) + "\n").encode())
    if not report.kept:
        raise DataError(_nothing_in(Path(source), skipped))
    write_index(target, {"shards": shards, "report": asdict(report)})
    return report


def prepare_cached(
    source: str | Path, *, workers: int | None = None, progress: Progress | None = None
) -> Path:
    """The prepared form of `source`: itself if it holds shards, else shards in the user's cache.

    They are made anew when a file's name, size or time of change differs.
    """
    folder = Path(source)
    if is_prepared(folder):
        return folder
    state = [
        (str(p.relative_to(folder)), p.stat().st_size, p.stat().st_mtime_ns)
        for p in _files_under(folder)
    ]
    key = hashlib.sha256(json.dumps([FORMAT, str(folder.resolve()), state]).encode()).hexdigest()
    target = cache_folder() / "datasets" / key[:24]
    if not is_prepared(target):
        try:
            writable_folder(target)
        except WriteError as error:
            hint = "set MUSICVAE_CACHE to a folder that can be written"
            raise WriteError(target, error.reason, hint) from None
        prepare(folder, target, workers=workers, progress=progress)
    return target


def read_stored(path: Path, name: str) -> StoredSong:
    """One file as a stored song. Raises `ReadError` with the reason if it has nothing to give."""
    song = Song.read(path)
    if not song.n_notes:
        raise ReadError(name, "no notes", "leave it out")
    bars = Bars.from_song(song)
    return StoredSong(path=name, bars=bars, fingerprints=fingerprints(bars))


def _windows(bars: Bars) -> int:
    sounds = np.bincount(bars.notes.bar, minlength=len(bars) + 1) > 0
    return int((sounds[:-1] | sounds[1:]).sum())


def _files_under(folder: Path) -> list[Path]:
    if folder.is_file():
        raise DataError(f"{folder}: is a file; give the folder that holds it")
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder; {_SUGGESTION.format(folder)}")
    paths = sorted(p for p in folder.rglob("*") if p.is_file())
    if all(p.name in ("README.md", ".gitignore") for p in paths):
        raise DataError(f"{folder}: an empty folder; {_SUGGESTION.format(folder)}")
    return paths


_SUGGESTION = "put MIDI files there, or run: musicvae corpus export chorales {}"


def _nothing_in(folder: Path, skipped: list[dict[str, str]]) -> str:
    first = f" ({skipped[0]['path']}: {skipped[0]['reason']})" if skipped else ""
    files = f"{len(skipped)} file" + "s" * (len(skipped) != 1)
    return f"{folder}: no usable bar in {files}{first}; {_SUGGESTION.format(folder)}"


def _read_all(
    paths: list[Path], root: Path, workers: int | None
) -> Iterator[StoredSong | ReadError]:
    jobs = [(path, path.relative_to(root).as_posix()) for path in paths]
    n_workers = min(workers or os.cpu_count() or 1, len(jobs))
    if n_workers < 2 or len(jobs) < 32:
        yield from map(_outcome, jobs)
        return
    chunk = max(1, min(64, len(jobs) // (4 * n_workers)))
    with ProcessPoolExecutor(n_workers, mp_context=get_context("spawn")) as pool:
        yield from pool.map(_outcome, jobs, chunksize=chunk)


def _outcome(job: tuple[Path, str]) -> StoredSong | ReadError:
    path, name = job
    try:
        return read_stored(path, name)
    except MusicVAEError as error:
        return ReadError(name, getattr(error, "reason", str(error)))
