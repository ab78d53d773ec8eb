"""Score files: containers, encodings, damaged and malicious files, and real scores."""

from __future__ import annotations

import os
import random
import re
import subprocess
import sys
import zipfile
from collections import Counter
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import pytest

import musicvae
from musicvae.errors import ReadError
from musicvae.io.detect import detect_format
from musicvae.io.notation import reader
from musicvae.io.options import ReadOptions
from support.scores import (
    DOCTYPE,
    GOOD,
    KERN,
    PIANO,
    archive,
    bars,
    document,
    note,
    notes,
    part,
    read,
    time,
)

# -- containers -----------------------------------------------------------------------------------


def test_compressed_scores():
    good, other = document(part(note("C4", 8))), document(part(note("D4", 8)))
    container = b'<container><rootfiles><rootfile full-path="b/s.xml"/></rootfiles></container>'
    named = read(archive({"META-INF/container.xml": container, "a.xml": other, "b/s.xml": good}))
    assert (named.kind, notes(named.song)) == ("compressed MusicXML", [(0, 4, 60)])
    assert notes(read(archive({"a.xml": other})).song) == [(0, 4, 62)]
    damaged = b"<container><rootfiles><rootfile full-path='it's.xml'/></rootfiles></container>"
    content = archive({"META-INF/container.xml": damaged, "it's.xml": good})
    assert notes(read(content).song) == [(0, 4, 60)]


def container(*paths: str) -> bytes:
    """Return a container that names these files."""
    files = "".join(f'<rootfile full-path="{path}"/>' for path in paths)
    return f"<container><rootfiles>{files}</rootfiles></container>".encode()


@pytest.mark.parametrize(
    "files",
    [
        {"META-INF/container.xml": container("a.pdf", "a.xml"), "a.pdf": b"%PDF", "a.xml": GOOD},
        {"__MACOSX/._a.xml": b"\0\5\x16\7", "a.xml": GOOD},
        {"A.XML": GOOD},
        {"score": GOOD},
        {"META-INF/container.xml": container("my%20a.xml"), "0.xml": b"<o/>", "my a.xml": GOOD},
        {"META-INF/container.xml": container(".\\S\\a.xml"), "0.xml": GOOD[:99], "s/a.xml": GOOD},
        {"meta-inf/container.xml": container("a.xml"), "0.xml": b"<o/>", "a.xml": GOOD},
        {"x/META-INF/container.xml": container("a.xml"), "0.xml": GOOD[:99], "x/a.xml": GOOD},
        {"META-INF/container.xml": container("gone.xml"), "0.xml": b"<o/>", "a.xml": GOOD},
    ],
)
def test_archives_of_many_programs(files: dict[str, bytes]):
    assert notes(read(archive(files)).song) == [(0, 4, 60), (4, 4, 62)]


def test_namespaces():
    text = GOOD.decode().replace(DOCTYPE, "")
    named = text.replace("<score-partwise", '<score-partwise xmlns="http://www.musicxml.org/xsd"')
    prefixed = re.sub(r"<(/?)(?=[a-z])", r"<\1m:", text)
    prefixed = prefixed.replace("<m:score-partwise", '<m:score-partwise xmlns:m="urn:x"', 1)
    for content in (named, prefixed):
        assert notes(read(content).song) == [(0, 4, 60), (4, 4, 62)]
        assert detect_format(content.encode()) == "musicxml"


@pytest.mark.parametrize(
    ("declared", "encoding", "name"),
    [
        ("UTF-8", "utf-16", "Flöte"),
        ("UTF-16", "utf-8", "Flöte"),
        ("UTF-16", "utf-16-le", "Flöte"),
        ("Shift_JIS", "shift_jis", "ピアノ"),
        ("UTF-8", "cp1252", "Flöte"),
        ("windows-1252", "cp1252", "Flöte"),
    ],
)
def test_declared_encodings(declared: str, encoding: str, name: str):
    text = GOOD.decode().replace("UTF-8", declared).replace("Part 1", name)
    assert read(text.encode(encoding)).song.parts[0].name == name


