"""Parts of a score from the spines of a Humdrum file: instruments, and bar lines if it has none."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from musicvae.io.limits import MAX_SCORE_BARS, MAX_SCORE_NOTES
from musicvae.io.notation.humdrum.interpretations import CLASS_PROGRAMS
from musicvae.io.notation.humdrum.spines import Spine
from musicvae.io.notation.instruments import program_of_name
from musicvae.io.notation.score import (
    ScoreNote,
    ScorePart,
    ScorePosition,
    UnsupportedScoreError,
)


def finish_part(spine: Spine) -> ScorePart:
    """Return the part of a spine with its name and program."""
    part, names = spine.part, spine.names
    if spine.instrument:
        part.program = spine.instrument.program
        part.is_drum = spine.instrument.drum_key is not None
    full = names.get('I"', "")
    part.name = full or (spine.instrument.name if spine.instrument else names.get("I'", ""))
    if part.program is None and not part.is_drum:
        candidates = (full, names.get('mI"', ""), names.get("I'", ""))
        found = (program_of_name(name) for name in candidates if name)
        part.program = next((program for program in found if program is not None), None)
    if part.program is None and not part.is_drum:
        part.program = CLASS_PROGRAMS.get(names.get("IC", ""))
    return part


def share_instruments(parts: Sequence[ScorePart]) -> None:
    """Give the staves of an instrument the name and program that one of them has."""
    for field in ("name", "program"):
        known = {
            part.group: getattr(part, field)
            for part in reversed(parts)
            if getattr(part, field) not in ("", None)
        }
        for part in parts:
            if part.group and getattr(part, field) in ("", None) and not part.is_drum:
                setattr(part, field, known.get(part.group, getattr(part, field)))


def add_bar_lines(parts: Sequence[ScorePart]) -> None:
    """Divide music without bar lines into measures by its meter, or into 4/4.

    Raises `UnsupportedScoreError` for too many of them.
    """
    written = (part.time_signatures[0] for part in parts)
    meter = next((meter for meter in written if meter), (4, 4))
    length = Fraction(4 * meter[0], meter[1])
    end = max((part.measure_lengths[0] for part in parts), default=Fraction(0))
    if end <= length:
        return
    if end > MAX_SCORE_BARS * length:
        raise UnsupportedScoreError(f"more than {MAX_SCORE_BARS} bars")
    n_pieces = sum(-(-note.duration // length) for part in parts for note in part.notes[0])
    if n_pieces > MAX_SCORE_NOTES:
        raise UnsupportedScoreError("too many notes longer than a bar")
    for part in parts:
        _divide(part, length, end)


def _divide(part: ScorePart, length: Fraction, end: Fraction) -> None:
    """Divide the single measure of a part, up to `end`, into measures of a length."""
    notes = part.notes[0]
    part.notes[0], part.measure_lengths[0] = [], min(length, end)
    for index in range(1, -int(-end // length)):
        part.add_measure(str(index + 1))
        part.measure_lengths[-1] = min(length, end - index * length)
    for onset, duration, pitch, tie, velocity in notes:
        note_end = onset + duration
        starts_before = tie in ("stop", "continue")
        while onset < note_end:
            index = int(onset // length)
            stop = min(note_end, (index + 1) * length)
            goes_on = stop < note_end or tie in ("start", "continue")
            kind = ("continue" if goes_on else "stop") if starts_before else "start" * goes_on
            part.notes[index].append(
                ScoreNote(onset - index * length, stop - onset, pitch, kind, velocity)
            )
            onset, starts_before = stop, True

    def move(position: ScorePosition) -> ScorePosition:
        """Return a position in the divided measures."""
        index = min(int(position[1] // length), len(part.notes) - 1)
        return index, position[1] - index * length

    part.tempo_marks = [(move(at), from_words, qpm) for at, from_words, qpm in part.tempo_marks]
    part.keys = [(move(at), key) for at, key in part.keys]
    part.dynamics = [(move(at), name) for at, name in part.dynamics]
