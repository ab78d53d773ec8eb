"""Exception tree of the package, and the helpers that word messages.

Every message is one line of the form ``path: reason; hint``, or names the option instead of a
path. The command line prints it and exits 1; from Python it is an ordinary exception.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from pathlib import Path

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")

MAX_NAME_BYTES = 255
"""Longest file name, in bytes, that the usual file systems allow."""
_RESERVED_BYTES = 55  # of the name of a run or preset, for suffixes and numbers


def printable(name: str) -> str:
    """Return a file name as valid Unicode: bytes that are not UTF-8 become escapes."""
    try:
        content = name.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # lone surrogates, which names on Windows may contain
        content = name.encode("utf-8", "backslashreplace")
    return content.decode("utf-8", "backslashreplace")


def one_line(text: str) -> str:
    """Return text as one line for a terminal, with control characters and line breaks escaped."""
    return _CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode(), printable(text))


def os_reason(error: OSError) -> str:
    """Return the operating system's description of an error, in lower case."""
    return (error.strerror or str(error)).lower()


def nearest(name: str, known: Iterable[str]) -> str:
    """Return `` (did you mean 'x'?)`` for the known name closest to `name`, empty if none is."""
    found = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f" (did you mean {found[0]!r}?)" if found else ""


def is_file_name(name: str) -> bool:
    """Return whether a name is that of one file or folder anywhere: no path, nothing hidden.

    Names of runs and presets are such names; suffixes and numbers have room after them.
    """
    is_plain = name.isprintable() and not set(name) & set('/\\:*?"<>|')
    size = len(name.encode()) + _RESERVED_BYTES
    return is_plain and not name.startswith(".") and _RESERVED_BYTES < size <= MAX_NAME_BYTES


class MusicVAEError(Exception):
    """Base class of all errors caused by the user's input rather than by this code."""

    def __str__(self) -> str:
        return one_line(super().__str__())


class FileError(MusicVAEError):
    """Problem with one file: ``path: reason; hint``."""

    def __init__(self, path: str | Path, reason: str, hint: str = "") -> None:
        self.path = str(path)
        self.reason = " ".join(str(reason).split())
        self.hint = hint
        super().__init__(f"{self.path}: {self.reason}" + (f"; {hint}" if hint else ""))

    def __reduce__(self) -> tuple[type, tuple[str, str, str]]:
        # Exceptions cross process borders when folders are read in parallel.
        return (type(self), (self.path, self.reason, self.hint))


class ReadError(FileError):
    """File that cannot be read as music."""


class WriteError(FileError):
    """Result that cannot be written to the requested path."""


class ExistsError(WriteError):
    """Result whose file exists already, perhaps since a moment ago, and is not replaced."""


class CheckpointError(FileError):
    """Checkpoint that is missing, damaged, or of another format version."""


class ConfigError(MusicVAEError):
    """Invalid preset, ``--set`` or argument."""


class DataError(MusicVAEError):
    """Folder or corpus without anything to train on."""


class TrainingError(MusicVAEError):
    """Training run that cannot continue."""
