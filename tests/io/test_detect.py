from __future__ import annotations

import zipfile
from io import BytesIO

import pytest

from musicvae import io
from musicvae.errors import ReadError
from musicvae.io import midi
from musicvae.io.detect import describe, kind_of
from support.small_songs import chorale

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
def test_kinds_by_content(content: bytes, kind: str) -> None:
    assert kind_of(content) == kind


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"\0\0\0\x20ftypM4A ", "a film or M4A recording; export it as WAV"),
        (b"%PDF-1.7", "a PDF"),
        (b"<!DOCTYPE html><html>", "a web page"),
        (zipped("photo.jpg"), "an archive; unpack it"),
        (b"SMF2CLIP", "a MIDI 2.0 clip"),
        (b"<?xml version='1.0'?><svg/>", "XML, but no score"),
        (b"hello", ""),
    ],
)
def test_what_is_no_music_is_called_by_its_name(content: bytes, what: str) -> None:
    assert describe(content) == what
    with pytest.raises(ReadError, match="not a MIDI file or score") as caught:
        io.examine(content, "song.mid")
    assert what in str(caught.value)


@pytest.mark.parametrize("piece", [b" \n", b"X:1\n", b"!!x\n", b"\n<", b"X: \t", b"<!--", b"**"])
def test_text_without_an_end_is_told_at_once(piece: bytes) -> None:
    assert kind_of(piece * (1 << 19)) == "unknown"


def test_midi_after_other_bytes_is_looked_for_near_the_beginning() -> None:
    content = midi.to_bytes(chorale())
    assert kind_of(bytes(4000) + content) == "midi"
    assert kind_of(bytes(5000) + content) == "unknown"


def test_a_score_is_read_whatever_it_is_called() -> None:
    reading = io.examine(b"X:1\nM:4/4\nL:1/4\nK:C\nCDEF|GABc|\n", "tune.mid")
    assert (reading.kind, reading.song.n_notes) == ("ABC", 8)
