"""Helpers that write small scores and read them back."""

from __future__ import annotations

import io
import zipfile
from fractions import Fraction

from musicvae.io.notation import reader
from musicvae.io.options import ReadOptions
from musicvae.io.result import ReadResult
from musicvae.representation.grid import grid_from_song
from musicvae.song import Part, Song

DOCTYPE = (
    '<!DOCTYPE score-partwise PUBLIC "-//Recordare//DTD MusicXML 3.0 Partwise//EN" '
    '"http://www.musicxml.org/dtds/partwise.dtd">'
)

# -- writing small scores -------------------------------------------------------------------------


def note(pitch: str, length: int = 2, *more: str, voice: int = 1, staff: int = 0) -> str:
    """Return a note (``C4``, ``Bb3``) or rest (``r``); `length` is in eighths, 0 for grace."""
    if pitch == "r":
        content = "<rest/>"
    else:
        step, octave = pitch[0], pitch[-1]
        alter = {"": "", "b": "<alter>-1</alter>", "#": "<alter>1</alter>"}[pitch[1:-1]]
        content = f"<pitch><step>{step}</step>{alter}<octave>{octave}</octave></pitch>"
    staff_element = f"<staff>{staff}</staff>" if staff else ""
    before = "".join(x for x in more if x.startswith("<chord") or x.startswith("<cue"))
    after = "".join(x for x in more if not x.startswith(("<chord", "<cue")))
    duration = f"<duration>{length}</duration>" if length else ""
    grace = "" if length else "<grace/>"
    voice_and_staff = f"<voice>{voice}</voice>{staff_element}"
    return f"<note>{grace}{before}{content}{duration}{after}{voice_and_staff}</note>"


def tie(*kinds: str) -> str:
    """Return tie elements of these types."""
    return "".join(f'<tie type="{kind}"/>' for kind in kinds)


def back(length: int) -> str:
    """Return a backup of `length` eighths."""
    return f"<backup><duration>{length}</duration></backup>"


def time(beats: int | str, unit: int) -> str:
    """Return a time signature."""
    return f"<time><beats>{beats}</beats><beat-type>{unit}</beat-type></time>"


def words(text: str, *more: str) -> str:
    """Return a direction with words."""
    return (
        f"<direction><direction-type><words>{text}</words></direction-type>"
        f"{''.join(more)}</direction>"
    )


def dynamic(name: str) -> str:
    """Return a direction with a dynamic mark."""
    return f"<direction><direction-type><dynamics><{name}/></dynamics></direction-type></direction>"


def metronome(unit: str, count: object) -> str:
    """Return a direction with a metronome mark."""
    return (
        "<direction><direction-type><metronome>"
        f"<beat-unit>{unit}</beat-unit><per-minute>{count}</per-minute>"
        "</metronome></direction-type></direction>"
    )


def part(*measures: str, attributes: str = "") -> list[str]:
    """Return the measures of a part, with attributes in the first."""
    first = f"<attributes><divisions>2</divisions>{attributes or time(4, 4)}</attributes>"
    return [first + measures[0], *measures[1:]]


def document(*parts: list[str], entries: list[str] | None = None, before: str = DOCTYPE) -> bytes:
    """Return a score-partwise document; `entries` are the contents of the part list."""
    contents = entries or [f"<part-name>Part {i}</part-name>" for i in range(1, len(parts) + 1)]
    part_list = "".join(
        f'<score-part id="P{i}">{entry}</score-part>' for i, entry in enumerate(contents, start=1)
    )
    body = "".join(
        f'<part id="P{i}">'
        + "".join(f'<measure number="{n}">{m}</measure>' for n, m in enumerate(p, start=1))
        + "</part>"
        for i, p in enumerate(parts, start=1)
    )
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>{before}<score-partwise version="3.0">'
        f"<part-list>{part_list}</part-list>{body}</score-partwise>"
    ).encode()


def archive(files: dict[str, bytes]) -> bytes:
    """Return a zip archive of files."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as zipped:
        for name, content in files.items():
            zipped.writestr(name, content)
    return buffer.getvalue()


# -- reading them ---------------------------------------------------------------------------------


def read(content: bytes | str, name: str = "a", **options: bool) -> ReadResult:
    """Read a score; `options` are those of `ReadOptions`."""
    data = content.encode() if isinstance(content, str) else content
    return reader.read_bytes(data, name, ReadOptions(**options))


def bars(song: Song) -> list[Fraction]:
    """Return the start of each bar in quarters."""
    return [Fraction(int(t), song.ticks_per_quarter) for t in grid_from_song(song, 24).start_ticks]


def notes(song: Song, index: int = 0) -> list[tuple[float, float, int]]:
    """Return (onset, duration, pitch), times in quarters."""
    found: Part = song.parts[index]
    columns = (found.onset_ticks, found.duration_ticks)
    onset, duration = ((column / song.ticks_per_quarter).tolist() for column in columns)
    return list(zip(onset, duration, found.pitch.tolist(), strict=True))


def meters(song: Song) -> list[str]:
    """Return the meters of a song as text."""
    m = song.meter
    return [f"{n}/{d}" for n, d in zip(m.numerator.tolist(), m.denominator.tolist(), strict=True)]


# -- two scores --


def entry(name: str, *more: str) -> str:
    """Return a part name with further elements of a part-list entry."""
    return f"<part-name>{name}</part-name>{''.join(more)}"


def plays(program: int) -> str:
    """Return a MIDI instrument with a program, counted from 1."""
    return f'<midi-instrument id="I"><midi-program>{program}</midi-program></midi-instrument>'


GOOD = document(part(note("C4", 8), note("D4", 8)))
PIANO = document(
    part(
        dynamic("p")
        + note("C5", 8, staff=1)
        + back(8)
        + note("C3", 8, tie("start"), voice=2, staff=2),
        note("D5", 8, staff=1) + back(8) + note("C3", 8, tie("stop"), voice=2, staff=2),
        attributes="<staves>2</staves>" + time(4, 4),
    ),
    entries=[entry("Piano", plays(1))],
)
KERN = """!!!OTL: A
**kern\t**kern
*Icello\t*Ivioln
*k[f#]\t*k[f#]
*M3/4\t*M3/4
*MM90\t*MM90
=1-\t=1-
4G\t4dd
=2\t=2
2.G\t[2.b 2.dd
=3\t=3
4r\t2b]
4A\t.
4B\t8qcc
.\t4aa
==\t==
*-\t*-
"""
