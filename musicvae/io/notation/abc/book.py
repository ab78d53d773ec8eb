"""Books of tunes, their lines, and the reading of one tune."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from musicvae.errors import ReadError
from musicvae.io.notation.abc.assembly import build_score
from musicvae.io.notation.abc.fields import decode_escapes
from musicvae.io.notation.abc.tune import TuneReader
from musicvae.io.notation.score import Score
from musicvae.io.notation.text import check_length

MAX_TUNES = 20_000
"""Tunes of a book. The largest collections have some ten thousand."""

_HEADER_LINE = re.compile(r"[A-WYZm]:|%%|I:")
_BODY_LINE = re.compile(r"\[?[A-Zmrsw+]:|%")
_TEXT_IN_MUSIC = re.compile(r'"[^"]*"|![^!|]{1,40}!|\[[A-Za-z]:[^\]]*\]')
_BLOCKS = {"begintext": "endtext", "beginps": "endps", "beginsvg": "endsvg"}
_BLOCKS |= {"beginml": "endml", "beginjs": "endjs", "begin": "end"}


class Tune(NamedTuple):
    """A tune of a book: its X: number (0 if none), first title, header of the book, own text."""

    number: int
    title: str
    header: str
    text: str


def split_tunes(text: str) -> list[Tune]:
    """Return the tunes of a book; a text without X: is one tune.

    The header of the book are the fields and directives before the first tune. Text after an empty
    line that is no music belongs to no tune.
    """
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    starts = [i for i, line in enumerate(lines) if line.startswith("X:")]
    if not starts:
        return [Tune(0, _first_title(lines), "", "\n".join(lines))]
    before = _without_blocks(lines[: starts[0]])
    header = "".join(f"{line}\n" for line in before if _HEADER_LINE.match(line))
    tunes = []
    for start, end in zip(starts, [*starts[1:], len(lines)], strict=True):
        number = re.match(r"X:\s*(\d{1,9})(?!\d)", lines[start])
        own = lines[start:end]
        tunes.append(
            Tune(int(number[1]) if number else 0, _first_title(own), header, "\n".join(own))
        )
    return tunes


def tune_labels(tunes: Sequence[Tune]) -> list[str]:
    """Return the labels of tunes: their X: numbers, or 1, 2, 3 where these are not distinct."""
    numbers = [tune.number for tune in tunes]
    if 0 in numbers or len(set(numbers)) < len(numbers):
        numbers = list(range(1, len(tunes) + 1))
    return [str(number) for number in numbers]


def find_tune(tunes: Sequence[Tune], number: int) -> Tune | None:
    """Return the tune with a label, else the one at a place counted from 1, else None."""
    labels = tune_labels(tunes)
    if str(number) in labels:
        return tunes[labels.index(str(number))]
    return tunes[number - 1] if 0 < number <= len(tunes) else None


def tune_text(tune: Tune) -> str:
    """Return a tune as a book of its own, with the fields of its book's header."""
    own = tune.text.partition("\n")[2]
    return tune.header + (tune.text if tune.number else "X:1\n" + own)


def read_abc(text: str, path: str | Path = "<ABC>", *, tune: int | None = None) -> Score:
    """Read a tune of a book: the first, with a warning if there are more, or that of a number.

    `tune` is an X: number, or where these are not distinct, a place counted from 1. Raises
    `ReadError` if there is no such tune or it is too long, and `UnsupportedScoreError`.
    """
    tunes = split_tunes(text)
    chosen = tunes[0] if tune is None else find_tune(tunes, tune)
    if chosen is None:
        raise ReadError(path, f"no tune {tune} in a book of {len(tunes)}", "choose another number")
    check_length(chosen.text, path)
    check_length(chosen.header, path)
    reader = TuneReader()
    reader.read(_logical_lines(chosen))
    score = build_score(reader)
    if tune is None and len(tunes) > 1:
        score.warnings.insert(
            0, f"a book of {len(tunes)} tunes, the first is read; choose others by #number"
        )
    return score


# -- lines ----------------------------------------------------------------------------------------


def _logical_lines(tune: Tune) -> Iterator[str]:
    """Yield the lines of a tune without comments and texts, with continued fields joined."""
    lines = [*tune.header.split("\n"), *_tune_lines(tune.text.split("\n"))]
    field: list[str] = []
    for line in map(_strip_comment, _without_blocks(lines)):
        if line.startswith("+:") and field:
            field.append(line[2:].strip())
            continue
        if field:
            yield " ".join(field)
        field = []
        if re.match(r"[A-Za-z]:", line):
            field = [line]
        elif line:
            yield line
    if field:
        yield " ".join(field)


def _tune_lines(lines: Sequence[str]) -> Iterator[str]:
    """Yield the lines of a tune, up to an empty line after which there is no music."""
    has_key = is_after_gap = False
    for line in lines:
        if not line.strip():
            is_after_gap = has_key
        elif not re.match(r"%(?!%)", line):
            if is_after_gap and not _looks_like_music(line):
                return
            is_after_gap = False
            has_key = has_key or line.startswith("K:")
            yield line


def _looks_like_music(line: str) -> bool:
    """Whether a line is a field or directive of a tune, or music with a bar line."""
    if _BODY_LINE.match(line):
        return True
    plain = _TEXT_IN_MUSIC.sub("", line.partition("%")[0])
    return "|" in plain and not re.search(r"[A-Za-z]*[i-tvwI-Y][A-Za-z]{2}", plain)


def _without_blocks(lines: Sequence[str]) -> Iterator[str]:
    """Yield lines without blocks of text or programs (`%%begintext` ... `%%endtext`)."""
    end = ""
    for line in lines:
        name = line[2:].split(None, 1)[0] if line.startswith("%%") and line[2:].strip() else ""
        if end:
            if name == end:
                end = ""
        elif name in _BLOCKS:
            end = _BLOCKS[name]
        else:
            yield line


def _strip_comment(line: str) -> str:
    """Return a line without its comment; a directive keeps its percent signs."""
    start = 2 if line.startswith("%%") else 0
    while (at := line.find("%", start)) >= 0:
        if at == 0 or line[at - 1] != "\\":
            return line[:at].rstrip()
        start = at + 1
    return line.rstrip()


def _first_title(lines: Sequence[str]) -> str:
    """Return the first title among lines, empty if there is none."""
    for line in lines:
        if line.startswith("T:"):
            return " ".join(decode_escapes(_strip_comment(line[2:])).split())
    return ""
