"""A music21 score -> Song, with the bar lines of its measures.

A meter event is written wherever a bar is not as long as the running meter says, and again after
it: a 3-beat bar before a repeat and the 1-beat pickup after it become 3/4, 1/4, back to 4/4. Ties
become one note, grace notes are dropped and counted, repeats are not expanded, chord symbols are
not notes, the voices of a part are merged. Times are exact fractions of a quarter until the end.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import lcm
from typing import Any

import numpy as np

from musicvae.corpora.measures import (
    Bar,
    UnfitScoreError,
    bars_of,
    exact,
    measures_of,
    meter_events,
)
from musicvae.song import Key, Meter, Part, Song, Tempo, resolve_overlaps

VELOCITY = 80  # scores of these corpora carry no dynamics
_TICKS_PER_QUARTER = 480
_MAX_TICKS_PER_QUARTER = 0x7FFF
_SANE_QPM = (20.0, 500.0)


@dataclass
class _Note:
    onset: Fraction
    end: Fraction
    pitch: int


@dataclass(frozen=True)
class Reading:
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


def song_of(
    score: Any, voices: Sequence[tuple[str, int]], default_qpm: dict[str, float]
) -> Reading:
    """The song of a music21 `score` whose parts are named and sounded by `voices`.

    `voices` holds (name, GM program) for each part in score order; `default_qpm` a tempo by
    meter (``"6/8"``, else ``""``), for scores without a metronome mark. Raises `UnfitScoreError`.
    """
    staves = list(score.parts)
    bars = bars_of(staves)
    lines: list[list[_Note]] = []
    grace = 0
    for staff in staves:
        notes, dropped = _notes(staff, bars)
        lines.append(notes)
        grace += dropped
    if not any(lines):
        raise UnfitScoreError("no notes")
    kept = [bar for bar in bars if bar.length > 0]
    end = kept[-1].start + kept[-1].length
    tpq, rounded = _resolution(kept, lines, end)
    parts, overlapping = [], 0
    for (name, program), notes in zip(voices, lines, strict=True):
        part, merged = _part(name, program, notes, tpq)
        parts.append(part)
        overlapping += merged
    first = kept[0].written
    qpm = default_qpm.get(f"{first[0]}/{first[1]}" if first else "", default_qpm[""])
    song = Song(
        ticks_per_quarter=tpq,
        parts=tuple(parts),
        tempo=_tempo(staves, bars, tpq, qpm),
        meter=_meter(kept, tpq),
        key=_key(staves[0], bars, tpq),
        end_ticks=_ticks(end, tpq),
    )
    pickup = len(kept) > 1 and kept[0].length < kept[1].length
    return Reading(song, len(kept), pickup, grace, overlapping, rounded)


# -- notes ----------------------------------------------------------------------------------------


def _notes(staff: Any, bars: Sequence[Bar]) -> tuple[list[_Note], int]:
    """The notes of a part with ties joined, and how many grace notes were dropped."""
    found: list[tuple[Fraction, int, Fraction, str]] = []
    grace = 0
    for bar, measure in zip(bars, measures_of(staff), strict=False):
        for offset, element in _sounding(measure):
            if not element.quarterLength:
                grace += len(element.pitches)
                continue
            onset, length = bar.start + exact(offset), exact(element.quarterLength)
            for single in element.notes if element.isChord else (element,):
                tie = single.tie.type if single.tie else ""
                found.append((onset, single.pitch.midi, length, tie))
    notes: list[_Note] = []
    held: dict[int, _Note] = {}
    for onset, pitch, length, tie in sorted(found):
        before = held.pop(pitch, None)
        if before and before.end == onset and tie in ("stop", "continue"):
            note, note.end = before, onset + length
        else:
            note = _Note(onset, onset + length, pitch)
            notes.append(note)
        if tie in ("start", "continue"):
            held[pitch] = note
    return notes, grace


def _sounding(measure: Any) -> Iterable[tuple[Any, Any]]:
    """(offset in the measure, note or chord), whatever voice it is in; no chord symbols."""
    for element in measure:
        if element.isStream:
            yield from ((element.offset + offset, inner) for offset, inner in _sounding(element))
        elif {"Note", "Chord"} & element.classSet and "Harmony" not in element.classSet:
            yield element.offset, element


def _part(name: str, program: int, notes: Sequence[_Note], tpq: int) -> tuple[Part, int]:
    onset = np.array([_ticks(note.onset, tpq) for note in notes], dtype=np.int64)
    end = np.array([_ticks(note.end, tpq) for note in notes], dtype=np.int64)
    pitch = np.array([note.pitch for note in notes], dtype=np.int64)
    keep, duration, changed = resolve_overlaps(onset, np.maximum(end - onset, 1), pitch)
    part = Part.empty(name, program).with_notes(
        onset[keep], duration[keep], pitch[keep], np.full(int(keep.sum()), VELOCITY)
    )
    return part, changed


# -- ticks, meter, tempo, key ---------------------------------------------------------------------


def _resolution(
    bars: Sequence[Bar], lines: Iterable[Iterable[_Note]], end: Fraction
) -> tuple[int, bool]:
    """Ticks a quarter on which every rhythm is exact: the smallest multiple of 480, if a MIDI
    file can say it; else 480 and True."""
    times = {end, *(bar.start for bar in bars)}
    times |= {time for notes in lines for note in notes for time in (note.onset, note.end)}
    tpq = lcm(_TICKS_PER_QUARTER, *(time.denominator for time in times))
    return (tpq, False) if tpq <= _MAX_TICKS_PER_QUARTER else (_TICKS_PER_QUARTER, True)


def _ticks(time: Fraction, tpq: int) -> int:
    return round(time * tpq)


def _placed(staff: Any, bars: Sequence[Bar], kind: str) -> list[tuple[Fraction, Any]]:
    """Elements of a class with their time, from the part itself and from its measures."""
    direct = [(exact(element.offset), element) for element in staff.getElementsByClass(kind)]
    inside = [
        (bar.start + exact(element.offset), element)
        for bar, measure in zip(bars, measures_of(staff), strict=False)
        for element in measure.getElementsByClass(kind)
    ]
    return sorted(direct + inside, key=lambda placed: placed[0])


def _meter(bars: Sequence[Bar], tpq: int) -> Meter:
    times, numerators, denominators = zip(*meter_events(bars), strict=True)
    return Meter(
        ticks=np.array([_ticks(time, tpq) for time in times]),
        numerator=np.array(numerators),
        denominator=np.array(denominators),
    )


def _tempo(staves: Sequence[Any], bars: Sequence[Bar], tpq: int, default_qpm: float) -> Tempo:
    """The metronome marks of the first part that has any; the first one holds from the start."""
    for staff in staves:
        marks = [
            (_ticks(time, tpq), float(qpm))
            for time, mark in _placed(staff, bars, "MetronomeMark")
            if (qpm := mark.getQuarterBPM()) and _SANE_QPM[0] <= qpm <= _SANE_QPM[1]
        ]
        if marks:
            ticks = [0, *(tick for tick, _ in marks[1:])]
            return Tempo(
                ticks=np.array(ticks),
                us_per_quarter=np.array([round(60e6 / qpm) for _, qpm in marks]),
            )
    return Tempo.constant(default_qpm)


def _key(staff: Any, bars: Sequence[Bar], tpq: int) -> Key:
    signs = _placed(staff, bars, "KeySignature")
    return Key(
        ticks=np.array([_ticks(time, tpq) for time, _ in signs], dtype=np.int64),
        fifths=np.array([int(np.clip(sign.sharps, -7, 7)) for _, sign in signs], dtype=np.int64),
        minor=np.array(
            [getattr(sign, "mode", None) in ("minor", "aeolian") for _, sign in signs],
            dtype=np.int64,
        ),
    )