def test_space_around_a_document():
    assert notes(read(b"\n \r\n" + GOOD + b"\n\x1a\0\0").song) == [(0, 4, 60), (4, 4, 62)]


def test_score_timewise():
    wise = (
        '<score-timewise><part-list><score-part id="P1"><part-name>A</part-name></score-part>'
        '<score-part id="P2"><part-name>B</part-name></score-part></part-list>'
    )
    for number, (high, low) in enumerate((("C5", "C3"), ("D5", "D3"))):
        first = "<attributes><divisions>2</divisions></attributes>" * (number == 0)
        wise += f'<measure number="{number}"><part id="P1">{first}{note(high, 8)}</part>'
        wise += f'<part id="P2">{first}{note(low, 8)}</part></measure>'
    song = read(wise + "</score-timewise>").song
    assert [p.pitch.tolist() for p in song.parts] == [[72, 74], [48, 50]]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_encodings(encoding: str):
    text = document(part(note("C4", 8))).decode().replace("UTF-8", encoding.replace("-sig", ""))
    assert notes(read(text.encode(encoding)).song) == [(0, 4, 60)]
    assert notes(read("X:1\nK:C\nL:1/4\nM:4/4\nC4|D4|\n".encode(encoding)).song)[0] == (0, 4, 60)


def test_score_without_part_list():
    text = document(part(note("C4", 8))).decode()
    start, end = text.index("<part-list>"), text.index("</part-list>") + len("</part-list>")
    assert notes(read(text[:start] + text[end:]).song) == [(0, 4, 60)]


# -- damaged and malicious files ------------------------------------------------------------------

BOMB = (
    '<!DOCTYPE score-partwise [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">'
    '<!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;">]>'
)
OUTSIDE = '<!DOCTYPE score-partwise [<!ENTITY x SYSTEM "file:///etc/passwd">]>'


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty file"),
        (b"no music at all", "no score"),
        (b"\x00" * 100, "no score"),
        (GOOD[:-40], "damaged XML"),
        (b"<html><body/></html>", "not a MusicXML score"),
        (document(part(note("r", 8))), "no notes"),
        (b"<score-partwise/>", "without measures"),
        (document(part(note("C4", 8)), before=BOMB), "declares entities"),
        (document(part(note("C4", 8)), before=OUTSIDE), "declares entities"),
        (GOOD.replace(b"<divisions>2<", b"<divisions>0<"), "invalid divisions '0'"),
        (GOOD.replace(b"<duration>8<", b"<duration>1e300<"), "invalid duration '1e300'"),
        (
            GOOD.replace(b"<duration>8<", b"<duration>9999<"),
            "a note of over 1,024 quarters \\(measure 1\\)",
        ),
        (GOOD.replace(b"<duration>8<", b"<duration>2046<"), "a measure of 1023 quarters"),
        (GOOD.replace(b"<octave>4<", b"<octave>x<"), "invalid pitch 'C x'"),
        (b"PK\x03\x04" + b"\x00" * 60, "damaged archive"),
        (archive({"a.txt": b"x"}), "without a score"),
        (archive({"a.xml": GOOD})[:-30], "damaged archive"),
        (
            document(part(note("C4", 8), attributes=time("99999999", 4))),
            "a meter of over 1,024 quarters",
        ),
        (
            document(part(note("C4", 8), attributes=time("3+1024", 4))),
            "a meter of over 1,024 quarters",
        ),
        (
            document(part(note("C4", 8), attributes=time("9" * 5000, 3))),
            "a meter of over 1,024 quarters",
        ),
        (b"X:1\nK:C\n", "no notes|without measures"),
        (b"**kern\n*-\n", "no notes"),
    ],
)
def test_invalid_scores_raise_one_line(content: bytes, reason: str, capfd: pytest.CaptureFixture):
    with pytest.raises(ReadError, match=rf"^some/file: .*({reason}).*; \w.*") as caught:
        read(content, "some/file")
    assert "\n" not in str(caught.value)
    assert capfd.readouterr() == ("", "")


