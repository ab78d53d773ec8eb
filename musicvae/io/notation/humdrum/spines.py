"""Spines of a Humdrum file: columns of tokens that split, join, move, begin and end."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import NamedTuple

from musicvae.io.notation.humdrum.interpretations import Instrument
from musicvae.io.notation.score import (
    ScorePart,
    ScorePosition,
    TimeSignature,
    check_count,
)

MAX_COLUMNS = 1024
MANIPULATORS = frozenset(("*^", "*v", "*-", "*x", "*+"))


@dataclass(eq=False)
class Spine:
    """One staff: a `**kern` spine with all it splits into.

    `end` is the end of its notes and rests in the measure, in divisions. `pending_meter` is
    written before the bar line of its measure. Names are by the interpretation that gives them:
    ``I"``, ``I'``, ``mI"``, ``IC``. `is_drum` if it has percussion notes.
    """

    part: ScorePart = field(default_factory=ScorePart)
    end: int = 0
    names: dict[str, str] = field(default_factory=dict)
    instrument: Instrument | None = None
    has_percussion_clef: bool = False
    is_drum: bool = False
    pending_meter: TimeSignature | None = None
    signature: tuple[ScorePosition, int] | None = None
    key: tuple[ScorePosition, tuple[int, bool]] | None = None


@dataclass(eq=False)
class Column:
    """One column of tokens.

    `kind` is its exclusive interpretation without asterisks, `spine` that of a `**kern` column.
    `end` is the end of its last note or rest in the measure, in divisions, `last_notes` the indices
    of the first and after the last note of its last token. A column that `sounds_on` comes of a
    split within a note, or has a note over a bar line: what follows may begin before its end.
    `after_grace_note` tells whether its last token was a grace note, `is_ossia` whether it is an
    alternative that is not played.
    """

    kind: str = ""
    spine: Spine | None = None
    end: int = 0
    last_notes: tuple[int, int] = (0, 0)
    sounds_on: bool = False
    after_grace_note: bool = False
    is_ossia: bool = False
    staves: frozenset[str] = frozenset()

    def split(self, time: int) -> Column:
        """Return a second column for the line at `time`."""
        self.sounds_on = self.end > time
        return replace(self, last_notes=(0, 0))


class KernColumn(NamedTuple):
    """Number of a column of tokens with notes from the left, the column and its spine."""

    number: int
    column: Column
    spine: Spine


def manipulate(columns: list[Column], tokens: list[str], time: int) -> list[Column]:
    """Return the columns after a line of spine manipulators, at a time of the measure.

    Raises `ScoreLimitError` for too many columns.
    """
    moved = list(columns)
    exchanged = [i for i, token in enumerate(tokens) if token == "*x"]
    if len(exchanged) == 2:
        first, second = exchanged
        moved[first], moved[second] = moved[second], moved[first]
    changed: list[Column] = []
    pairs = zip(moved, tokens, strict=True)
    for is_join, group in groupby(pairs, key=lambda pair: pair[1] == "*v"):
        if is_join:
            changed += _join([column for column, _ in group])
            continue
        for column, token in group:
            if token == "*^":
                changed += [column, column.split(time)]
            elif token == "*+":
                changed += [column, Column(end=time)]
            elif token != "*-":
                changed.append(column)
    check_count(len(changed), MAX_COLUMNS, "spines")
    return changed


def _join(columns: list[Column]) -> list[Column]:
    """Return adjacent columns joined: those of each spine, or all if that joins nothing."""
    groups = [list(group) for _, group in groupby(columns, key=lambda c: (c.spine, c.kind))]
    if any(len(group) == 1 for group in groups):
        groups = [columns]
    joined = []
    for group in groups:
        latest = max(group, key=lambda column: column.end)
        first = group[0]
        first.end, first.last_notes = latest.end, latest.last_notes
        first.sounds_on = all(column.sounds_on for column in group)
        joined.append(first)
    return joined
