"""Floor 0: everything a user can get wrong, as one small exception tree.

Every message is one line that names the file (or the option), the reason, and what to do.
The command line prints it and exits 1; from Python it is an ordinary exception.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from pathlib import Path

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def shown(name: str) -> str:
    """A path as people and JSON can have it: bytes that are no text are written as escapes."""
    try:
        content = name.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # halves of characters, which names on Windows may have
        content = name.encode("utf-8", "backslashreplace")
    return content.decode("utf-8", "backslashreplace")


def one_line(text: str) -> str:
    """Text as one line for a terminal: what would break it, or steer it, is written as escapes."""
    return _CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode(), shown(text))


def reason_of(error: OSError) -> str:
    """What the system says went wrong, as the reason in a message."""
    return (error.strerror or str(error)).lower()


def nearest(name: str, known: Iterable[str]) -> str:
    """What to add to a message about an unknown name: the known one that is meant, if any."""
    found = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f" (did you mean {found[0]!r}?)" if found else ""


class MusicVAEError(Exception):
    """Base of all errors that are about the user's input rather than about this code."""

    def __str__(self) -> str:
        return one_line(super().__str__())


class FileError(MusicVAEError):
    """A problem with one file: ``path: reason; hint``."""

    def __init__(self, path: str | Path, reason: str, hint: str = "") -> None:
        self.path = str(path)
        self.reason = " ".join(str(reason).split())
        self.hint = hint
        super().__init__(f"{self.path}: {self.reason}" + (f"; {hint}" if hint else ""))

    def __reduce__(self) -> tuple[type, tuple[str, str, str]]:
        # Exceptions cross process borders when folders are read in parallel.
        return (type(self), (self.path, self.reason, self.hint))


class ReadError(FileError):
    """A file that cannot be read as music."""


class WriteError(FileError):
    """A result that cannot be written where it was asked to go."""


class CheckpointError(FileError):
    """A checkpoint that is missing, damaged, or of another format version."""


class ConfigError(MusicVAEError):
    """A preset, a ``--set`` or an argument that does not make sense."""


class DataError(MusicVAEError):
    """A folder or corpus from which nothing can be learned."""


class TrainingError(MusicVAEError):
    """A run that cannot go on."""
