"""Floor 1: how files are written: aside, then renamed, so a crash leaves the old file whole."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from musicvae.errors import WriteError, reason_of


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """A temporary path beside `path`; it takes `path`'s place when the block ends well.

    Missing parent folders are made. Raises `WriteError` if the place cannot be written.
    """
    target = Path(path)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(
            dir=target.parent, prefix=f".{target.name}.", suffix=".part"
        )
        os.close(handle)
    except OSError as error:
        raise WriteError(target, reason_of(error), "choose another place") from None
    aside = Path(name)
    try:
        yield aside
        put_in_place(aside, target)
    except OSError as error:
        raise WriteError(target, reason_of(error), "choose another place") from None
    finally:
        aside.unlink(missing_ok=True)


def put_in_place(aside: Path, target: Path) -> None:
    """Rename a temporary file, which only its owner may read, to a file with the usual rights."""
    umask = os.umask(0)
    os.umask(umask)
    aside.chmod(0o666 & ~umask)
    aside.replace(target)


def write_bytes(path: str | Path, content: bytes) -> Path:
    """Write `content` to `path` in one step. Raises `WriteError`."""
    with replacing(path) as aside:
        aside.write_bytes(content)
    return Path(path)


def writable_folder(path: str | Path, option: str = "--out") -> Path:
    """Make the folder if need be and prove that files can be put there.

    Raises `WriteError`, which names the `option` that says where.
    """
    folder = Path(path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".", suffix=".part"):
            pass
    except OSError as error:
        raise WriteError(folder, reason_of(error), f"choose another folder with {option}") from None
    return folder


def writable_file(path: str | Path, option: str = "--out") -> Path:
    """Make the parent folder if need be and prove that a file of this name can be put there.

    Raises `WriteError`, which names the `option` that says where.
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
                dir=target.parent, prefix=f".{target.name}.", suffix=".part"
            ):
                pass
    except OSError as error:
        reason = reason_of(error)
    if reason:
        raise WriteError(target, reason, f"choose another place with {option}")
    return target


def is_folder(path: str | Path) -> bool:
    """Whether a folder is there, as far as one may know."""
    try:
        return Path(path).is_dir()
    except OSError:  # in a folder that may not be looked into
        return False


def next_free(folder: Path, stem: str, suffix: str) -> int:
    """The first number N for which neither `stem-N.suffix` nor a later one exists in `folder`."""
    pattern = re.compile(re.escape(stem) + r"-([0-9]+)" + re.escape(suffix))
    names = (pattern.fullmatch(path.name) for path in folder.iterdir())
    taken = [int(name[1]) for name in names if name]
    return max(taken, default=0) + 1


def cache_folder() -> Path:
    """Where what can be made again is kept: `MUSICVAE_CACHE`, or the user's cache folder."""
    if "MUSICVAE_CACHE" in os.environ:
        return Path(os.environ["MUSICVAE_CACHE"])
    base = os.environ.get("XDG_CACHE_HOME") or os.environ.get("LOCALAPPDATA")
    return (Path(base) if base else Path.home() / ".cache") / "musicvae"
