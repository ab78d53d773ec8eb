"""Scores (MusicXML, ABC, Humdrum) to songs, with their notated bar lines.

Every measure becomes a bar. A meter event is written wherever the length of a bar differs from the
running meter, and again after it: a 3-beat bar before a repeat and the 1-beat pickup after it
become 3/4, 1/4, and back to 4/4. Tied notes are joined, grace notes are dropped and counted,
and the voices of a part are merged. Chord symbols of all parts make the chord map. Times are exact
fractions of a quarter until the end.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from fractions import Fraction
from math import gcd, lcm
from pathlib import Path

import numpy as np

from musicvae.arrays import Ints
from musicvae.errors import ReadError
from musicvae.io.detect import detect_format
from musicvae.io.limits import MAX_QUARTERS, MAX_SCORE_BARS, MAX_SCORE_PARTS
from musicvae.io.notation.dynamics import DynamicsMap
from musicvae.io.notation.measures import Bar, Measures, build_measures, meter_events
from musicvae.io.notation.repeats import RepeatError, playback_order
from musicvae.io.notation.score import (
    RepeatSigns,
    Score,
    ScoreLimitError,
    ScorePart,
    ScorePosition,
    UnsupportedScoreError,
    check_count,
)
from musicvae.io.notation.text import decode_text
from musicvae.io.notation.timeline import PlaybackTimeline, TimelineNote
from musicvae.io.options import ReadOptions
from musicvae.io.result import ReadResult
from musicvae.io.stated_chords import StatedChord, outside_warnings
from musicvae.representation.grid import STORED_STEPS_PER_QUARTER
from musicvae.song import (
    MAX_TICKS_PER_QUARTER,
    ChordMap,
    KeyMap,
    MeterMap,
    Part,
    Song,
    TempoMap,
    resolve_overlaps,
)

_TICKS_PER_QUARTER = 480
_DEFAULT_QPM = {"": 120.0}


@dataclass(frozen=True)
class SongFromScore:
    """A song with counts of the notes that were dropped or changed.

    `n_overlapping` notes overlap another note of their part and pitch; `is_rounded` if no tick
    resolution of a MIDI file represents all rhythms exactly.
    """

    song: Song
    n_bars: int
    has_pickup: bool
    n_grace_notes: int
    n_overlapping: int
    is_rounded: bool
    warnings: tuple[str, ...]


def read_bytes(content: bytes, path: str | Path, options: ReadOptions) -> ReadResult:
    """Read the bytes of a score in any of the formats. Raises `ReadError`, and nothing else.

    Of `options`, only `repeats` and `merge` apply. Of an ABC book, the first tune is read.
    """
    with convert_errors(path):
        score = read_score(content, path)
        result = to_song(score, repeats=options.repeats, merge=options.merge)
    warnings = [*score.warnings, *result.warnings]
    if result.n_grace_notes:
        warnings.append(f"grace notes dropped: {result.n_grace_notes}")
    if result.n_overlapping:
        warnings.append(f"notes that overlap on one pitch, joined or cut: {result.n_overlapping}")
    if result.is_rounded:
        warnings.append("rhythms too fine for MIDI ticks, rounded to 1/480 of a quarter")
    return ReadResult(
        song=replace(result.song, has_notated_bars=True), kind=score.kind, warnings=tuple(warnings)
    )


def read_score(content: bytes, path: str | Path) -> Score:
    """Read MusicXML, ABC or Humdrum; the format is detected. Raises `ReadError`."""
    start = content.lstrip(b"\xef\xbb\xbf\xff\xfe\x00 \t\r\n")
    if content[:4] == b"PK\x03\x04" or start[:1] == b"<":
        from musicvae.io.notation.musicxml import read_musicxml

        return read_musicxml(content, path)
    file_format = detect_format(content)
    if file_format == "humdrum":
        from musicvae.io.notation.humdrum import read_humdrum

        return read_humdrum(decode_text(content), path)
    if file_format == "abc":
        from musicvae.io.notation.abc import read_abc

        return read_abc(decode_text(content), path)
    reason = "no score (neither MusicXML, ABC nor Humdrum)" if content else "empty file"
    raise ReadError(path, reason, "give a .mxl, .musicxml, .abc or .krn file")


@contextmanager
def convert_errors(path: str | Path) -> Iterator[None]:
    """Turn an `UnsupportedScoreError` into a `ReadError` about the file."""
    try:
        yield
    except UnsupportedScoreError as error:
        raise ReadError(path, str(error), error.hint) from None


def to_song(
    score: Score,
    *,
    repeats: bool = False,
    merge: bool = True,
    default_qpm: dict[str, float] = _DEFAULT_QPM,
    velocity: int | None = None,
) -> SongFromScore:
    """Convert a score to a song. Raises `UnsupportedScoreError`.

    `default_qpm` is the tempo without a metronome mark, by meter (``"6/8"``) or for all others
    (``""``). `velocity` is that of all notes, by default given by dynamics.
    """
    check_count(len(score.parts), MAX_SCORE_PARTS, "parts")
    if not any(any(part.notes) for part in score.parts):
        raise UnsupportedScoreError("no notes")
    check_count(max(len(part.notes) for part in score.parts) - 1, MAX_SCORE_BARS, "bars")
    measures = build_measures(score.parts)
    warnings = list(measures.warnings)
    order = list(range(len(measures.bars)))
    if repeats:
        order = _playback_order(score, measures, warnings)
    timeline = PlaybackTimeline(measures.bars, order, score.parts)
    check_count(len(timeline.bars), MAX_SCORE_BARS, "bars")
    if timeline.end > MAX_QUARTERS:
        raise ScoreLimitError(f"longer than {MAX_QUARTERS:,} quarters")
    dynamics: Sequence[DynamicsMap | None] = [None] * len(score.parts)
    if velocity is None:
        dynamics = _part_dynamics(score.parts)
    notes_by_part = [
        timeline.play_notes(part, measures, index, part_dynamics, velocity or 0)
        for index, (part, part_dynamics) in enumerate(zip(score.parts, dynamics, strict=True))
    ]
    tpq, is_rounded = _choose_resolution(timeline, notes_by_part)
    parts, n_overlapping = [], 0
    for part, notes in _merge_staves(score.parts, notes_by_part, merge=merge):
        built, n_changed = _build_part(part, notes, timeline.resolution, tpq)
        parts.append(built)
        n_overlapping += n_changed
    if empty := [part.name or "unnamed" for part in parts if not len(part)]:
        warnings.append(f"parts without notes, dropped: {', '.join(empty)[:80]}")
    chords = _chord_marks(score.parts, measures)
    warnings += outside_warnings(chord for _, chord in chords)
    meter = timeline.bars[0].time_signature
    qpm = default_qpm.get(f"{meter[0]}/{meter[1]}" if meter else "", default_qpm[""])
    song = Song(
        ticks_per_quarter=tpq,
        parts=tuple(part for part in parts if len(part)),
        tempo=_tempo_map(timeline, score.parts, tpq, qpm),
        meter=_meter_map(timeline.bars, tpq),
        key=_key_map(timeline, score.parts, tpq),
        chords=_chord_map(timeline, chords, tpq),
        end_ticks=_to_ticks(timeline.end, tpq),
        swing=score.swing,
    )
    bars = timeline.bars
    return SongFromScore(
        song=song,
        n_bars=len(bars),
        has_pickup=len(bars) > 1 and bars[0].length < bars[1].length,
        n_grace_notes=score.n_grace_notes,
        n_overlapping=n_overlapping,
        is_rounded=is_rounded,
        warnings=tuple(warnings),
    )


def _playback_order(score: Score, measures: Measures, warnings: list[str]) -> list[int]:
    """Return the measures in playback order; a movement is read once, with a warning, if it fails.

    Repeats and jumps stay within a movement, of which several may follow one another.
    """
    n_measures = len(measures.bars)
    starts = [0]
    section_order = score.section_order
    if section_order and not any(sign.section for sign in score.signs):
        warnings.append("an order of sections without any sections: repeats are played as written")
        section_order = ()
    if not section_order:
        starts += _movement_starts(score.parts[0].measure_numbers)
    order: list[int] = []
    for start, stop in zip(starts, [*starts[1:], n_measures], strict=True):
        signs = score.signs[start:stop]
        try:
            if measures.has_independent_barlines and any(sign != RepeatSigns() for sign in signs):
                raise RepeatError("parts have different bar lines")
            played = playback_order(signs, section_order, stop - start)
        except RepeatError as error:
            warnings.append(f"repeats ignored ({str(error)[:120]}): each bar is read once")
            played = list(range(stop - start))
        order += [start + i for i in played]
    return order


def _movement_starts(texts: Sequence[str]) -> list[int]:
    """Return the indices of measures, but the first, at which the numbers restart from 0 or 1."""
    numbers = [int(t) if t.isascii() and t.isdigit() and len(t) < 7 else -1 for t in texts]
    starts, highest = [], 0
    for i, number in enumerate(numbers):
        is_first = number == 1 or numbers[i : i + 2] == [0, 1]
        if is_first and highest > 1:
            starts.append(i)
            highest = 0
        highest = max(highest, number)
    return starts


# -- parts ----------------------------------------------------------------------------------------


def _part_dynamics(parts: Sequence[ScorePart]) -> list[DynamicsMap]:
    """Return the dynamics of each part; a staff without any takes those of its instrument."""
    shared: dict[str, list[tuple[ScorePosition, str]]] = {}
    for part in parts:
        shared.setdefault(part.group, []).extend(part.dynamics)
    return [
        DynamicsMap(part.dynamics or (shared[part.group] if part.group else [])) for part in parts
    ]


def _merge_staves(
    parts: Sequence[ScorePart], notes_by_part: Sequence[list[TimelineNote]], *, merge: bool
) -> list[tuple[ScorePart, list[TimelineNote]]]:
    """Return the parts with their notes; if `merge`, the staves of an instrument are one part."""
    merged: list[tuple[ScorePart, list[TimelineNote]]] = []
    index_by_group: dict[str, int] = {}
    for part, notes in zip(parts, notes_by_part, strict=True):
        if merge and part.group and part.group in index_by_group:
            merged[index_by_group[part.group]][1].extend(notes)
            continue
        index_by_group[part.group] = len(merged)
        merged.append((part, list(notes)))
    return merged


def _build_part(
    part: ScorePart, notes: Sequence[TimelineNote], resolution: int, tpq: int
) -> tuple[Part, int]:
    """Return a part, and the number of its notes that overlapped another."""
    onset = _units_to_ticks([note.onset for note in notes], resolution, tpq)
    end = _units_to_ticks([note.end for note in notes], resolution, tpq)
    pitch = np.array([note.pitch for note in notes], dtype=np.int64)
    velocity = np.array([note.velocity for note in notes], dtype=np.int64)
    keep, duration, n_changed = resolve_overlaps(onset, np.maximum(end - onset, 1), pitch)
    program = 0 if part.is_drum else part.program or 0
    built = Part.empty(part.name, program, part.is_drum).with_notes(
        onset[keep], duration[keep], pitch[keep], velocity[keep]
    )
    return built, n_changed


# -- ticks, meter, tempo, key ---------------------------------------------------------------------


def _choose_resolution(
    timeline: PlaybackTimeline, notes_by_part: Iterable[Iterable[TimelineNote]]
) -> tuple[int, bool]:
    """Return the ticks per quarter that represent every rhythm exactly, and False.

    That is the smallest multiple of 480, or of 24, that fits a MIDI file; else 480 and True.
    """
    times = {timeline.to_units(bar.start) for bar in timeline.bars}
    times.add(timeline.to_units(timeline.end))
    for notes in notes_by_part:
        times |= {time for note in notes for time in (note.onset, note.end)}
    needed = timeline.resolution // gcd(timeline.resolution, *times)
    for base in (_TICKS_PER_QUARTER, STORED_STEPS_PER_QUARTER):
        tpq = lcm(base, needed)
        if tpq <= MAX_TICKS_PER_QUARTER:
            return tpq, False
    return _TICKS_PER_QUARTER, True


def _units_to_ticks(times: Sequence[int], resolution: int, tpq: int) -> Ints:
    """Round times of a timeline to ticks, halves to even."""
    ticks = []
    for time in times:
        tick, rest = divmod(time * tpq, resolution)
        is_up = 2 * rest > resolution or (2 * rest == resolution and tick % 2 == 1)
        ticks.append(tick + is_up)
    return np.array(ticks, dtype=np.int64)


def _to_ticks(time: Fraction, tpq: int) -> int:
    """Round a time in quarters to ticks."""
    return round(time * tpq)


def _meter_map(bars: Sequence[Bar], tpq: int) -> MeterMap:
    """Return the meter map of bars."""
    times, numerators, denominators = zip(*meter_events(bars), strict=True)
    return MeterMap(
        ticks=np.array([_to_ticks(time, tpq) for time in times]),
        numerator=np.array(numerators),
        denominator=np.array(denominators),
    )


def _tempo_map(
    timeline: PlaybackTimeline, parts: Sequence[ScorePart], tpq: int, default_qpm: float
) -> TempoMap:
    """Return the tempo marks of all parts; before the first one, the tempo is the default.

    A mark at the first full bar counts for the pickup before it. Of several marks at one position,
    numbers precede words, and upper parts lower ones.
    """
    marks: dict[ScorePosition, tuple[bool, float]] = {}
    for part in parts:
        for position, from_words, qpm in part.tempo_marks:
            if position not in marks or (marks[position][0] and not from_words):
                marks[position] = from_words, qpm
    qpm_by_position = {position: qpm for position, (_, qpm) in marks.items()}
    start = timeline.order[0], Fraction(0)
    first = min(qpm_by_position, default=start)
    if first > start:
        bars = timeline.bars
        has_pickup = len(bars) > 1 and bars[0].length < bars[1].length
        is_first_full_bar = has_pickup and first == (timeline.order[1], Fraction(0))
        qpm_by_position[start] = qpm_by_position.pop(first) if is_first_full_bar else default_qpm
    played = timeline.play_marks(list(qpm_by_position.items()))
    if not played:
        return TempoMap.constant(default_qpm)
    return TempoMap(
        ticks=np.array([0, *(_to_ticks(time, tpq) for time, _ in played[1:])]),
        us_per_quarter=np.array([round(60e6 / qpm) for _, qpm in played]),
    )


def _key_map(timeline: PlaybackTimeline, parts: Sequence[ScorePart], tpq: int) -> KeyMap:
    """Return the key signatures of the first part that has any."""
    keys = timeline.play_marks(next((part.keys for part in parts if part.keys), []))
    return KeyMap(
        ticks=np.array([_to_ticks(time, tpq) for time, _ in keys], dtype=np.int64),
        fifths=np.array([fifths for _, (fifths, _) in keys], dtype=np.int64),
        minor=np.array([minor for _, (_, minor) in keys], dtype=np.int64),
    )


def _chord_marks(
    parts: Sequence[ScorePart], measures: Measures
) -> list[tuple[ScorePosition, StatedChord]]:
    """Return the chords of all parts; at one place, those of upper parts precede lower ones.

    What is written after the end of a bar counts for the next one.
    """
    marks: dict[ScorePosition, StatedChord] = {}
    for part, starts in zip(parts, measures.starts, strict=True):
        own: dict[ScorePosition, StatedChord] = {}
        for (index, position), chord in part.chords:
            if index >= len(starts):
                continue
            bar = index
            if measures.has_independent_barlines or position >= measures.bars[index].length:
                time = starts[index] + position
                bar = max(measures.bar_at(time), 0 if measures.has_independent_barlines else index)
                position = time - measures.bars[bar].start
            own[bar, position] = chord
        marks = own | marks
    return sorted(marks.items(), key=lambda mark: mark[0])


def _chord_map(
    timeline: PlaybackTimeline, marks: Sequence[tuple[ScorePosition, StatedChord]], tpq: int
) -> ChordMap:
    """Return the chords as played, without those that begin where the song ends."""
    played = timeline.play_marks(marks)
    end = timeline.end
    entries = ((_to_ticks(time, tpq), stated.chord) for time, stated in played if time < end)
    return ChordMap.from_chords(entries)
