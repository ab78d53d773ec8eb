"""Detection of file formats by content, never by file name."""

from __future__ import annotations

import io
import re
import zipfile

_TEXT_HEAD_BYTES = 1 << 16  # where a text file has to show its format
_MAX_PREFIX_BYTES = 4096  # before a MIDI header: a MacBinary header, an HTTP one
_MIDI_HEADER = re.compile(rb"MThd\0\0\0")
_XML_START = re.compile(rb"\s*<(?:\?xml|!DOCTYPE|!--|(?:[\w.-]{1,40}:)?score-)")
_SCORE_ELEMENT = re.compile(rb"<(?:[\w.-]{1,40}:)?score-(?:partwise|timewise)\b")
_ABC_NUMBER = re.compile(rb"^X:[ \t]*+\d", re.MULTILINE)
_ABC_KEY = re.compile(rb"^K:", re.MULTILINE)
_AUDIO = "an audio file"
_SIGNATURES: tuple[tuple[re.Pattern[bytes], str], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE | re.DOTALL), name)
    for pattern, name in (
        (rb"SMF2CLIP", "a MIDI 2.0 clip"),
        (rb"RIFF....WAVE|RF64....WAVE|fLaC|OggS|ID3|FORM....AIF", _AUDIO),
        (rb"\xff[\xe2\xe3\xf2\xf3\xfa\xfb]", _AUDIO),
        (rb"....ftyp|\x1aE\xdf\xa3|#!AMR", "a video or M4A recording; export it as WAV"),
        (rb"%PDF", "a PDF"),
        (rb"\x89PNG|\xff\xd8\xff|GIF8|BM....\0\0\0\0", "a picture"),
        (rb"\s*<!doctype html|\s*<html", "a web page"),
        (rb"PK\x03\x04|\x1f\x8b|Rar!|7z\xbc\xaf|BZh", "an archive; unpack it"),
        (rb"\s*<", "XML, but not a score"),
        (rb"\xf0[\x00-\x7f]*\xf7", "a single system exclusive message"),
    )
)


def detect_format(content: bytes) -> str:
    """Return the format of a file from its bytes.

    One of "midi", "rmid", "musicxml", "mxl", "abc", "humdrum", "audio", "empty" and "unknown".
    """
    if content[:4] == b"MThd":
        return "midi"
    if not content:
        return "empty"
    if describe_content(content) == _AUDIO and find_midi_header(content) < 0:
        return "audio"
    if content[:4] == b"RIFF" and content[8:12] == b"RMID":
        return "rmid"
    if content[:4] == b"PK\x03\x04":
        return "mxl" if _contains_score(content) else "unknown"
    head = _decode_head(content[:_TEXT_HEAD_BYTES])
    if head is not None:
        if _XML_START.match(head):
            return "musicxml" if _SCORE_ELEMENT.search(head) else "unknown"
        if _is_humdrum(head):
            return "humdrum"
        if (number := _ABC_NUMBER.search(head)) and _ABC_KEY.search(head, number.end()):
            return "abc"
    return "midi" if find_midi_header(content) >= 0 else "unknown"


def find_midi_header(content: bytes) -> int:
    """Return the offset of a MIDI header that may follow a short prefix, or -1."""
    match = _MIDI_HEADER.search(content, 0, _MAX_PREFIX_BYTES)
    return match.start() if match else -1


def describe_content(content: bytes) -> str:
    """Name the kind of a file that is not music in a few words; empty if it is not recognized."""
    return next((name for pattern, name in _SIGNATURES if pattern.match(content)), "")


def _decode_head(head: bytes) -> bytes | None:
    """Return the start of a text file without its byte order mark, in an ASCII-like encoding."""
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return head[: len(head) // 2 * 2].decode("utf-16", "replace").encode()
    return None if b"\0" in head else head.removeprefix(b"\xef\xbb\xbf").replace(b"\r", b"\n")


def _is_humdrum(head: bytes) -> bool:
    """Return whether the first line after comments is an exclusive interpretation (`**kern`)."""
    lines = (line for line in head.split(b"\n") if line.strip() and not line.startswith(b"!!"))
    first = next(lines, b"")
    return first.startswith(b"**") and first[2:3].isalpha()


def _contains_score(content: bytes) -> bool:
    """Return whether a ZIP archive holds MusicXML and is not an office document."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError, OSError):
        return False
    return any(name.lower().endswith((".xml", ".musicxml")) for name in names) and not any(
        name == "[Content_Types].xml" or name.startswith(("word/", "xl/", "ppt/")) for name in names
    )
