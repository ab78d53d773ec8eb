"""Parts of a score from what was read of one part: one for each staff and instrument."""

from __future__ import annotations

import re
from collections.abc import Sequence
from fractions import Fraction
from typing import TypeVar

from musicvae.io.limits import MAX_SCORE_NOTES
from musicvae.io.notation.musicxml.attributes import ALL_STAVES
from musicvae.io.notation.musicxml.part import InstrumentKind, PartReader
from musicvae.io.notation.score import (
    ScoreNote,
    ScorePart,
    ScorePosition,
    check_count,
)

T = TypeVar("T")
_LEVEL = re.compile(r"p{1,8}|f{1,8}|mp|mf")


def build_parts(reader: PartReader, part_id: str) -> list[ScorePart]:
    """Return the staves of a part; notes of further instruments are parts of their own.

    The first one has the tempo marks.
    """
    _play_measure_repeats(reader)
    if reader.attributes.tab_staves and len(reader.cursor.lengths) > 1:
        _drop_doubled_tablature(reader)
    for notes_by_staff in reader.streams.values():
        if len(notes_by_staff) > 1:
            _move_ties_between_staves(
                notes_by_staff, reader.cursor.lengths, len(reader.cursor.measure_numbers)
            )
    first = reader.entry.first_instrument
    streams = reader.streams or {(first.program, first.is_percussion): {}}
    kinds = list(streams)
    used = {staff for by_staff in streams.values() for staff in by_staff}
    silent = set(reader.cursor.lengths) - used
    parts = []
    for number, kind in enumerate(kinds):
        staves = sorted(set(streams[kind]) | (silent if number == 0 else set()))
        for staff in staves:
            part = _build_staff(reader, kind, staff, streams[kind].get(staff, {}))
            part.group = f"{part_id}/{number}" if len(staves) > 1 else ""
            if number:
                part.name = reader.stream_names[kind] or reader.entry.name
            parts.append(part)
    tempo_marks = [(place, (from_words, qpm)) for place, from_words, qpm in reader.tempo_marks]
    parts[0].tempo_marks = [
        (place, *value) for place, value in move_into_measures(tempo_marks, parts[0])
    ]
    parts[0].chords = move_into_measures(reader.chords, parts[0])
    return parts


def _build_staff(
    reader: PartReader, kind: InstrumentKind, staff: int, notes: dict[int, list[ScoreNote]]
) -> ScorePart:
    """Return the notes of an instrument on a staff."""
    n_measures = len(reader.cursor.measure_numbers)
    lengths = reader.cursor.lengths.get(staff, {})
    part = ScorePart(name=reader.entry.name, program=kind[0], is_drum=kind[1])
    part.measure_numbers = list(reader.cursor.measure_numbers)
    part.measure_lengths = [lengths.get(i, Fraction(0)) for i in range(n_measures)]
    part.notes = [notes.get(i, []) for i in range(n_measures)]
    part.time_signatures = [None] * n_measures
    for number, index, signature in reader.attributes.time_signatures:
        if number in (staff, ALL_STAVES) and index < n_measures:
            part.time_signatures[index] = signature
    if not part.is_drum:
        part.keys = [
            (place, key)
            for number, place, key in reader.attributes.keys
            if number in (staff, ALL_STAVES)
        ]
    part.dynamics = _staff_dynamics(reader, part, staff)
    return part


def _staff_dynamics(
    reader: PartReader, part: ScorePart, staff: int
) -> list[tuple[ScorePosition, str]]:
    """Return the dynamics of all staves, since one between two staves is for both.

    Where several staves have one, each has its own; an accent leaves the level to the other staff.
    """
    own = {place for number, place, _ in reader.dynamics if number == staff}
    own_levels = {
        place for number, place, name in reader.dynamics if number == staff and _is_level(name)
    }
    marks = [
        (place, name)
        for number, place, name in sorted(reader.dynamics, key=lambda mark: mark[0] == staff)
        if number == staff or place not in own or (place not in own_levels and _is_level(name))
    ]
    return move_into_measures(marks, part)


def _is_level(name: str) -> bool:
    """Whether a dynamic is a level (``"mf"``), and no accent (``"sfz"``)."""
    return _LEVEL.fullmatch(name) is not None


