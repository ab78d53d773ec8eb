"""Bar lines that a text without them should have, or has at a later place.

Mensural music is written with bar lines through the notes. Where all voices sound on, a text can
give the bar line only after the note, so that one measure is too long and a later one too short.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from musicvae.io.limits import MAX_SCORE_BARS, MAX_SCORE_NOTES
from musicvae.io.notation.score import (
    RepeatSigns,
    ScorePart,
    ScorePosition,
    TimeSignature,
    check_count,
)

_MAX_DISPLACED = 16  # measures from one that is too long to one that is too short


def add_bar_lines(parts: Sequence[ScorePart]) -> None:
    """Divide music without bar lines into measures by its meter, or into 4/4.

    Raises `UnsupportedScoreError` for too many of them.
    """
    written = (part.time_signatures[0] for part in parts)
    length = _length(next((meter for meter in written if meter), (4, 4)))
    end = max((part.measure_lengths[0] for part in parts), default=Fraction(0))
    if end <= length:
        return
    check_count(-(-end // length), MAX_SCORE_BARS, "bars")
    n_pieces = sum(-(-note.duration // length) for part in parts for note in part.notes[0])
    check_count(n_pieces, MAX_SCORE_NOTES, "notes, cut at bar lines")
    for part in parts:
        _divide(part, length, end)


def _length(meter: TimeSignature) -> Fraction:
    """Return the length of a measure in quarters."""
    return Fraction(4 * meter[0], meter[1])


def _divide(part: ScorePart, length: Fraction, end: Fraction) -> None:
    """Divide the single measure of a part, up to `end`, into measures of a length."""
    notes = part.notes[0]
    part.notes[0], part.measure_lengths[0] = [], min(length, end)
    for index in range(1, -int(-end // length)):
        part.add_measure(str(index + 1))
        part.measure_lengths[-1] = min(length, end - index * length)
    for note in notes:
        index = int(note.onset // length)
        rest = note._replace(onset=note.onset - index * length)
        while rest.onset + rest.duration > length:
            first, rest = rest.split(length)
            part.notes[index].append(first)
            index += 1
        part.notes[index].append(rest)

    def move(position: ScorePosition) -> ScorePosition:
        """Return a position in the divided measures."""
        index = min(int(position[1] // length), len(part.notes) - 1)
        return index, position[1] - index * length

    part.move_marks(move)


# -- bar lines after a note -----------------------------------------------------------------------


def move_bar_lines(parts: Sequence[ScorePart], signs: Sequence[RepeatSigns]) -> None:
    """Move bar lines that come late to where the meter has them, within notes of all parts.

    That is done where a measure is too long, no note begins in the excess, and a measure soon after
    is too short by as much.
    """
    lengths = [max(row) for row in zip(*(part.measure_lengths for part in parts), strict=True)]
    nominal: Fraction | None = None
    for first in range(len(lengths)):
        written = (part.time_signatures[first] for part in parts)
        if meter := next((meter for meter in written if meter), None):
            nominal = _length(meter)
        if nominal is None or lengths[first] <= nominal:
            continue
        last = _find_short_measure(parts, signs, lengths, first, nominal)
        for i in range(first, last):
            excess = lengths[i] - nominal
            for part in parts:
                _move_excess(part, i, nominal, excess)
            lengths[i] = nominal
            lengths[i + 1] += excess


def _find_short_measure(
    parts: Sequence[ScorePart],
    signs: Sequence[RepeatSigns],
    lengths: Sequence[Fraction],
    first: int,
    nominal: Fraction,
) -> int:
    """Return the index of the measure that makes up for the first; `first` if there is none."""
    excess = Fraction(0)  # moved into measure i
    for i in range(first, min(first + _MAX_DISPLACED, len(lengths))):
        if lengths[i] + excess == nominal and i > first:
            return i
        before, excess = excess, lengths[i] + excess - nominal
        follower = signs[i + 1] if i + 1 < len(signs) else None
        if (
            excess <= 0
            or signs[i].times
            or follower is None
            or follower.starts_repeat
            or follower.section
            or any(part.time_signatures[i + 1] for part in parts)
            or any(note.onset + before >= nominal for part in parts for note in part.notes[i])
        ):
            break
    return first


def _move_excess(part: ScorePart, index: int, nominal: Fraction, excess: Fraction) -> None:
    """Move what sounds in a measure after its nominal length into the next one."""
    kept, moved = [], []
    for note in part.notes[index]:
        if note.onset + note.duration > nominal:
            first, second = note.split(nominal)
            kept.append(first)
            moved.append(second)
        else:
            kept.append(note)
    part.notes[index] = kept
    part.notes[index + 1] = moved + [
        note._replace(onset=note.onset + excess) for note in part.notes[index + 1]
    ]
    part.measure_lengths[index] = min(part.measure_lengths[index], nominal)
    part.measure_lengths[index + 1] += excess

    def move(position: ScorePosition) -> ScorePosition:
        """Return a position after the bar line has moved."""
        measure, offset = position
        if measure == index and offset >= nominal:
            return index + 1, offset - nominal
        return (measure, offset + excess) if measure == index + 1 else position

    part.move_marks(move)