def test_zip_bomb_is_not_unpacked(monkeypatch: pytest.MonkeyPatch):
    bomb = archive({"a.xml": b" " * (65 << 20)})
    assert len(bomb) < 100_000
    monkeypatch.setattr(zipfile.ZipFile, "open", lambda *_, **__: pytest.fail("unpacked"))
    with pytest.raises(ReadError, match=r"more than 65536 KiB when unpacked; split"):
        read(bomb)


def test_archive_with_a_wrong_size():
    content = bytearray(archive({"a.xml": b" " * (1 << 20)}))
    place = content.rindex(b"PK\x01\x02") + 24
    content[place : place + 4] = (100).to_bytes(4, "little")
    with pytest.raises(ReadError):
        read(bytes(content))


def test_too_many_measures_are_refused():
    text = document(part("")).replace(b"</part>", b"<measure/>" * 200_001 + b"</part>")
    with pytest.raises(ReadError, match="more than 200000 measures; split"):
        read(text)


def test_damaged_copies_are_songs_or_one_line():
    rng = random.Random(4)
    outcomes = Counter()
    for base in (GOOD, PIANO, archive({"a.xml": PIANO}), KERN.encode()):
        for _ in range(25):
            data = bytearray(base)
            for _ in range(rng.randint(1, 4)):
                data[rng.randrange(len(data))] = rng.randrange(256)
            try:
                outcomes[type(read(bytes(data))).__name__] += 1
            except ReadError as error:
                outcomes["ReadError"] += 1
                assert "\n" not in str(error)
    assert set(outcomes) == {"ReadResult", "ReadError"}
    assert sum(outcomes.values()) == 100


def test_reading_writes_no_files_and_needs_no_music21(tmp_path: Path):
    """The home and the temporary folder stay empty."""
    home = tmp_path / "home"
    home.mkdir()
    (tmp_path / "a.mxl").write_bytes(archive({"a.xml": GOOD}))
    (tmp_path / "a.krn").write_text(KERN)
    code = (
        "import sys; from pathlib import Path; from musicvae.io.notation import reader;"
        "from musicvae.io.options import ReadOptions;"
        "[reader.read_bytes(Path(p).read_bytes(), p, ReadOptions()) for p in sys.argv[1:]];"
        "assert 'music21' not in sys.modules"
    )
    env = {
        **os.environ,
        "HOME": str(home),
        "TMPDIR": str(home),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONPATH": str(Path(musicvae.__file__).parents[1]),
    }
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "a.mxl"), str(tmp_path / "a.krn")],
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert list(home.rglob("*")) == []


# -- real songs -----------------------------------------------------------------------------------

SEMITONES = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}


def parse_xml(root: ElementTree.Element) -> tuple[list[Fraction], list[list[tuple]]]:
    """Return bar lines and notes (onset, end, pitch) of each part, from the XML alone."""
    columns = []
    for element in root.findall("part"):
        divisions, measures = Fraction(1), []
        for measure in element.findall("measure"):
            position = reach = last = Fraction(0)
            found = []
            for child in measure:
                if text := child.findtext("divisions"):
                    divisions = Fraction(text)
                length = Fraction(child.findtext("duration") or 0) / divisions
                if child.tag in ("backup", "forward"):
                    position += -length if child.tag == "backup" else length
                elif child.tag == "note" and child.find("grace") is None:
                    if child.find("chord") is None:
                        last, position = position, position + length
                    pitch = child.find("pitch")
                    if pitch is not None and child.find("cue") is None:
                        octave = 12 * (int(pitch.findtext("octave")) + 1)
                        alter = int(float(pitch.findtext("alter") or 0))
                        ties = {mark.get("type") for mark in child.findall("tie")}
                        midi_pitch = octave + SEMITONES[pitch.findtext("step")] + alter
                        found.append((last, midi_pitch, length, ties))
                reach = max(reach, position)
            measures.append((reach, found))
        columns.append(measures)
    starts = [Fraction(0)]
    for row in zip(*columns, strict=True):
        starts.append(starts[-1] + max(reach for reach, _ in row))
    return starts, [_joined(column, starts) for column in columns]


