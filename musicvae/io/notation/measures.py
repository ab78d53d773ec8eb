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

from musicvae.io.notation.part import Line, UnfitScoreError

_FINEST = 64  # denominator of a meter
_LARGEST = 255  # numerator of a meter
_LONGEST = 4 * _LARGEST  # quarters of a bar that MIDI can write
SLIP = Fraction(1, 16)  # quarters by which the rounded lengths of a measure's notes may be off


@dataclass(frozen=True)
class Bar:
    """One measure: where it begins and how long it lasts, in quarters, and its written meter."""

    start: Fraction
    length: Fraction
    written: tuple[int, int] | None


@dataclass
class Measures:
    """The bars of a score, and where each measure of each part begins among them.

    `own`: bar lines of the parts are not the same; those of the first one count.
    """

    bars: list[Bar]
    starts: list[list[Fraction]]
    own: bool = False
    warnings: list[str] = field(default_factory=list)

    def bar_at(self, time: Fraction) -> int:
        """The index of the bar that a time falls into."""
        if not self._begins:
            self._begins.extend(bar.start for bar in self.bars)
        return max(bisect_right(self._begins, time) - 1, 0)

    _begins: list[Fraction] = field(default_factory=list)


def measures_of(lines: Sequence[Line]) -> Measures:
    """The bars of all parts; zero-length ones stay, to keep the indices.

    Parts that disagree over a measure: the longest counts, but what is off by a rounding is put
    right, and a rest as long as the meter does not stretch a pickup. Raises `UnfitScoreError`.
    """
    count = max(len(line.lengths) for line in lines)
    rows = [[line for line in lines if i < len(line.lengths)] for i in range(count)]
    differ = [i for i, row in enumerate(rows) if len({line.lengths[i] for line in row}) > 1]
    written = _meters(rows, lines[0].before)
    lengths = [_length(row, i, written[i]) for i, row in enumerate(rows)]
    apart = [
        i
        for i in differ
        if any(line.notes[i] and abs(line.lengths[i] - lengths[i]) > SLIP for line in rows[i])
    ]
    if apart and _are_own(lines):
        return _own_bars(lines)
    bars, start = [], Fraction(0)
    for length, meter in zip(lengths, written, strict=True):
        if length > _LONGEST:
            raise UnfitScoreError(f"a measure of {float(length):.0f} quarters")
        bars.append(Bar(start, length, meter))
        start += length
    said = []
    if apart:
        first = lines[0].numbers[apart[0]] if apart[0] < len(lines[0].numbers) else apart[0] + 1
        said.append(
            f"measures not equally long in all parts, read as the longest: {len(apart)} "
            f"(first: measure {first})"
        )
    begins = [bar.start for bar in bars]
    return Measures(bars, [begins] * len(lines), warnings=said)


def _meters(
    rows: Sequence[Sequence[Line]], before: tuple[int, int] | None
) -> list[tuple[int, int] | None]:
    """The written meter in force in each measure."""
    meters, running = [], before
    for i, row in enumerate(rows):
        running = next((line.written[i] for line in row if line.written[i]), running)
        meters.append(running)
    return meters


def _length(row: Sequence[Line], i: int, written: tuple[int, int] | None) -> Fraction:
    lengths = {line.lengths[i] for line in row}
    nominal = Fraction(4 * written[0], written[1]) if written else None
    if len(lengths) > 1:
        # A rest may stand for a whole bar in a pickup, and be written as a whole in any meter.
        sounding = {line.lengths[i] for line in row if line.notes[i]}
        if sounding and (i == 0 or max(sounding) == nominal):
            lengths = sounding
    longest = max(lengths)
    off = abs(longest - nominal) if nominal else Fraction(0)
    rounded = 0 < off < SLIP and (nominal in lengths or longest.denominator > 16)
    return nominal if nominal and rounded else longest


def _are_own(lines: Sequence[Line]) -> bool:
    """Whether parts have other numbers of measures that last equally long: 3/4 against 2/4."""
    counts = {len(line.lengths) for line in lines}
    totals = [sum(line.lengths, Fraction(0)) for line in lines]
    return len(counts) > 1 and max(totals) - min(totals) < max(lines[0].lengths)


def _own_bars(lines: Sequence[Line]) -> Measures:
    """Bars of a score whose parts have bar lines of their own: those of the part with most."""
    chief = max(range(len(lines)), key=lambda p: len(lines[p].lengths))
    written = _meters([[lines[chief]]] * len(lines[chief].lengths), lines[chief].before)
    starts = []
    for line in lines:
        start, own = Fraction(0), []
        for length in line.lengths:
            own.append(start)
            start += length
        starts.append(own)
    bars = [Bar(*bar) for bar in zip(starts[chief], lines[chief].lengths, written, strict=True)]
    end = max(s[-1] + line.lengths[-1] for s, line in zip(starts, lines, strict=True))
    last = bars[-1]
    bars[-1] = Bar(last.start, max(last.length, end - last.start), last.written)
    said = "parts with bar lines of their own, read in the bars of the part that has most"
    return Measures(bars, starts, own=True, warnings=[said])


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
        if count.denominator == 1 and count <= _LARGEST:
            return (int(count), denominator), True
        denominator *= 2
    denominator = max(written[1], 16)
    while denominator > 1 and ceil(bar.length * denominator / 4) > _LARGEST:
        denominator //= 2
    count = bar.length * denominator / 4
    return (ceil(count), denominator), count.denominator == 1
