"""Floor 3: what kind of file some bytes are, by what is in them and not by their name."""

from __future__ import annotations

import io
import re
import zipfile

_HEAD = 1 << 16  # where a text file has to show what it is
_JUNK = 4096  # what may stand before the MIDI itself: a MacBinary header, an HTTP one
_MIDI = re.compile(rb"MThd\0\0\0")
_XML = re.compile(rb"\s*<(?:\?xml|!DOCTYPE|!--|score-)")
_SCORE = re.compile(rb"<score-(?:partwise|timewise)\b")
_TUNE, _TUNE_KEY = re.compile(rb"^X:[ \t]*+\d", re.MULTILINE), re.compile(rb"^K:", re.MULTILINE)
_AUDIO = "an audio file"
_OTHERS: tuple[tuple[re.Pattern[bytes], str], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE | re.DOTALL), name)
    for pattern, name in (
        (rb"SMF2CLIP", "a MIDI 2.0 clip"),
        (rb"RIFF....WAVE|RF64....WAVE|fLaC|OggS|ID3|FORM....AIF", _AUDIO),
        (rb"\xff[\xe2\xe3\xf2\xf3\xfa\xfb]", _AUDIO),
        (rb"....ftyp|\x1aE\xdf\xa3|#!AMR", "a film or M4A recording; export it as WAV"),
        (rb"%PDF", "a PDF"),
        (rb"\x89PNG|\xff\xd8\xff|GIF8|BM....\0\0\0\0", "a picture"),
        (rb"\s*<!doctype html|\s*<html", "a web page"),
        (rb"PK\x03\x04|\x1f\x8b|Rar!|7z\xbc\xaf|BZh", "an archive; unpack it"),
        (rb"\s*<", "XML, but no score"),
        (rb"\xf0[\x00-\x7f]*\xf7", "a single system exclusive message"),
    )
)


def kind_of(content: bytes) -> str:
    """ "midi", "rmid", "musicxml", "mxl", "abc", "humdrum", "audio", "empty" or "unknown"."""
    if content[:4] == b"MThd":
        return "midi"
    if not content:
        return "empty"
    if describe(content) == _AUDIO and midi_start(content) < 0:
        return "audio"
    if content[:4] == b"RIFF" and content[8:12] == b"RMID":
        return "rmid"
    if content[:4] == b"PK\x03\x04":
        return "mxl" if _holds_a_score(content) else "unknown"
    head = _as_text(content[:_HEAD])
    if head is not None:
        if _XML.match(head):
            return "musicxml" if _SCORE.search(head) else "unknown"
        if _is_humdrum(head):
            return "humdrum"
        if (tune := _TUNE.search(head)) and _TUNE_KEY.search(head, tune.end()):
            return "abc"
    return "midi" if midi_start(content) >= 0 else "unknown"


def midi_start(content: bytes) -> int:
    """Where the MIDI begins, after a few bytes that are something else, or -1."""
    found = _MIDI.search(content, 0, _JUNK)
    return found.start() if found else -1


def describe(content: bytes) -> str:
    """What bytes that are no music are, in a few words; empty if that cannot be said."""
    return next((name for pattern, name in _OTHERS if pattern.match(content)), "")


def _as_text(head: bytes) -> bytes | None:
    """The beginning of a text file without its byte order mark, in an encoding like ASCII."""
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return head[: len(head) // 2 * 2].decode("utf-16", "replace").encode()
    return None if b"\0" in head else head.removeprefix(b"\xef\xbb\xbf").replace(b"\r", b"\n")


def _is_humdrum(head: bytes) -> bool:
    """Whether the first line that is no comment names interpretations, such as ``**kern``."""
    lines = (line for line in head.split(b"\n") if line.strip() and not line.startswith(b"!!"))
    first = next(lines, b"")
    return first.startswith(b"**") and first[2:3].isalpha()


def _holds_a_score(content: bytes) -> bool:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError, OSError):
        return False
    return any(name.lower().endswith((".xml", ".musicxml")) for name in names) and not any(
        name == "[Content_Types].xml" or name.startswith(("word/", "xl/", "ppt/")) for name in names
    )
