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
from musicvae.io.notation.dynamics import DynamicsMap, ScorePosition, name_and_program
from musicvae.io.notation.measures import Bar, Measures, build_measures, meter_events
from musicvae.io.notation.music21_score import Music21Score, suppress_output, pause_garbage_collection
from musicvae.io.notation.part import ScorePart, UnsupportedScoreError, read_part
from musicvae.io.notation.repeats import RepeatError, playback_order
from musicvae.io.notation.timeline import TimelineNote, PlaybackTimeline
from musicvae.io.options import ReadOptions
from musicvae.io.result import ReadResult
from musicvae.song import MAX_TICKS_PER_QUARTER, KeyMap, MeterMap, Part, Song, TempoMap, resolve_overlaps

_TICKS_PER_QUARTER = 480
_STORED = 24  # cells of a quarter: the least that ticks must hold
_MAX_BARS = 20_000
_MAX_PARTS = 512
_DEFAULT_QPM = {"": 120.0}


@dataclass(frozen=True)
class SongFromScore:
    """A song, how many notes were dropped or joined in reading it, and its pickup.

    `grace` notes have no duration; `overlapping` ones share pitch and time with another of their
    part; `rounded` says that no tick resolution of a MIDI file holds all of the rhythms.
    """

    song: Song
    n_bars: int
    has_pickup: bool
    n_grace_notes: int
    n_overlapping: int
    is_rounded: bool
    warnings: tuple[str, ...]


def read_bytes(content: bytes, path: str | Path, options: ReadOptions) -> ReadResult:
    """Read the bytes of a score, whatever its name. Raises `ReadError`, and nothing else.

    Of the options, `repeats` and `merge` matter here. A book of ABC tunes gives its first tune.
    """
    with convert_errors(path):
        sheet = read_score(content, path, merge=options.merge)
        laid = to_song(sheet, repeats=options.repeats, merge=options.merge)
    said = [*sheet.warnings, *laid.warnings]
    if laid.n_grace_notes:
        said.append(f"grace notes left out: {laid.n_grace_notes}")
    if laid.n_overlapping:
        said.append(f"notes that overlap on one pitch, joined or cut: {laid.n_overlapping}")
    if laid.is_rounded:
        said.append("rhythms too fine for MIDI's ticks, rounded to 1/480 of a quarter")
    return ReadResult(song=laid.song, kind=sheet.kind, warnings=tuple(said), has_notated_bars=True)


def read_score(content: bytes, path: str | Path, *, merge: bool) -> Music21Score:
    """The score in some bytes, in whichever of the formats it is."""
    text = content.lstrip(b"\xef\xbb\xbf\xff\xfe\x00 \t\r\n")
    if content[:4] == b"PK\x03\x04" or text[:1] == b"<":
        return musicxml.read_musicxml(content, path, merge=merge)
    written = abc_humdrum.decode_text(content)
    if abc_humdrum.is_humdrum(written):
        return abc_humdrum.read_humdrum(written, path)
    if abc_humdrum.is_abc(written):
        return abc_humdrum.read_abc(written, path)
    what = "no score (neither MusicXML, ABC nor Humdrum)" if content else "empty file"
    raise ReadError(path, what, "give a .mxl, .musicxml, .abc or .krn file")


@contextmanager
def convert_errors(path: str | Path) -> Iterator[None]:
    """music21 raises whatever it stumbles over, and prints: here it is one line about the file."""
    try:
        with suppress_output(), pause_garbage_collection():
            yield
    except ReadError:
        raise
    except UnsupportedScoreError as error:
        raise ReadError(path, str(error), "correct the score") from None
    except Exception as error:
        reason = f"music21 cannot read it ({type(error).__name__}: {str(error)[:200]})"
        raise ReadError(path, reason, "open it in a notation program and export it again") from None


