"""Files <-> Song. In: MIDI, MusicXML, ABC, Humdrum, recordings of one voice or of taps.

Out: a `Song`, and in a `ReadResult` the format and the warnings. The format is detected from the
content, whatever the file is called. Back: MIDI, MusicXML, and audio (`musicvae.io.audio`).
"""

from __future__ import annotations

from pathlib import Path

from musicvae.errors import ReadError
from musicvae.io import members, midi
from musicvae.io.detect import describe_content, detect_format
from musicvae.io.limits import check_size
from musicvae.io.options import ReadOptions
from musicvae.io.result import ReadResult
from musicvae.song import Song

__all__ = [
    "SCORE_SUFFIXES",
    "SONG_SUFFIXES",
    "ReadResult",
    "expand",
    "load",
    "read",
    "read_bytes",
    "write",
]

SONG_SUFFIXES = (".mid", ".midi", ".kar", ".rmi", ".musicxml", ".mxl", ".xml", ".abc", ".krn")
"""Usual suffixes of songs. They select the files of a folder; the format is in the content."""

SCORE_SUFFIXES = (".musicxml", ".xml", ".mxl")
"""Suffixes that `write` writes as MusicXML; all others are MIDI."""

_DEFAULT_OPTIONS = ReadOptions()
_FORMATS_HINT = "give MIDI, MusicXML, ABC or Humdrum"
_TRANSCRIBE_HINT = "transcribe it first, with musicvae transcribe"


def read_bytes(
    content: bytes,
    path: str | Path = "<bytes>",
    options: ReadOptions = _DEFAULT_OPTIONS,
    *,
    transcribe: bool = True,
) -> ReadResult:
    """Read the bytes of a file; `path` is for error messages alone.

    A recording is transcribed unless `transcribe` is false: rendered songs often lie beside their
    originals. Raises `ReadError` with the reason for damaged files and for all that is not music.
    """
    file_format = detect_format(content)
    if file_format in ("midi", "rmid"):
        return midi.read_bytes(content, path, options)
    if file_format in ("musicxml", "mxl", "abc", "humdrum"):
        from musicvae.io.notation import reader

        return reader.read_bytes(content, path, options)
    if file_format == "audio" and transcribe:
        from musicvae.io import transcription

        return transcription.read_bytes(content, path)
    what = describe_content(content)
    reason = f"not a MIDI file or score{what and ': '}{what}"
    hint = _TRANSCRIBE_HINT if file_format == "audio" else _FORMATS_HINT
    raise ReadError(path, "empty file" if file_format == "empty" else reason, hint)


def load(path: str | Path) -> bytes:
    """Return the bytes of a file, or of one tune of a book: `book.abc#3`.

    Raises `ReadError` if it is missing, a folder or too large.
    """
    file = Path(path)
    try:
        place = None if file.exists() else members.parse_member_path(path)
        if place and place[0].is_file():
            return members.find_member(load(place[0]), place[1], path)
        if file.exists() and not file.is_file() and not file.is_dir():
            raise ReadError(path, "not a regular file", "check the path")
        check_size(file.stat().st_size, path)
        return file.read_bytes()
    except (OSError, ValueError) as error:
        reason = (getattr(error, "strerror", None) or str(error)).lower()
        raise ReadError(path, reason, "check the path") from None


def expand(path: Path) -> list[Path]:
    """Return the paths of the songs of a file: `book.abc#1` and so on for a book, else the path.

    Files that cannot be read are returned as they are: reading them raises the reason.
    """
    if path.suffix.lower() != members.BOOK_SUFFIX:
        return [path]
    try:
        found = members.song_members(load(path), path)
    except ReadError:
        return [path]
    return [path.with_name(path.name + member.suffix.partition(" ")[0]) for member in found]


def read(path: str | Path, options: ReadOptions = _DEFAULT_OPTIONS) -> Song:
    """Read the song in a file. Raises `ReadError` with the reason if it cannot be read."""
    return read_bytes(load(path), path, options).song


def write(song: Song, path: str | Path, *, note: str = "") -> Path:
    """Write a song as MusicXML or MIDI, by the suffix of `path`; return the path.

    `note` is stored as a text in the file. Raises `WriteError`.
    """
    return write_and_count(song, path, note=note)[0]


def write_and_count(song: Song, path: str | Path, *, note: str = "") -> tuple[Path, int]:
    """Write a song; return the path and the number of notes written, which a score may reduce."""
    if Path(path).suffix.lower() in SCORE_SUFFIXES:
        from musicvae.io import musicxml_writer

        return musicxml_writer.write_score(song, path, note=note)
    return midi.write(song, path, note=note), song.n_notes
