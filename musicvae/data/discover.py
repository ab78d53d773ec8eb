"""Files under a folder, in a fixed order and without holding the whole list."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from musicvae.errors import DataError, os_reason, printable

HINT = "put MIDI files there, or run: musicvae corpus export chorales {}"
IGNORED_FILES = ("README.md", ".gitignore")
"""A folder with these files alone counts as empty."""
SPLIT_FILE = "split.csv"
"""Table of which songs are held out (`data.split`), in any folder; it is no song."""


class FolderScan(NamedTuple):
    """Result of a first pass over a folder."""

    n_files: int
    state_hash: str
    """A hash of all paths, sizes and modification times."""
    split_files: tuple[str, ...] = ()
    """Paths of the tables of splits, from the folder."""


def files_under(root: str | Path, without: Path | None = None) -> Iterator[str]:
    """Yield the path from `root` of every regular file under it, sorted as text, with slashes.

    The folder `without` is left out, and so are tables of splits. Links to files count as files;
    links to folders are not followed. An unreadable folder is yielded in place of its files, so
    that reading it reports the reason. Names are held for one folder at a time.
    """
    return (name for name in _walk_files(root, without) if not _is_split_file(name))


def scan_folder(root: Path, without: Path | None = None) -> FolderScan:
    """Count the files under `root` and hash their state.

    Raises `DataError` with a hint if there is nothing to read.
    """
    try:
        os.scandir(root).close()
    except NotADirectoryError:
        raise DataError(f"{root}: is a file; give the folder that holds it") from None
    except FileNotFoundError:
        raise DataError(f"{root}: no such folder; {HINT.format(root)}") from None
    except OSError as error:
        raise DataError(f"{root}: {os_reason(error)}; give a readable folder") from None
    n_files, empty, state = 0, True, hashlib.blake2b(digest_size=16)
    split_files = []
    for name in _walk_files(root, without):
        state.update(f"{printable(name)}\0{_size_and_mtime(Path(root, name))}\n".encode())
        if _is_split_file(name):
            split_files.append(name)
            continue
        n_files += 1
        empty = empty and name.rpartition("/")[2] in IGNORED_FILES
    if empty:
        raise DataError(f"{root}: an empty folder; {HINT.format(root)}")
    return FolderScan(n_files, state.hexdigest(), tuple(split_files))


def no_usable_file_error(root: Path, n_files: int, example: str) -> DataError:
    """Return the error for a folder whose files were all skipped."""
    count = f"{n_files:,} file" + "s" * (n_files != 1)
    return DataError(f"{root}: no usable bar in {count} ({example}); {HINT.format(root)}")


def _size_and_mtime(path: Path) -> str:
    try:
        stat = path.stat()
    except OSError:  # deleted in the meantime
        return ""
    return f"{stat.st_size} {stat.st_mtime_ns}"


def _is_split_file(name: str) -> bool:
    return name.rpartition("/")[2] == SPLIT_FILE


def _walk_files(root: str | Path, without: Path | None) -> Iterator[str]:
    """Yield the path from `root` of every regular file, tables of splits included."""
    base, left_out = os.fspath(root), None if without is None else _identity(os.fspath(without))
    pending = [iter(["/"])]  # names left in each folder on the way; folders may be very deep
    folders = [""]
    while pending:
        name = next(pending[-1], None)
        if name is None:
            pending.pop()
            folders.pop()
            continue
        path = folders[-1] + name.removeprefix("/")
        if not name.endswith("/"):
            yield path
        elif not path or left_out is None or _identity(f"{base}/{path}") != left_out:
            try:
                pending.append(iter(_sorted_names(f"{base}/{path}")))
                folders.append(path)
            except OSError:  # an unreadable folder stands for everything in it
                yield path.removesuffix("/")


def _identity(path: str) -> tuple[int, int] | None:
    """Return device and number of a folder, None if it is not there."""
    try:
        stat = os.stat(path)  # noqa: PTH116 - paths are text here
    except OSError:
        return None
    return stat.st_dev, stat.st_ino


def _sorted_names(folder: str) -> list[str]:
    """Return the names in a folder; with its slash a folder sorts where the paths of its files do.

    Raises `OSError`.
    """
    with os.scandir(folder) as entries:
        return sorted(filter(None, map(_sort_name, entries)))


def _sort_name(entry: os.DirEntry[str]) -> str:
    """Return a file's name, a folder's name with a slash, and "" for everything else."""
    try:
        if entry.is_dir(follow_symlinks=False):
            return entry.name + "/"
        return entry.name if entry.is_file() else ""
    except OSError:
        return ""