def to_song(
    score: Music21Score,
    *,
    repeats: bool = False,
    merge: bool = True,
    voices: Sequence[tuple[str, int]] | None = None,
    default_qpm: dict[str, float] = _DEFAULT_QPM,
    velocity: int | None = None,
) -> SongFromScore:
    """The song of a score.

    `voices` holds (name, GM program) for each part in score order, else the score says them;
    `default_qpm` a tempo by meter (``"6/8"``, else ``""``), for scores without a metronome mark;
    `velocity` is that of all notes, else dynamics say it. Raises `UnfitScoreError`.
    """
    staves = list(score.score.parts)
    if len(staves) > _MAX_PARTS:
        raise UnsupportedScoreError(f"{len(staves)} parts")
    lines = [read_part(staff) for staff in staves]
    if not any(any(line.notes) for line in lines):
        raise UnsupportedScoreError("no notes")
    measures = build_measures(lines)
    said = list(measures.warnings)
    if outside := sum(line.n_outside_measures for line in lines):
        said.append(f"notes outside of any measure, left out: {outside}")
    order = _playback_order(staves, measures, said) if repeats else list(range(len(measures.bars)))
    walk = PlaybackTimeline(measures.bars, order)
    if len(walk.bars) > _MAX_BARS:
        raise UnsupportedScoreError(f"more than {_MAX_BARS} bars")
    loud = _part_dynamics(staves, lines) if velocity is None else [None] * len(lines)
    sung = [
        walk.play_notes(line, measures, p, loudness, velocity or 0)
        for p, (line, loudness) in enumerate(zip(lines, loud, strict=True))
    ]
    tpq, rounded = _choose_resolution(walk.bars, sung, walk.end)
    parts, overlapping = [], 0
    for voice, notes in _merge_staves(staves, score, voices, sung, merge=merge):
        part, merged = _build_part(voice, notes, tpq)
        parts.append(part)
        overlapping += merged
    if silent := [part.name or "unnamed" for part in parts if not len(part)]:
        said.append(f"parts without notes, left out: {', '.join(silent)[:80]}")
    first = walk.bars[0].time_signature
    qpm = default_qpm.get(f"{first[0]}/{first[1]}" if first else "", default_qpm[""])
    song = Song(
        ticks_per_quarter=tpq,
        parts=tuple(part for part in parts if len(part)),
        tempo=_tempo_map(walk, lines, tpq, qpm),
        meter=_meter_map(walk.bars, tpq),
        key=_key_map(walk, lines, tpq),
        end_ticks=_to_ticks(walk.end, tpq),
    )
    pickup = len(walk.bars) > 1 and walk.bars[0].length < walk.bars[1].length
    grace = score.n_grace_notes + sum(line.n_grace_notes for line in lines)
    return SongFromScore(song, len(walk.bars), pickup, grace, overlapping, rounded, tuple(said))


def _playback_order(staves: Sequence[Any], measures: Measures, warnings: list[str]) -> list[int]:
    count = len(measures.bars)
    try:
        if measures.has_independent_barlines:
            raise RepeatError("parts have bar lines of their own")
        return playback_order(staves, count)
    except RepeatError as error:
        warnings.append(f"repeats not played ({str(error)[:120]}): each bar once")
        return list(range(count))


# -- parts ----------------------------------------------------------------------------------------


def _part_dynamics(staves: Sequence[Any], parts: Sequence[ScorePart]) -> list[DynamicsMap | None]:
    """The dynamics of each part; a staff without any has those of its instrument's other one."""
    shared: dict[str, list[tuple[ScorePosition, str]]] = {}
    for staff, line in zip(staves, parts, strict=True):
        shared.setdefault(_instrument_group(staff), []).extend(line.dynamics)
    marks = [
        line.dynamics or (shared[name] if (name := _instrument_group(staff)) else [])
        for staff, line in zip(staves, parts, strict=True)
    ]
    return [DynamicsMap(found) if found else DynamicsMap([]) for found in marks]


def _instrument_group(staff: Any) -> str:
    """What the staves of one instrument have in common, empty for a part of its own."""
    if "PartStaff" in staff.classSet:
        return next((group.rpartition("-Staff")[0] for group in staff.groups), "")
    return abc_humdrum.instrument_group(staff)


@dataclass(frozen=True)
class _PartInfo:
    name: str
    program: int
    is_drum: bool


