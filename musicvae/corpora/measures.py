"""Bar lines of a score: its measures, and the meter events that give exactly these back.

A measure is as long as it lasts, whatever its time signature says: over-full, under-full, cut at
a repeat. Times are fractions of a quarter.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from math import ceil
from typing import Any

_FINEST = 64  # denominator of a meter


class UnfitScoreError(Exception):
    """A score that cannot become a song as it is; the message says why."""


@dataclass(frozen=True)
class Bar:
    """One measure: where it begins and how long it lasts, in quarters, and its written meter."""

    start: Fraction
    length: Fraction
    written: tuple[int, int] | None


@lru_cache(maxsize=4096)
def exact(value: float | Fraction) -> Fraction:
    """A music21 offset as a fraction: it keeps floats, and fractions with this limit."""
    return Fraction(value).limit_denominator(65535)


def measures_of(staff: Any) -> list[Any]:
    """The music21 measures of a part."""
    return list(staff.getElementsByClass("Measure"))


def bars_of(staves: Sequence[Any]) -> list[Bar]:
    """The measures of all parts, which must agree; zero-length ones stay, to keep the indices."""
    columns = [measures_of(staff) for staff in staves]
    if any(
        not column or list(staff.notesAndRests)
        for column, staff in zip(columns, staves, strict=True)
    ):
        raise UnfitScoreError("a part without measures")
    bars, start = [], Fraction(0)
    written = _written(staves[0])
    for index in range(max(map(len, columns))):
        row = [column[index] for column in columns if index < len(column)]
        if any(abs(float(start) - float(measure.offset)) > 1e-6 for measure in row):
            raise UnfitScoreError(f"parts whose bar lines differ (measure {row[0].number})")
        written = next((w for w in map(_written, row) if w), written)
        length = max(exact(measure.highestTime) for measure in row)
        bars.append(Bar(start, length, written))
        start += length
    return bars


def _written(stream: Any) -> tuple[int, int] | None:
    """The time signature at the beginning of a measure or part, if MIDI can hold it."""
    for sign in stream.getElementsByClass("TimeSignature"):
        numerator, denominator = sign.numerator, sign.denominator
        fine = denominator <= _FINEST and denominator & (denominator - 1) == 0
        if sign.offset == 0 and fine and 0 < numerator < 256:
            return int(numerator), int(denominator)
    return None


def meter_events(bars: Sequence[Bar]) -> list[tuple[Fraction, int, int]]:
    """(time, numerator, denominator) wherever a bar is not what the running meter gives."""
    events: list[tuple[Fraction, int, int]] = []
    running, is_cut = None, False
    for bar in bars:
        meter, fits = _meter_of(bar)
        if meter != running or is_cut:
            events.append((bar.start, *meter))
        # A length that is no meter (a stray tuplet) gets a longer one, cut by the next event.
        running, is_cut = meter, not fits
    return events


def _meter_of(bar: Bar) -> tuple[tuple[int, int], bool]:
    """The meter that makes a bar this long, in the written note value if that can be.

    False if no meter is as long: then it is the next longer one in sixteenths or finer.
    """
    written = bar.written or (4, 4)
    if bar.length == Fraction(4 * written[0], written[1]):
        return written, True
    denominator = written[1]
    while denominator <= _FINEST:
        count = bar.length * denominator / 4
        if count.denominator == 1 and count < 256:
            return (int(count), denominator), True
        denominator *= 2
    denominator = max(written[1], 16)
    return (ceil(bar.length * denominator / 4), denominator), False
