"""Floor 3: files -> Song, whatever they are called: MIDI, MusicXML, ABC, Humdrum, recordings.

`examine` tells what bytes hold and what was odd about them; `read` opens a file for its song.
"""

from __future__ import annotations

from pathlib import Path

from musicvae.errors import ReadError
from musicvae.io import midi
from musicvae.io.detect import describe, kind_of
from musicvae.io.limits import check_bytes
from musicvae.io.options import ReadOptions
from musicvae.io.result import Reading
from musicvae.song import Song

__all__ = ["SCORES", "SUFFIXES", "Reading", "examine", "load", "read", "write"]

SUFFIXES = (".mid", ".midi", ".kar", ".rmi", ".musicxml", ".mxl", ".xml", ".abc", ".krn")
"""What songs are usually called; only to choose files of a folder, never to judge what they are."""

SCORES = (".musicxml", ".xml", ".mxl")
"""What a path ends in that is to be written as a score; all others are MIDI."""

_AS_USUAL = ReadOptions()
_GIVE = "give MIDI, MusicXML, ABC or Humdrum"
_HEAR = "write it down first, with musicvae transcribe"


def examine(
    content: bytes,
    path: str | Path = "<bytes>",
    options: ReadOptions = _AS_USUAL,
    *,
    listen: bool = True,
) -> Reading:
    """What the bytes of a file hold, told by the bytes alone; `path` is for error messages.

    A recording is written down, unless `listen` says not to: renders often lie beside their songs.
    Raises `ReadError` with the reason if that is no music, or is damaged.
    """
    kind = kind_of(content)
    if kind in ("midi", "rmid"):
        return midi.examine(content, path, options)
    if kind in ("musicxml", "mxl", "abc", "humdrum"):
        from musicvae.io.notation import reader

        return reader.examine(content, path, options)
    if kind == "audio" and listen:
        from musicvae.io import transcription

        return transcription.examine(content, path)
    what = describe(content)
    reason = "empty file" if kind == "empty" else f"not a MIDI file or score{what and ': '}{what}"
    raise ReadError(path, reason, _HEAR if kind == "audio" else _GIVE)


def load(path: str | Path) -> bytes:
    """The bytes of a file that may be read. Raises `ReadError` for none, a folder, a huge one."""
    file = Path(path)
    try:
        if file.exists() and not file.is_file() and not file.is_dir():
            raise ReadError(path, "not a regular file", "check the path")
        check_bytes(file.stat().st_size, path)
        return file.read_bytes()
    except (OSError, ValueError) as error:
        reason = (getattr(error, "strerror", None) or str(error)).lower()
        raise ReadError(path, reason, "check the path") from None


def read(path: str | Path, options: ReadOptions = _AS_USUAL) -> Song:
    """The song in a file. Raises `ReadError` with the reason if there is none."""
    return examine(load(path), path, options).song


def write(song: Song, path: str | Path, *, note: str = "") -> Path:
    """Write a song as its path says, a score or MIDI; `note` is kept in it. Raises `WriteError`."""
    return write_counted(song, path, note=note)[0]


def write_counted(song: Song, path: str | Path, *, note: str = "") -> tuple[Path, int]:
    """`write`; returns the path, and how many notes were written, which in a score may be fewer."""
    if Path(path).suffix.lower() in SCORES:
        from musicvae.io import musicxml_writer

        return musicxml_writer.write_score(song, path, note=note)
    return midi.write(song, path, note=note), song.n_notes