def _merge_staves(
    staves: Sequence[Any],
    score: Music21Score,
    voices: Sequence[tuple[str, int]] | None,
    notes_by_staff: Sequence[list[TimelineNote]],
    *,
    merge: bool,
) -> list[tuple[_PartInfo, list[TimelineNote]]]:
    """Who plays each part, and what; the staves of one instrument together if `merge`."""
    found: list[tuple[_PartInfo, list[TimelineNote]]] = []
    place: dict[str, int] = {}
    said = voices or score.voices
    for p, (staff, notes) in enumerate(zip(staves, notes_by_staff, strict=True)):
        name, program = said[p] if said else name_and_program(staff)
        drum = any(group.rpartition("-Staff")[0] in score.drum_part_ids for group in staff.groups)
        drum |= any(group in score.drum_part_ids for group in staff.groups)
        whole = _instrument_group(staff)
        if merge and whole in place and whole:
            found[place[whole]][1].extend(notes)
            continue
        place[whole] = len(found)
        found.append((_PartInfo(name, 0 if drum else program or 0, drum), list(notes)))
    return found


def _build_part(info: _PartInfo, notes: Sequence[TimelineNote], tpq: int) -> tuple[Part, int]:
    onset = np.array([_to_ticks(note.onset, tpq) for note in notes], dtype=np.int64)
    end = np.array([_to_ticks(note.end, tpq) for note in notes], dtype=np.int64)
    pitch = np.array([note.pitch for note in notes], dtype=np.int64)
    velocity = np.array([note.velocity for note in notes], dtype=np.int64)
    keep, duration, changed = resolve_overlaps(onset, np.maximum(end - onset, 1), pitch)
    part = Part.empty(info.name, info.program, info.is_drum).with_notes(
        onset[keep], duration[keep], pitch[keep], velocity[keep]
    )
    return part, changed


# -- ticks, meter, tempo, key ---------------------------------------------------------------------


def _choose_resolution(
    bars: Sequence[Bar], notes_by_part: Iterable[Iterable[TimelineNote]], end: Fraction
) -> tuple[int, bool]:
    """Ticks a quarter on which every rhythm is exact: the smallest multiple of 480, or else of 24,
    if a MIDI file can say it; else 480 and True."""
    times = {end, *(bar.start for bar in bars)}
    times |= {time for notes in notes_by_part for note in notes for time in (note.onset, note.end)}
    denominators = {time.denominator for time in times}
    for base in (_TICKS_PER_QUARTER, _STORED):
        tpq = lcm(base, *denominators)
        if tpq <= MAX_TICKS_PER_QUARTER:
            return tpq, False
    return _TICKS_PER_QUARTER, True


def _to_ticks(time: Fraction, tpq: int) -> int:
    return round(time * tpq)


def _meter_map(bars: Sequence[Bar], tpq: int) -> MeterMap:
    times, numerators, denominators = zip(*meter_events(bars), strict=True)
    return MeterMap(
        ticks=np.array([_to_ticks(time, tpq) for time in times]),
        numerator=np.array(numerators),
        denominator=np.array(denominators),
    )


def _tempo_map(timeline: PlaybackTimeline, parts: Sequence[ScorePart], tpq: int, default_qpm: float) -> TempoMap:
    """The metronome marks of all parts; the first one holds from the start.

    Of several at one place a number wins over words, and a part over those below it.
    """
    marks: dict[ScorePosition, tuple[bool, float]] = {}
    for line in parts:
        for place, named, qpm in line.tempo_marks:
            if place not in marks or (marks[place][0] and not named):
                marks[place] = named, qpm
    played = timeline.play_marks([(place, qpm) for place, (_, qpm) in marks.items()])
    if not played:
        return TempoMap.constant(default_qpm)
    return TempoMap(
        ticks=np.array([0, *(_to_ticks(time, tpq) for time, _ in played[1:])]),
        us_per_quarter=np.array([round(60e6 / qpm) for _, qpm in played]),
    )


def _key_map(timeline: PlaybackTimeline, parts: Sequence[ScorePart], tpq: int) -> KeyMap:
    """The key signatures of the first part that has any."""
    written = next((line.keys for line in parts if line.keys), [])
    signs = timeline.play_marks(written)
    return KeyMap(
        ticks=np.array([_to_ticks(time, tpq) for time, _ in signs], dtype=np.int64),
        fifths=np.array([sign[0] for _, sign in signs], dtype=np.int64),
        minor=np.array([sign[1] for _, sign in signs], dtype=np.int64),
    )