def move_into_measures(
    marks: Sequence[tuple[ScorePosition, T]], part: ScorePart
) -> list[tuple[ScorePosition, T]]:
    """Return marks with those beyond the end of their measure moved to the measures after it."""
    lengths, moved = part.measure_lengths, []
    for (index, position), value in marks:
        while index + 1 < len(lengths) and 0 < lengths[index] <= position:
            position -= lengths[index]
            index += 1
        moved.append(((index, position), value))
    return moved


def _play_measure_repeats(reader: PartReader) -> None:
    """Fill measures that have a repeat sign and no notes with those of the measures before.

    Raises `UnsupportedScoreError` for more notes than a score may have.
    """
    signs = sorted(reader.attributes.measure_repeats, key=lambda sign: sign.measure)
    if not signs:
        return
    n_measures, n_notes = len(reader.cursor.measure_numbers), 0
    for staff in reader.cursor.lengths:
        counts = [0] * n_measures
        own = [sign for sign in signs if sign.staff in (staff, ALL_STAVES)]
        for sign, stop in zip(own, [*(s.measure for s in own[1:]), n_measures], strict=False):
            counts[sign.measure : stop] = [sign.n_repeated] * (stop - sign.measure)
        streams = [by_staff[staff] for by_staff in reader.streams.values() if staff in by_staff]
        lengths = reader.cursor.lengths[staff]
        for index, count in enumerate(counts):
            if not count or any(notes.get(index) for notes in streams):
                continue
            if index < count:
                reader.omissions.n_unfilled_repeats += 1
                continue
            for notes in streams:
                repeated = notes.get(index - count, [])
                n_notes += len(repeated)
                check_count(n_notes, MAX_SCORE_NOTES, "notes")
                if repeated:
                    notes[index] = repeated
                    lengths[index] = lengths.get(index - count, Fraction(0))


def _drop_doubled_tablature(reader: PartReader) -> None:
    """Drop notes of tablature that another staff of the part has in the same measure."""
    for notes_by_staff in reader.streams.values():
        for staff in reader.attributes.tab_staves & set(notes_by_staff):
            others = [other for other in notes_by_staff if other != staff]
            for index, notes in list(notes_by_staff[staff].items()):
                attacks = {(note.onset, note.pitch) for note in notes}
                if any(attacks <= _attacks(notes_by_staff[other].get(index)) for other in others):
                    del notes_by_staff[staff][index]
            if not notes_by_staff[staff]:
                del notes_by_staff[staff]
    for staff in reader.attributes.tab_staves:
        if len(reader.cursor.lengths) > 1 and not any(staff in s for s in reader.streams.values()):
            reader.cursor.lengths.pop(staff, None)


def _attacks(notes: Sequence[ScoreNote] | None) -> set[tuple[Fraction, int]]:
    """Return the onsets and pitches of the notes of a measure."""
    return {(note.onset, note.pitch) for note in notes or ()}


def _move_ties_between_staves(
    notes_by_staff: dict[int, dict[int, list[ScoreNote]]],
    lengths: dict[int, dict[int, Fraction]],
    n_measures: int,
) -> None:
    """Move notes that continue a note of another staff to that staff, in place.

    The measure becomes as long there, if it was shorter.
    """
    open_ties: set[tuple[int, int]] = set()  # staff and pitch
    for index in range(n_measures):
        tied = [
            (note, staff)
            for staff, notes_by_measure in notes_by_staff.items()
            for note in notes_by_measure.get(index, ())
            if note.tie
        ]
        tied.sort(key=lambda pair: pair[0].onset)
        for note, staff in tied:
            if note.tie != "start" and (staff, note.pitch) not in open_ties:
                begun = [other for other in notes_by_staff if (other, note.pitch) in open_ties]
                if begun:
                    notes_by_staff[staff][index].remove(note)
                    length = lengths[staff][index]
                    staff = begun[0]
                    notes_by_staff[staff].setdefault(index, []).append(note)
                    own = lengths.setdefault(staff, {})
                    own[index] = max(own.get(index, length), length)
            open_ties.discard((staff, note.pitch))
            if note.tie != "stop":
                open_ties.add((staff, note.pitch))