def _joined(column: list, starts: list[Fraction]) -> list[tuple]:
    """Join ties; keep the longest of coinciding notes; end notes where their pitch starts again."""
    whole, held = [], []
    for start, (_, found) in zip(starts, column, strict=False):
        for onset, pitch, length, ties in sorted(found, key=lambda n: n[:3]):
            at = start + onset
            known = (
                next((n for n in held if n[1:] == [pitch, at]), None) if "stop" in ties else None
            )
            if known is None:
                known = [at, pitch, at]
                whole.append(known)
            elif "start" not in ties:
                held.remove(known)
            known[2] = at + length
            if "start" in ties and known not in held:
                held.append(known)
    ends: dict[tuple, Fraction] = {}
    for onset, pitch, end in whole:
        ends[pitch, onset] = max(ends.get((pitch, onset), end), end)
    keys = sorted(ends)
    after = dict(pairwise(keys))
    return sorted(
        (onset, min(end, after[pitch, onset][1]), pitch)
        if after.get((pitch, onset), (None,))[0] == pitch
        else (onset, end, pitch)
        for (pitch, onset), end in ends.items()
    )


def test_lieder_match_their_xml(shared_data: Path):
    files = sorted((shared_data / "lieder").rglob("*.mxl"))
    for file in random.Random(11).sample(files, 8):
        with zipfile.ZipFile(file) as zipped:
            name = next(n for n in zipped.namelist() if n.endswith(".xml") and "META" not in n)
            lines, parts = parse_xml(ElementTree.fromstring(zipped.read(name)))
        reading = reader.read_bytes(file.read_bytes(), file, ReadOptions())
        song = reading.song
        tpq = song.ticks_per_quarter
        assert bars(song) == lines[:-1], file
        assert Fraction(song.end_ticks, tpq) == lines[-1]
        for found, expected in zip(song.parts, [p for p in parts if p], strict=True):
            columns = (found.onset_ticks, found.onset_ticks + found.duration_ticks)
            onset, end = ([Fraction(t, tpq) for t in c.tolist()] for c in columns)
            read_notes = sorted(zip(onset, end, found.pitch.tolist(), strict=True))
            assert read_notes == expected, (file, found.name)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("X:1\nL:1/4\nK:C\n" + "C1000|" * 101 + "|\n", "longer than 100,000 quarters"),
        ("X:1\nK:C\n" + "C|" * 20_002, "more than 20,000 bars"),
        (
            "X:1\nL:1/8\nK:C\n" + "".join(f"({p}:2:1C" for p in range(3, 100)) + "|\n",
            "too many different tuplets",
        ),
        ("**kern\n*M1/4\n" + "=\n4c\n" * 20_002 + "*-\n", "more than 20,000 bars"),
        (
            document(part(note("C4", 8))).replace(b"</part>", b"<measure/>" * 20_001 + b"</part>"),
            "more than 20,000 bars",
        ),
        (
            document(
                part(
                    "".join(
                        "<note><pitch><step>C</step><octave>4</octave></pitch><type>eighth</type>"
                        f"<time-modification><actual-notes>{n}</actual-notes>"
                        "<normal-notes>1</normal-notes></time-modification></note>"
                        for n in range(3, 200)
                    )
                )
            ),
            "too many different tuplets",
        ),
    ],
    ids=["long", "abc-bars", "abc-tuplets", "kern-bars", "xml-bars", "xml-tuplets"],
)
def test_sizes_are_bounded_by_every_reader(content: str | bytes, reason: str) -> None:
    with pytest.raises(ReadError, match=reason):
        read(content)


def test_notes_and_marks_as_played_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    tune = "X:1\nL:1/4\nK:C\n|::" + "C" * 8 + "::|\n"
    assert read(tune, repeats=True).song.n_notes > 8
    monkeypatch.setattr("musicvae.io.notation.timeline.MAX_NOTES", 8)
    assert read(tune).song.n_notes == 8
    with pytest.raises(ReadError, match="more than 8 notes as played"):
        read(tune, repeats=True)
