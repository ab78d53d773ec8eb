"""Floor 5: the files under a folder, in one order, without a list of them all."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from musicvae.errors import DataError, reason_of, shown

_SUGGESTION = "put MIDI files there, or run: musicvae corpus export chorales {}"
_NO_MUSIC = ("README.md", ".gitignore")


class Sight(NamedTuple):
    """What a first look at a folder says."""

    files: int
    state: str
    """A hash of all paths, sizes and times of change."""


def files_under(root: str | Path, without: Path | None = None) -> Iterator[str]:
    """The path from `root` of every regular file under it, sorted as text, with slashes.

    `without` is a folder to leave out. Links to files count as files, links to folders are not
    followed. A folder that may not be read is given in place of its files, so that reading it tells
    why. Names are held for one folder at a time.
    """
    left_out = None if without is None else os.path.realpath(without)
    yield from _under(os.fspath(root), "", left_out)


def look(root: Path, without: Path | None = None) -> Sight:
    """Count the files under `root`. Raises `DataError` with advice if there is nothing to read."""
    try:
        os.scandir(root).close()
    except NotADirectoryError:
        raise DataError(f"{root}: is a file; give the folder that holds it") from None
    except FileNotFoundError:
        raise DataError(f"{root}: no such folder; {_SUGGESTION.format(root)}") from None
    except OSError as error:
        raise DataError(f"{root}: {reason_of(error)}; give a folder that may be read") from None
    files, empty, state = 0, True, hashlib.blake2b(digest_size=16)
    for name in files_under(root, without):
        files += 1
        empty = empty and name.rpartition("/")[2] in _NO_MUSIC
        state.update(f"{shown(name)}\0{_stamp(Path(root, name))}\n".encode())
    if empty:
        raise DataError(f"{root}: an empty folder; {_SUGGESTION.format(root)}")
    return Sight(files, state.hexdigest())


def nothing_in(root: Path, files: int, example: str) -> DataError:
    """What to say of a folder whose files were all skipped."""
    many = f"{files:,} file" + "s" * (files != 1)
    return DataError(f"{root}: no usable bar in {many} ({example}); {_SUGGESTION.format(root)}")


def _stamp(path: Path) -> str:
    try:
        found = path.stat()
    except OSError:  # gone since
        return ""
    return f"{found.st_size} {found.st_mtime_ns}"


def _under(root: str, inside: str, left_out: str | None) -> Iterator[str]:
    try:
        with os.scandir(f"{root}/{inside}") as entries:
            # With its slash a folder sorts where the paths of its files do.
            names = sorted(_name(entry) for entry in entries)
    except OSError:  # a folder that may not be read stands for all that is in it
        yield inside.removesuffix("/")
        return
    for name in filter(None, names):
        path = inside + name
        if not name.endswith("/"):
            yield path
        elif left_out is None or os.path.realpath(f"{root}/{path}") != left_out:
            yield from _under(root, path, left_out)


def _name(entry: os.DirEntry[str]) -> str:
    """A file's name, a folder's with a slash, nothing for all else."""
    try:
        if entry.is_dir(follow_symlinks=False):
            return entry.name + "/"
        return entry.name if entry.is_file() else ""
    except OSError:
        return ""
