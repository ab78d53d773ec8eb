"""Floor 3: bar lines of a score: its measures, and the meter events that give exactly these back.

A measure is as long as it lasts, whatever its time signature says: over-full, under-full, cut at
a repeat. Times are fractions of a quarter.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from math import ceil

from musicvae.io.notation.part import ScorePart, UnsupportedScoreError

_MAX_DENOMINATOR = 64  # denominator of a meter
_MAX_NUMERATOR = 255  # numerator of a meter
_MAX_BAR_QUARTERS = 4 * _MAX_NUMERATOR  # quarters of a bar that MIDI can write
MAX_ROUNDING_QUARTERS = Fraction(1, 16)  # quarters by which the rounded lengths of a measure's notes may be off


@dataclass(frozen=True)
class Bar:
    """One measure: where it begins and how long it lasts, in quarters, and its written meter."""

    start: Fraction
    length: Fraction
    time_signature: tuple[int, int] | None


@dataclass
class Measures:
    """The bars of a score, and where each measure of each part begins among them.

    `own`: bar lines of the parts are not the same; those of the first one count.
    """

    bars: list[Bar]
    starts: list[list[Fraction]]
    has_independent_barlines: bool = False
    warnings: list[str] = field(default_factory=list)

    def bar_at(self, time: Fraction) -> int:
        """The index of the bar that a time falls into."""
        if not self._bar_starts:
            self._bar_starts.extend(bar.start for bar in self.bars)
        return max(bisect_right(self._bar_starts, time) - 1, 0)

    _bar_starts: list[Fraction] = field(default_factory=list)


def build_measures(parts: Sequence[ScorePart]) -> Measures:
    """The bars of all parts; zero-length ones stay, to keep the indices.

    Parts that disagree over a measure: the longest counts, but what is off by a rounding is put
    right, and a rest as long as the meter does not stretch a pickup. Raises `UnfitScoreError`.
    """
    count = max(len(line.measure_lengths) for line in parts)
    rows = [[line for line in parts if i < len(line.measure_lengths)] for i in range(count)]
    differ = [i for i, row in enumerate(rows) if len({line.measure_lengths[i] for line in row}) > 1]
    written = _time_signatures(rows, parts[0].initial_time_signature)
    lengths = [_measure_length(row, i, written[i]) for i, row in enumerate(rows)]
    apart = [
        i
        for i in differ
        if any(line.notes[i] and abs(line.measure_lengths[i] - lengths[i]) > MAX_ROUNDING_QUARTERS for line in rows[i])
    ]
    if apart and _have_independent_barlines(parts):
        return _bars_of_densest_part(parts)
    bars, start = [], Fraction(0)
    for length, meter in zip(lengths, written, strict=True):
        if length > _MAX_BAR_QUARTERS:
            raise UnsupportedScoreError(f"a measure of {float(length):.0f} quarters")
        bars.append(Bar(start, length, meter))
        start += length
    said = []
    if apart:
        first = parts[0].measure_numbers[apart[0]] if apart[0] < len(parts[0].measure_numbers) else apart[0] + 1
        said.append(
            f"measures not equally long in all parts, read as the longest: {len(apart)} "
            f"(first: measure {first})"
        )
    begins = [bar.start for bar in bars]
    return Measures(bars, [begins] * len(parts), warnings=said)


def _time_signatures(
    rows: Sequence[Sequence[ScorePart]], initial: tuple[int, int] | None
) -> list[tuple[int, int] | None]:
    """The written meter in force in each measure."""
    meters, running = [], initial
    for i, row in enumerate(rows):
        running = next((line.time_signatures[i] for line in row if line.time_signatures[i]), running)
        meters.append(running)
    return meters


def _measure_length(row: Sequence[ScorePart], i: int, time_signature: tuple[int, int] | None) -> Fraction:
    lengths = {line.measure_lengths[i] for line in row}
    nominal = Fraction(4 * time_signature[0], time_signature[1]) if time_signature else None
    if len(lengths) > 1:
        # A rest may stand for a whole bar in a pickup, and be written as a whole in any meter.
        sounding = {line.measure_lengths[i] for line in row if line.notes[i]}
        if sounding and (i == 0 or max(sounding) == nominal):
            lengths = sounding
    longest = max(lengths)
    off = abs(longest - nominal) if nominal else Fraction(0)
    rounded = 0 < off < MAX_ROUNDING_QUARTERS and (nominal in lengths or longest.denominator > 16)
    return nominal if nominal and rounded else longest


def _have_independent_barlines(parts: Sequence[ScorePart]) -> bool:
    """Whether parts have other numbers of measures that last equally long: 3/4 against 2/4."""
    counts = {len(line.measure_lengths) for line in parts}
    totals = [sum(line.measure_lengths, Fraction(0)) for line in parts]
    return len(counts) > 1 and max(totals) - min(totals) < max(parts[0].measure_lengths)


def _bars_of_densest_part(parts: Sequence[ScorePart]) -> Measures:
    """Bars of a score whose parts have bar lines of their own: those of the part with most."""
    chief = max(range(len(parts)), key=lambda p: len(parts[p].measure_lengths))
    written = _time_signatures([[parts[chief]]] * len(parts[chief].measure_lengths), parts[chief].initial_time_signature)
    starts = []
    for line in parts:
        start, own = Fraction(0), []
        for length in line.measure_lengths:
            own.append(start)
            start += length
        starts.append(own)
    bars = [Bar(*bar) for bar in zip(starts[chief], parts[chief].measure_lengths, written, strict=True)]
    end = max(s[-1] + line.measure_lengths[-1] for s, line in zip(starts, parts, strict=True))
    last = bars[-1]
    bars[-1] = Bar(last.start, max(last.length, end - last.start), last.time_signature)
    said = "parts with bar lines of their own, read in the bars of the part that has most"
    return Measures(bars, starts, has_independent_barlines=True, warnings=[said])


def meter_events(bars: Sequence[Bar]) -> list[tuple[Fraction, int, int]]:
    """(time, numerator, denominator) wherever a bar is not what the running meter gives."""
    events: list[tuple[Fraction, int, int]] = []
    running, is_cut = None, False
    for bar in bars:
        meter, fits = _fit_meter(bar)
        if meter != running or is_cut:
            events.append((bar.start, *meter))
        # A length that is no meter (a stray tuplet) gets a longer one, cut by the next event.
        running, is_cut = meter, not fits
    return events


def _fit_meter(bar: Bar) -> tuple[tuple[int, int], bool]:
    """The meter that makes a bar this long, in the written note value if that can be.

    False if no meter is as long: then it is the next longer one in sixteenths or finer.
    """
    written = bar.time_signature or (4, 4)
    if bar.length == Fraction(4 * written[0], written[1]):
        return written, True
    denominator = written[1]
    while denominator <= _MAX_DENOMINATOR:
        count = bar.length * denominator / 4
        if count.denominator == 1 and count <= _MAX_NUMERATOR:
            return (int(count), denominator), True
        denominator *= 2
    denominator = max(written[1], 16)
    while denominator > 1 and ceil(bar.length * denominator / 4) > _MAX_NUMERATOR:
        denominator //= 2
    count = bar.length * denominator / 4
    return (ceil(count), denominator), count.denominator == 1
