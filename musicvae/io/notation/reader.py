"""Floor 3: scores (MusicXML, ABC, Humdrum) -> Song, through music21, with their own bar lines.

Every measure is a bar. A meter event is written wherever a bar is not as long as the running meter
says, and again after it: a 3-beat bar before a repeat and the 1-beat pickup after it become 3/4,
1/4, back to 4/4. Ties become one note, grace notes are dropped and counted, chord symbols are not
notes, the voices of a part are merged. Times are exact fractions of a quarter until the end.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from math import lcm
from pathlib import Path
from typing import Any

import numpy as np

from musicvae.errors import ReadError
from musicvae.io.notation import abc_humdrum, musicxml
from musicvae.io.notation.dynamics import Loudness, Place, voice_of
from musicvae.io.notation.measures import Bar, Measures, measures_of, meter_events
from musicvae.io.notation.music21_score import Sheet, quietly, uncollected
from musicvae.io.notation.part import Line, UnfitScoreError, line_of
from musicvae.io.notation.repeats import RepeatError, played_order
from musicvae.io.notation.timeline import Note, Walk
from musicvae.io.options import ReadOptions
from musicvae.io.result import Reading
from musicvae.song import MAX_TICKS_PER_QUARTER, Key, Meter, Part, Song, TempoMap, resolve_overlaps

_TICKS_PER_QUARTER = 480
_STORED = 24  # cells of a quarter: the least that ticks must hold
_MOST_BARS = 20_000
_MOST_PARTS = 512
_QPM = {"": 120.0}


@dataclass(frozen=True)
class Laid:
    """A song, how many notes were dropped or joined in reading it, and its pickup.

    `grace` notes have no duration; `overlapping` ones share pitch and time with another of their
    part; `rounded` says that no tick resolution of a MIDI file holds all of the rhythms.
    """

    song: Song
    n_bars: int
    pickup: bool
    grace: int
    overlapping: int
    rounded: bool
    warnings: tuple[str, ...]


def examine(content: bytes, path: str | Path, options: ReadOptions) -> Reading:
    """Read the bytes of a score, whatever its name. Raises `ReadError`, and nothing else.

    Of the options, `repeats` and `merge` matter here. A book of ABC tunes gives its first tune.
    """
    with as_read_error(path):
        sheet = sheet_of(content, path, merge=options.merge)
        laid = song_of(sheet, repeats=options.repeats, merge=options.merge)
    said = [*sheet.warnings, *laid.warnings]
    if laid.grace:
        said.append(f"grace notes left out: {laid.grace}")
    if laid.overlapping:
        said.append(f"notes that overlap on one pitch, joined or cut: {laid.overlapping}")
    if laid.rounded:
        said.append("rhythms too fine for MIDI's ticks, rounded to 1/480 of a quarter")
    return Reading(song=laid.song, kind=sheet.kind, warnings=tuple(said), measured=True)


def sheet_of(content: bytes, path: str | Path, *, merge: bool) -> Sheet:
    """The score in some bytes, in whichever of the formats it is."""
    text = content.lstrip(b"\xef\xbb\xbf\xff\xfe\x00 \t\r\n")
    if content[:4] == b"PK\x03\x04" or text[:1] == b"<":
        return musicxml.sheet_of(content, path, merge=merge)
    written = abc_humdrum.text_of(content)
    if abc_humdrum.is_humdrum(written):
        return abc_humdrum.humdrum_sheet(written, path)
    if abc_humdrum.is_abc(written):
        return abc_humdrum.abc_sheet(written, path)
    what = "no score (neither MusicXML, ABC nor Humdrum)" if content else "empty file"
    raise ReadError(path, what, "give a .mxl, .musicxml, .abc or .krn file")


@contextmanager
def as_read_error(path: str | Path) -> Iterator[None]:
    """music21 raises whatever it stumbles over, and prints: here it is one line about the file."""
    try:
        with quietly(), uncollected():
            yield
    except ReadError:
        raise
    except UnfitScoreError as error:
        raise ReadError(path, str(error), "correct the score") from None
    except Exception as error:
        reason = f"music21 cannot read it ({type(error).__name__}: {str(error)[:200]})"
        raise ReadError(path, reason, "open it in a notation program and export it again") from None


def song_of(
    sheet: Sheet,
    *,
    repeats: bool = False,
    merge: bool = True,
    voices: Sequence[tuple[str, int]] | None = None,
    default_qpm: dict[str, float] = _QPM,
    velocity: int | None = None,
) -> Laid:
    """The song of a score.

    `voices` holds (name, GM program) for each part in score order, else the score says them;
    `default_qpm` a tempo by meter (``"6/8"``, else ``""``), for scores without a metronome mark;
    `velocity` is that of all notes, else dynamics say it. Raises `UnfitScoreError`.
    """
    staves = list(sheet.score.parts)
    if len(staves) > _MOST_PARTS:
        raise UnfitScoreError(f"{len(staves)} parts")
    lines = [line_of(staff) for staff in staves]
    if not any(any(line.notes) for line in lines):
        raise UnfitScoreError("no notes")
    measures = measures_of(lines)
    said = list(measures.warnings)
    if outside := sum(line.outside for line in lines):
        said.append(f"notes outside of any measure, left out: {outside}")
    order = _order(staves, measures, said) if repeats else list(range(len(measures.bars)))
    walk = Walk(measures.bars, order)
    if len(walk.bars) > _MOST_BARS:
        raise UnfitScoreError(f"more than {_MOST_BARS} bars")
    loud = _loudness(staves, lines) if velocity is None else [None] * len(lines)
    sung = [
        walk.notes(line, measures, p, loudness, velocity or 0)
        for p, (line, loudness) in enumerate(zip(lines, loud, strict=True))
    ]
    tpq, rounded = _resolution(walk.bars, sung, walk.end)
    parts, overlapping = [], 0
    for voice, notes in _merged(staves, sheet, voices, sung, merge=merge):
        part, merged = _part(voice, notes, tpq)
        parts.append(part)
        overlapping += merged
    if silent := [part.name or "unnamed" for part in parts if not len(part)]:
        said.append(f"parts without notes, left out: {', '.join(silent)[:80]}")
    first = walk.bars[0].written
    qpm = default_qpm.get(f"{first[0]}/{first[1]}" if first else "", default_qpm[""])
    song = Song(
        ticks_per_quarter=tpq,
        parts=tuple(part for part in parts if len(part)),
        tempo=_tempo(walk, lines, tpq, qpm),
        meter=_meter(walk.bars, tpq),
        key=_key(walk, lines, tpq),
        end_ticks=_ticks(walk.end, tpq),
    )
    pickup = len(walk.bars) > 1 and walk.bars[0].length < walk.bars[1].length
    grace = sheet.grace + sum(line.grace for line in lines)
    return Laid(song, len(walk.bars), pickup, grace, overlapping, rounded, tuple(said))


def _order(staves: Sequence[Any], measures: Measures, said: list[str]) -> list[int]:
    count = len(measures.bars)
    try:
        if measures.own:
            raise RepeatError("parts have bar lines of their own")
        return played_order(staves, count)
    except RepeatError as error:
        said.append(f"repeats not played ({str(error)[:120]}): each bar once")
        return list(range(count))


# -- parts ----------------------------------------------------------------------------------------


def _loudness(staves: Sequence[Any], lines: Sequence[Line]) -> list[Loudness | None]:
    """The dynamics of each part; a staff without any has those of its instrument's other one."""
    shared: dict[str, list[tuple[Place, str]]] = {}
    for staff, line in zip(staves, lines, strict=True):
        shared.setdefault(_instrument(staff), []).extend(line.dynamics)
    marks = [
        line.dynamics or (shared[name] if (name := _instrument(staff)) else [])
        for staff, line in zip(staves, lines, strict=True)
    ]
    return [Loudness(found) if found else Loudness([]) for found in marks]


