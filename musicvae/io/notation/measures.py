"""Bars of a score, and the meter events that reproduce them.

The length of a measure is that of its notes and rests, whatever its time signature says: it may be
too long, too short, or cut at a repeat. Times are fractions of a quarter.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from math import ceil

from musicvae.io.notation.score import (
    MAX_DENOMINATOR,
    MAX_NUMERATOR,
    ScorePart,
    TimeSignature,
    UnsupportedScoreError,
)

_MAX_BAR_QUARTERS = 4 * MAX_NUMERATOR
MAX_ROUNDING_QUARTERS = Fraction(1, 16)  # rounding error of a measure length or tie


@dataclass(frozen=True)
class Bar:
    """One bar: start and length in quarters, and the time signature in force."""

    start: Fraction
    length: Fraction
    time_signature: tuple[int, int] | None


@dataclass
class Measures:
    """Bars of a score, and the start of each measure of each part in quarters.

    With `has_independent_barlines` the parts have different bar lines; `bars` are those of the part
    with the most measures.
    """

    bars: list[Bar]
    starts: list[list[Fraction]]
    has_independent_barlines: bool = False
    warnings: list[str] = field(default_factory=list)

    def bar_at(self, time: Fraction) -> int:
        """Return the index of the bar that contains a time."""
        if not self._bar_starts:
            self._bar_starts.extend(bar.start for bar in self.bars)
        return max(bisect_right(self._bar_starts, time) - 1, 0)

    _bar_starts: list[Fraction] = field(default_factory=list)


def build_measures(parts: Sequence[ScorePart]) -> Measures:
    """Return the bars of a score. Raises `UnsupportedScoreError` if one is too long.

    Where parts disagree on a measure, the longest counts; rounding errors are corrected, and a rest
    as long as the meter does not extend a pickup. Empty measures stay, to keep indices.
    """
    n_measures = max(len(part.measure_lengths) for part in parts)
    rows = [[part for part in parts if i < len(part.measure_lengths)] for i in range(n_measures)]
    signatures = _time_signatures(rows)
    lengths = [_measure_length(row, i, signatures[i]) for i, row in enumerate(rows)]
    conflicts = [
        i
        for i, row in enumerate(rows)
        if len({part.measure_lengths[i] for part in row}) > 1
        and any(
            part.notes[i] and abs(part.measure_lengths[i] - lengths[i]) > MAX_ROUNDING_QUARTERS
            for part in row
        )
    ]
    if conflicts and _have_independent_barlines(parts):
        return _bars_of_densest_part(parts)
    bars, start = [], Fraction(0)
    for length, signature in zip(lengths, signatures, strict=True):
        if length > _MAX_BAR_QUARTERS:
            raise UnsupportedScoreError(f"a measure of {float(length):.0f} quarters")
        bars.append(Bar(start, length, signature))
        start += length
    warnings = []
    if conflicts:
        numbers, index = parts[0].measure_numbers, conflicts[0]
        first = numbers[index] if index < len(numbers) else index + 1
        warnings.append(
            f"measures of different length in different parts, read as the longest: "
            f"{len(conflicts)} (first: measure {first})"
        )
    starts = [bar.start for bar in bars]
    return Measures(bars, [starts] * len(parts), warnings=warnings)


def _time_signatures(rows: Sequence[Sequence[ScorePart]]) -> list[TimeSignature | None]:
    """Return the time signature in force in each measure."""
    signatures: list[TimeSignature | None] = []
    current = None
    for i, row in enumerate(rows):
        written = (part.time_signatures[i] for part in row)
        current = next((signature for signature in written if signature), current)
        signatures.append(current)
    return signatures


def _measure_length(
    row: Sequence[ScorePart], i: int, time_signature: TimeSignature | None
) -> Fraction:
    """Return the length of measure `i` in quarters, given the parts that have it."""
    lengths = {part.measure_lengths[i] for part in row}
    nominal = Fraction(4 * time_signature[0], time_signature[1]) if time_signature else None
    if len(lengths) > 1:
        # A whole rest may stand for a bar of any meter, or for a pickup: notes take precedence.
        sounding = {part.measure_lengths[i] for part in row if part.notes[i]}
        if sounding and (i == 0 or max(sounding) == nominal):
            lengths = sounding
    longest = max(lengths)
    error = abs(longest - nominal) if nominal else Fraction(0)
    is_rounded = 0 < error < MAX_ROUNDING_QUARTERS and (
        nominal in lengths or longest.denominator > 16
    )
    return nominal if nominal and is_rounded else longest


def _have_independent_barlines(parts: Sequence[ScorePart]) -> bool:
    """Whether parts of equal duration have different numbers of measures, as 3/4 against 2/4."""
    counts = {len(part.measure_lengths) for part in parts}
    totals = [sum(part.measure_lengths, Fraction(0)) for part in parts]
    return len(counts) > 1 and max(totals) - min(totals) < max(parts[0].measure_lengths)


def _bars_of_densest_part(parts: Sequence[ScorePart]) -> Measures:
    """Return the bars of the part with the most measures."""
    densest = max(range(len(parts)), key=lambda p: len(parts[p].measure_lengths))
    lengths = parts[densest].measure_lengths
    signatures = _time_signatures([[parts[densest]]] * len(lengths))
    starts = []
    for part in parts:
        start, part_starts = Fraction(0), []
        for length in part.measure_lengths:
            part_starts.append(start)
            start += length
        starts.append(part_starts)
    bars = [Bar(*bar) for bar in zip(starts[densest], lengths, signatures, strict=True)]
    end = max(s[-1] + part.measure_lengths[-1] for s, part in zip(starts, parts, strict=True))
    last = bars[-1]
    bars[-1] = Bar(last.start, max(last.length, end - last.start), last.time_signature)
    warning = "parts with different bar lines, read with those of the part that has the most"
    return Measures(bars, starts, has_independent_barlines=True, warnings=[warning])


def meter_events(bars: Sequence[Bar]) -> list[tuple[Fraction, int, int]]:
    """Return (time, numerator, denominator) wherever a bar differs from the running meter."""
    events: list[tuple[Fraction, int, int]] = []
    running, is_cut = None, False
    for bar in bars:
        meter, fits = _fit_meter(bar)
        if meter != running or is_cut:
            events.append((bar.start, *meter))
        # A length without a meter (a stray tuplet) gets a longer one, cut by the next event.
        running, is_cut = meter, not fits
    return events


def _fit_meter(bar: Bar) -> tuple[tuple[int, int], bool]:
    """Return a meter of the length of a bar, in the written note value if possible, and True.

    If there is none, return the next longer one in sixteenths or finer, and False.
    """
    written = bar.time_signature or (4, 4)
    if bar.length == Fraction(4 * written[0], written[1]):
        return written, True
    denominator = written[1]
    while denominator <= MAX_DENOMINATOR:
        count = bar.length * denominator / 4
        if count.denominator == 1 and count <= MAX_NUMERATOR:
            return (int(count), denominator), True
        denominator *= 2
    denominator = max(written[1], 16)
    while denominator > 1 and ceil(bar.length * denominator / 4) > MAX_NUMERATOR:
        denominator //= 2
    count = bar.length * denominator / 4
    return (ceil(count), denominator), count.denominator == 1
