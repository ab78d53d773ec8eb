"""Atomic and exclusive file writes, locks, checks that a path is writable, and the cache folder.

Files are written beside their target and renamed, so that a crash leaves the old file intact.
"""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

from musicvae.errors import MAX_NAME_BYTES, ExistsError, WriteError, os_reason

LOCK_FILE = ".lock"
"""Lock of a folder into which one process writes at a time."""
_keeps_files: ContextVar[bool] = ContextVar("keeps_files", default=False)


@contextmanager
def exclusive_writes(enabled: bool = True) -> Iterator[None]:
    """While the block runs, `atomic_path` replaces no file and raises `ExistsError` instead.

    The file system decides, so of two processes that write the same path one gets the error.
    """
    token = _keeps_files.set(enabled)
    try:
        yield
    finally:
        _keeps_files.reset(token)


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside `path` that replaces it when the block succeeds.

    Missing parent folders are created. Raises `WriteError` if the path cannot be written,
    `ExistsError` if it exists and `exclusive_writes` holds.
    """
    target = Path(path)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(
            dir=target.parent, prefix=f".{fit_stem(target.name, 32)}.", suffix=".part"
        )
        os.close(handle)
    except OSError as error:
        raise WriteError(target, os_reason(error), "choose another place") from None
    temporary = Path(name)
    try:
        yield temporary
        if _keeps_files.get():
            link_into_place(temporary, target)
        else:
            rename_into_place(temporary, target)
    except FileExistsError:
        raise ExistsError(target, "already exists", "overwrite it with --force") from None
    except OSError as error:
        raise WriteError(target, os_reason(error), "choose another place") from None
    finally:
        temporary.unlink(missing_ok=True)


def fit_stem(stem: str, reserve: int = 16) -> str:
    """Return the stem of a file name, cut so that `reserve` more bytes make a valid name.

    File systems allow 255 bytes; `reserve` is for suffix, numbers and names of parts.
    """
    content, size = os.fsencode(stem), MAX_NAME_BYTES - reserve
    if len(content) <= size:
        return stem
    while content[size] & 0xC0 == 0x80:  # within a character of UTF-8
        size -= 1
    return os.fsdecode(content[:size])


def rename_into_place(temporary: Path, target: Path) -> None:
    """Rename a temporary file, readable by its owner alone, to `target` with default rights."""
    _set_default_rights(temporary)
    temporary.replace(target)


def link_into_place(temporary: Path, target: Path) -> None:
    """Give a temporary file the name `target` with default rights if nothing has that name.

    Raises `FileExistsError` otherwise.
    """
    _set_default_rights(temporary)
    try:
        os.link(temporary, target)
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links, such as FAT
        os.close(os.open(target, os.O_CREAT | os.O_EXCL))
        temporary.replace(target)


def _set_default_rights(temporary: Path) -> None:
    umask = os.umask(0)
    os.umask(umask)
    temporary.chmod(0o666 & ~umask)


@contextmanager
def locked(lock_file: str | Path, refusal: WriteError | None) -> Iterator[None]:
    """Hold the lock of a file while the block runs; another process gets `refusal` meanwhile.

    With None it waits instead. The system releases the lock however this process ends. Raises
    `WriteError` if the file cannot be created.
    """
    from filelock import FileLock, Timeout

    lock = FileLock(lock_file)
    try:
        lock.acquire(timeout=-1 if refusal is None else 0)
    except Timeout:
        assert refusal is not None
        raise refusal from None
    except OSError as error:
        raise WriteError(lock_file, os_reason(error), "choose another place") from None
    try:
        yield
    finally:
        lock.release()


def hidden_lock_file(path: str | Path) -> Path:
    """Return the lock file of a path that must have no file beside it, in the temporary folder."""
    user = os.getuid() if hasattr(os, "getuid") else ""
    name = hashlib.blake2b(os.fsencode(os.path.realpath(path)), digest_size=8).hexdigest()
    return Path(tempfile.gettempdir(), f"musicvae-{user}-{name}.lock")


def write_bytes(path: str | Path, content: bytes) -> Path:
    """Write `content` to `path` atomically. Raises `WriteError`."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(content)
    return Path(path)


def ensure_writable_folder(path: str | Path, option: str = "--out") -> Path:
    """Create the folder if it is missing and check that files can be created in it.

    Raises `WriteError` with a hint that names `option`.
    """
    folder = Path(path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".", suffix=".part"):
            pass
    except OSError as error:
        raise WriteError(folder, os_reason(error), f"choose another folder with {option}") from None
    return folder


def ensure_writable_file(path: str | Path, option: str = "--out") -> Path:
    """Create the parent folder if it is missing and check that the file can be written.

    Raises `WriteError` with a hint that names `option`.
    """
    target, reason = Path(path), ""
    try:
        if target.is_dir():
            reason = "is a folder"
        elif target.parent.exists() and not target.parent.is_dir():
            reason = f"{target.parent.name} is a file, not a folder"
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(
                dir=target.parent, prefix=f".{fit_stem(target.name, 32)}.", suffix=".part"
            ):
                pass
    except OSError as error:
        reason = os_reason(error)
    if reason:
        raise WriteError(target, reason, f"choose another place with {option}")
    return target


def is_folder(path: str | Path) -> bool:
    """Return `Path.is_dir`, or False where permissions do not allow to check."""
    try:
        return Path(path).is_dir()
    except OSError:  # in a folder without read permission
        return False


def next_free_number(folder: Path, stem: str, suffix: str) -> int:
    """Return the first number N above that of every file `stem-N.suffix` in `folder`."""
    pattern = re.compile(re.escape(stem) + r"-([0-9]+)" + re.escape(suffix))
    names = (pattern.fullmatch(path.name) for path in folder.iterdir())
    taken = [int(name[1]) for name in names if name]
    return max(taken, default=0) + 1


def cache_folder() -> Path:
    """Return the folder for recomputable files: `MUSICVAE_CACHE`, or the user's cache folder."""
    if "MUSICVAE_CACHE" in os.environ:
        return Path(os.environ["MUSICVAE_CACHE"])
    base = os.environ.get("XDG_CACHE_HOME") or os.environ.get("LOCALAPPDATA")
    return (Path(base) if base else Path.home() / ".cache") / "musicvae"