def _instrument(staff: Any) -> str:
    """What the staves of one instrument have in common, empty for a part of its own."""
    if "PartStaff" in staff.classSet:
        return next((group.rpartition("-Staff")[0] for group in staff.groups), "")
    return abc_humdrum.same_instrument(staff)


@dataclass(frozen=True)
class _Voice:
    name: str
    program: int
    is_drum: bool


def _merged(
    staves: Sequence[Any],
    sheet: Sheet,
    voices: Sequence[tuple[str, int]] | None,
    sung: Sequence[list[Note]],
    *,
    merge: bool,
) -> list[tuple[_Voice, list[Note]]]:
    """Who plays each part, and what; the staves of one instrument together if `merge`."""
    found: list[tuple[_Voice, list[Note]]] = []
    place: dict[str, int] = {}
    said = voices or sheet.voices
    for p, (staff, notes) in enumerate(zip(staves, sung, strict=True)):
        name, program = said[p] if said else voice_of(staff)
        drum = any(group.rpartition("-Staff")[0] in sheet.drums for group in staff.groups)
        drum |= any(group in sheet.drums for group in staff.groups)
        whole = _instrument(staff)
        if merge and whole in place and whole:
            found[place[whole]][1].extend(notes)
            continue
        place[whole] = len(found)
        found.append((_Voice(name, 0 if drum else program or 0, drum), list(notes)))
    return found


