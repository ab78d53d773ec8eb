"""Bar lines of voices that lack some or all of them."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate

from musicvae.io.limits import MAX_SCORE_BARS
from musicvae.io.notation.abc.measures import (
    START_TIE,
    STOP_TIE,
    TICKS_PER_WHOLE,
    Measure,
    Note,
    Position,
    Ticks,
    meter_ticks,
)
from musicvae.io.notation.abc.voice import Voice
from musicvae.io.notation.score import RepeatSigns, check_count


def align_bar_lines(voices: Sequence[Voice]) -> int:
    """Give the measures of all voices their lengths; return how many voices lacked bar lines.

    Rests of whole measures are as long as the other voices there. A voice that lacks bar lines gets
    those of the voice with the most measures; if no voice has any, those of the meter. A measure
    that is too long in all voices is divided by its meter.
    """
    if not voices:
        return 0
    if not any(voice.n_bar_lines for voice in voices):
        for voice in voices:
            if len(voice.measures) == 1:
                _divide_by_meter(voice)
        return 0
    _resolve_rests(voices)
    reference = max(voices, key=lambda voice: len(voice.measures))
    lengths = [measure.length for measure in reference.measures]
    ends = list(accumulate(lengths))
    known = set(ends)
    n_aligned, all_agree = 0, True
    for voice in voices:
        own = list(accumulate(measure.length for measure in voice.measures))
        is_part = all(end in known for end in own[:-1]) and own[-1] <= ends[-1]
        lacks_lines = own[:-1] != ends[: len(own) - 1] or own[-1] > ends[len(own) - 1]
        if is_part and lacks_lines:
            _divide(voice, lengths)
            n_aligned += 1
        all_agree &= is_part
    if all_agree and (divided := _divided_lengths(reference.measures)) != lengths:
        for voice in voices:
            _divide(voice, divided)
    return n_aligned


def _divided_lengths(measures: Sequence[Measure]) -> list[Ticks]:
    """Return the lengths of measures once those that lack a bar line are divided by their meter.

    A measure lacks a bar line if it is at least half as long again as its meter.
    """
    lengths: list[Ticks] = []
    for measure in measures:
        nominal = meter_ticks(measure.meter or (0, 1))
        rest = measure.length
        if nominal and 2 * rest >= 3 * nominal and not measure.is_rest:
            check_count(len(lengths) + rest // nominal, MAX_SCORE_BARS, "bars")
            while rest > nominal:
                lengths.append(nominal)
                rest -= nominal
        lengths.append(rest)
    return lengths


def _resolve_rests(voices: Sequence[Voice]) -> None:
    """Give rests of a whole measure the length of the other voices there."""
    for voice in voices:
        for i, measure in enumerate(voice.measures):
            if not measure.is_rest:
                continue
            others = [
                other.measures[i].length
                for other in voices
                if i < len(other.measures) and other.measures[i].notes
            ]
            if others:
                measure.length = max(others)
            elif measure.meter and not measure.meter[0]:
                measure.length = TICKS_PER_WHOLE


def _divide_by_meter(voice: Voice) -> None:
    """Divide a voice into measures of its meter, 4/4 if it has none."""
    meter = voice.settings.meter or (4, 4)
    if not meter[0]:
        return
    length = meter_ticks(meter)
    count = int(-(-voice.measures[0].length // length))
    check_count(count, MAX_SCORE_BARS, "bars")
    _divide(voice, [length] * count)


def _divide(voice: Voice, lengths: Sequence[Ticks]) -> None:
    """Divide a voice into measures of these lengths; notes over their ends are tied."""
    old_starts: list[Ticks] = [0, *accumulate(measure.length for measure in voice.measures)]
    total = old_starts[-1]
    starts = [start for start in accumulate(lengths, initial=0) if start < total]
    ends = [*starts[1:], total]
    measures = [Measure(length=end - start) for start, end in zip(starts, ends, strict=True)]

    def moved(position: Position) -> Position:
        time = old_starts[min(position[0], len(old_starts) - 1)] + position[1]
        index = max(bisect_right(starts, time) - 1, 0)
        return index, time - starts[index]

    for i, old in enumerate(voice.measures):
        if old.time_signature:
            measures[moved((i, 0))[0]].time_signature = old.time_signature
        for note in old.notes:
            _add_divided(measures, moved((i, note.onset)), note)
    signs: dict[int, RepeatSigns] = {}
    for i, sign in voice.signs.by_measure.items():
        first = moved((i, 0))[0]
        last = bisect_right(starts, old_starts[min(i + 1, len(old_starts) - 1)] - 1) - 1
        for index in range(first, last + 1):
            signs[index] = replace(
                sign,
                starts_repeat=sign.starts_repeat and index == first,
                times=sign.times * (index == last),
                segno=sign.segno and index == first,
                section=sign.section if index == first else "",
            )
    voice.signs.jumps = [
        (bisect_right(starts, old_starts[min(i + 1, len(old_starts) - 1)] - 1) - 1, name)
        for i, name in voice.signs.jumps
    ]
    voice.keys = [(moved(position), key) for position, key in voice.keys]
    voice.dynamics = [(moved(position), name) for position, name in voice.dynamics]
    voice.chords = [(moved(position), chord) for position, chord in voice.chords]
    voice.tempo_marks = [(moved(mark[0]), *mark[1:]) for mark in voice.tempo_marks]
    voice.signs.codas = [moved(position) for position in voice.signs.codas]
    voice.signs.by_measure, voice.measures = signs, measures


def _add_divided(measures: Sequence[Measure], position: Position, note: Note) -> None:
    """Add a note at a position, as tied notes where it is longer than its measure."""
    (index, onset), left, tie = position, note.duration, note.tie
    while index < len(measures):
        room = measures[index].length - onset
        is_cut = room < left and index + 1 < len(measures)
        duration = room if is_cut else left
        ending = START_TIE if is_cut else tie & START_TIE
        measures[index].notes.append(Note(onset, duration, note.pitch, (tie & STOP_TIE) | ending))
        if not is_cut:
            return
        left, tie, onset, index = left - room, tie | STOP_TIE, 0, index + 1
