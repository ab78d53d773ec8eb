"""Songs of one file: the tunes of an ABC book; all other files hold one song.

A tune is named by its book, its label and its title: `book.abc#3 The Rose Tree`. The label is its
X: number, or its place in the book, counted from 1, if these numbers are not distinct.
"""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from musicvae.errors import ReadError, printable
from musicvae.io.detect import detect_format

if TYPE_CHECKING:
    from musicvae.io.notation.abc import Tune

MAX_MEMBERS = 20_000
"""Tunes of a book. The largest collections have some thousand."""
MAX_MEMBER_BYTES = 256 << 20
"""Size of the tunes of a book, each with the header of the book."""
BOOK_SUFFIX = ".abc"
_MEMBER = re.compile(r"(.+)#(\d{1,9})(?: .*)?", re.DOTALL)
_MAX_TITLE = 60  # characters of a title in a name


class Member(NamedTuple):
    """A song of a file: what follows the path in its name, empty for the file itself; its bytes."""

    suffix: str
    content: bytes


def song_members(content: bytes, path: str | Path = "<bytes>") -> list[Member]:
    """Return the songs of a file, at least one. Raises `ReadError` for more than `MAX_MEMBERS`."""
    if detect_format(content) != "abc":
        return [Member("", content)]
    from musicvae.io.notation import abc

    tunes = _split_book(content)
    if len(tunes) < 2:
        return [Member("", content)]
    if len(tunes) > MAX_MEMBERS:
        raise ReadError(path, f"a book of more than {MAX_MEMBERS:,} tunes", "split it")
    if len(tunes) * len(tunes[0].header) > MAX_MEMBER_BYTES:
        raise ReadError(path, "a book with a header too long for its tunes", "shorten its header")
    return [
        Member(f"#{label} {_short(tune.title)}".rstrip(), abc.tune_text(tune).encode())
        for label, tune in zip(abc.tune_labels(tunes), tunes, strict=True)
    ]


def find_member(content: bytes, number: int, path: str | Path) -> bytes:
    """Return the bytes of the song with a number in a file. Raises `ReadError` if there is none."""
    from musicvae.io.notation import abc

    if detect_format(content) != "abc":
        raise ReadError(path, "not a book of tunes in ABC", "leave out the number")
    tunes = _split_book(content)
    tune = abc.find_tune(tunes, number)
    if tune is None:
        reason = f"no tune {number} in a book of {len(tunes):,}"
        raise ReadError(path, reason, "choose another number")
    return abc.tune_text(tune).encode()


@lru_cache(maxsize=1)  # the tunes of a book are asked for one after the other
def _split_book(content: bytes) -> list[Tune]:
    """Return the tunes of a book."""
    from musicvae.io.notation import abc
    from musicvae.io.notation.text import decode_text

    return abc.split_tunes(decode_text(content))


def parse_member_path(path: str | Path) -> tuple[Path, int] | None:
    """Return the file and the number in a path like `book.abc#3`, with or without a title."""
    match = _MEMBER.fullmatch(str(path))
    return (Path(match[1]), int(match[2])) if match else None


def song_stem(path: Path) -> str:
    """Return the name of a song for files made of it: ``book-3`` for ``book.abc#3``."""
    place = parse_member_path(path.name)
    return path.stem if place is None or path.exists() else f"{place[0].stem}-{place[1]}"


def _short(title: str) -> str:
    """Return a title for a name of a song: printable, without slashes, not too long."""
    return printable(title.replace("/", "-"))[:_MAX_TITLE]