def _part(voice: _Voice, notes: Sequence[Note], tpq: int) -> tuple[Part, int]:
    onset = np.array([_ticks(note.onset, tpq) for note in notes], dtype=np.int64)
    end = np.array([_ticks(note.end, tpq) for note in notes], dtype=np.int64)
    pitch = np.array([note.pitch for note in notes], dtype=np.int64)
    velocity = np.array([note.velocity for note in notes], dtype=np.int64)
    keep, duration, changed = resolve_overlaps(onset, np.maximum(end - onset, 1), pitch)
    part = Part.empty(voice.name, voice.program, voice.is_drum).with_notes(
        onset[keep], duration[keep], pitch[keep], velocity[keep]
    )
    return part, changed


# -- ticks, meter, tempo, key ---------------------------------------------------------------------


def _resolution(
    bars: Sequence[Bar], lines: Iterable[Iterable[Note]], end: Fraction
) -> tuple[int, bool]:
    """Ticks a quarter on which every rhythm is exact: the smallest multiple of 480, or else of 24,
    if a MIDI file can say it; else 480 and True."""
    times = {end, *(bar.start for bar in bars)}
    times |= {time for notes in lines for note in notes for time in (note.onset, note.end)}
    denominators = {time.denominator for time in times}
    for base in (_TICKS_PER_QUARTER, _STORED):
        tpq = lcm(base, *denominators)
        if tpq <= MAX_TICKS_PER_QUARTER:
            return tpq, False
    return _TICKS_PER_QUARTER, True


def _ticks(time: Fraction, tpq: int) -> int:
    return round(time * tpq)


def _meter(bars: Sequence[Bar], tpq: int) -> Meter:
    times, numerators, denominators = zip(*meter_events(bars), strict=True)
    return Meter(
        ticks=np.array([_ticks(time, tpq) for time in times]),
        numerator=np.array(numerators),
        denominator=np.array(denominators),
    )


def _tempo(walk: Walk, lines: Sequence[Line], tpq: int, default_qpm: float) -> TempoMap:
    """The metronome marks of all parts; the first one holds from the start.

    Of several at one place a number wins over words, and a part over those below it.
    """
    marks: dict[Place, tuple[bool, float]] = {}
    for line in lines:
        for place, named, qpm in line.tempi:
            if place not in marks or (marks[place][0] and not named):
                marks[place] = named, qpm
    played = walk.marks([(place, qpm) for place, (_, qpm) in marks.items()])
    if not played:
        return TempoMap.constant(default_qpm)
    return TempoMap(
        ticks=np.array([0, *(_ticks(time, tpq) for time, _ in played[1:])]),
        us_per_quarter=np.array([round(60e6 / qpm) for _, qpm in played]),
    )


def _key(walk: Walk, lines: Sequence[Line], tpq: int) -> Key:
    """The key signatures of the first part that has any."""
    written = next((line.keys for line in lines if line.keys), [])
    signs = walk.marks(written)
    return Key(
        ticks=np.array([_ticks(time, tpq) for time, _ in signs], dtype=np.int64),
        fifths=np.array([sign[0] for _, sign in signs], dtype=np.int64),
        minor=np.array([sign[1] for _, sign in signs], dtype=np.int64),
    )
