"""Formats are detected by content, and content that is not music is named."""

from __future__ import annotations

import zipfile
from io import BytesIO

import pytest

from musicvae import io
from musicvae.errors import ReadError
from musicvae.io import midi
from musicvae.io.detect import describe_content, detect_format
from support.songs import small_chorale

XML = '<?xml version="1.0"?>\n<!DOCTYPE score-partwise PUBLIC "-//Recordare//DTD MusicXML">\n'


def zipped(*names: str) -> bytes:
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in names:
            archive.writestr(name, "<score-partwise/>")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"", "empty"),
        (b"MThd", "midi"),
        (b"junk\r\n\r\nMThd\0\0\0\6", "midi"),
        (b"a book on MThd chunks", "unknown"),
        (b"RIFF\0\0\0\0RMIDdata", "rmid"),
        (b"RIFF\0\0\0\0WAVEfmt ", "audio"),
        (b"\xff\xfb\x90\x64", "audio"),
        (b"\0\0\0\x20ftypM4A ", "unknown"),
        (f"{XML}<score-partwise version='4.0'>".encode(), "musicxml"),
        (f"\ufeff{XML}<score-timewise>".encode(), "musicxml"),
        (f"{XML}<score-partwise>".encode("utf-16"), "musicxml"),
        (b"<!-- by hand --><score-partwise>", "musicxml"),
        (b"<?xml version='1.0'?><html/>", "unknown"),
        (zipped("META-INF/container.xml", "song.xml"), "mxl"),
        (zipped("song.musicxml"), "mxl"),
        (zipped("[Content_Types].xml", "word/document.xml"), "unknown"),
        (zipped("photo.jpg"), "unknown"),
        (b"PK\3\4 and no more", "unknown"),
        (b"X:1\nT:A tune\nM:4/4\nK:D\nABcd|", "abc"),
        (b"%abc-2.1\r\n%%scale 0.7\r\nX: 12\r\nK:Am\r\nA|", "abc"),
        (b"X:1\rK:C\rc4|", "abc"),
        (b"A letter.\nK: what do you say?\n", "unknown"),
        (b"**kern\t**kern\n*M4/4\t*M4/4\n", "humdrum"),
        (b"!!!COM: Bach\n!!!OTL: Lied\n\n**kern\n4c\n", "humdrum"),
        (b"!!! not a score at all", "unknown"),
        (bytes(range(256)), "unknown"),
    ],
)
def test_format_is_detected_by_content(content: bytes, kind: str) -> None:
    assert detect_format(content) == kind


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"\0\0\0\x20ftypM4A ", "a video or M4A recording; export it as WAV"),
        (b"%PDF-1.7", "a PDF"),
        (b"<!DOCTYPE html><html>", "a web page"),
        (zipped("photo.jpg"), "an archive; unpack it"),
        (b"SMF2CLIP", "a MIDI 2.0 clip"),
        (b"<?xml version='1.0'?><svg/>", "XML, but not a score"),
        (b"hello", ""),
    ],
)
def test_content_that_is_not_music_is_named(content: bytes, what: str) -> None:
    assert describe_content(content) == what
    with pytest.raises(ReadError, match="not a MIDI file or score") as caught:
        io.read_bytes(content, "song.mid")
    assert what in str(caught.value)


@pytest.mark.parametrize("piece", [b" \n", b"X:1\n", b"!!x\n", b"\n<", b"X: \t", b"<!--", b"**"])
def test_pathological_text_is_detected_in_linear_time(piece: bytes) -> None:
    assert detect_format(piece * (1 << 19)) == "unknown"


def test_midi_header_is_found_after_a_short_prefix_only() -> None:
    content = midi.to_bytes(small_chorale())
    assert detect_format(bytes(4000) + content) == "midi"
    assert detect_format(bytes(5000) + content) == "unknown"


def test_score_is_read_whatever_its_name() -> None:
    result = io.read_bytes(b"X:1\nM:4/4\nL:1/4\nK:C\nCDEF|GABc|\n", "tune.mid")
    assert (result.kind, result.song.n_notes) == ("ABC", 8)
