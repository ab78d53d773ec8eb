"""Acceptance check of the corpora: the bars of exported MIDI equal those of the scores.

    python tests/acceptance/corpus_roundtrip.py [chorales] [--every N] [--workers N]

Exports each corpus to a temporary folder, reads every file back (`Bars.from_song(read(path))`, 24
steps per quarter), and compares bar lines, meters, parts, pitches, steps and durations with the
notes of the score. Those are read from music21's measures independently of the exporter: whole
files are parsed, ties are joined by `stripTies`, and times are fractions inside their measure.
Folk tunes are left out by default: music21 reads much of ABC otherwise than its standard says.
Prints one JSON object per corpus, and exits 1 if any bar that the grid can represent differs, or if
one percent of the bars or more cannot be represented.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import warnings
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from fractions import Fraction
from functools import partial
from multiprocessing import get_context
from typing import Any

from musicvae.data import corpora
from musicvae.data.corpora.sources import corpus_folder
from musicvae.io import midi, read
from musicvae.representation.bars import Bars
from musicvae.representation.grid import STORED_STEPS_PER_QUARTER

Event = tuple[int, int, Fraction, Fraction]  # part, pitch, step in the bar, duration in steps


@dataclass
class Comparison:
    """Result for one piece: bars by cause, and descriptions of differences."""

    bars: Counter[str] = field(default_factory=Counter)
    differs: list[str] = field(default_factory=list)
    notes: int = 0


def main() -> int:
    """Check the corpora named on the command line, by default all of them."""
    parser = argparse.ArgumentParser(description="compare exported corpora with their scores")
    parser.add_argument("names", nargs="*", default=("chorales",), help="corpora to check")
    parser.add_argument("--every", type=int, default=1, help="check every Nth piece only")
    parser.add_argument(
        "--workers", type=int, default=None, help="number of processes; one per core by default"
    )
    options = parser.parse_args()
    passed = True
    for name in options.names:
        figures = check(name, every=options.every, workers=options.workers)
        print(json.dumps(figures, indent=1), flush=True)
        passed &= bool(figures["passed"])
    return 0 if passed else 1


def check(name: str, *, every: int = 1, workers: int | None = None) -> dict[str, Any]:
    """Export one corpus, compare every Nth piece, and return the figures."""
    total = Comparison()
    with tempfile.TemporaryDirectory() as folder:
        report = corpora.export(name, folder, workers=workers)
        chosen = [(str(file.path), file.piece.place) for file in report.files[::every]]
        with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
            for comparison in pool.map(partial(compare, name), chosen, chunksize=8):
                total.bars.update(comparison.bars)
                total.differs += comparison.differs
                total.notes += comparison.notes
    bars = sum(total.bars.values())
    exact = total.bars["exact"] + total.bars["exact, grace notes dropped"]
    lost = bars - exact
    return {
        "corpus": name,
        "pieces": len(chosen),
        "skipped": dict(Counter(skip.reason.split(":")[0] for skip in report.skipped)),
        "bars": bars,
        "notes": total.notes,
        "bars_by_cause": dict(total.bars.most_common()),
        "share_not_on_grid": round(lost / max(bars, 1), 6),
        "differs": len(total.differs),
        "first_differences": total.differs[:20],
        "passed": not total.differs and lost < 0.01 * bars,
    }


def compare(name: str, chosen: tuple[str, str]) -> Comparison:
    """Compare one exported file with its score."""
    path, place = chosen
    comparison = Comparison()
    song = read(path)
    if midi.from_bytes(midi.to_bytes(song)) != song:
        comparison.differs.append(f"{place}: MIDI -> Song -> MIDI -> Song changes the song")
    bars = Bars.from_song(song)
    measures = score_measures(place)
    comparison.notes = sum(len(measure.events) for measure in measures)
    lines = [(m.start, m.length) for m in measures]
    tpq, grid = song.ticks_per_quarter, bars.grid
    found = [
        (Fraction(start, tpq), Fraction(length, tpq))
        for start, length in zip(grid.start_ticks.tolist(), grid.length_ticks.tolist(), strict=True)
    ]
    if found != lines:
        first = next((i for i, (a, b) in enumerate(zip(found, lines, strict=False)) if a != b), -1)
        comparison.differs.append(
            f"{place}: bar lines ({len(found)} of {len(lines)}, from {first})"
        )
        comparison.bars["bar line differs"] += len(lines)
        return comparison
    if Fraction(song.end_ticks, tpq) != sum(lines[-1]):
        comparison.differs.append(f"{place}: song ends at {song.end_ticks}, not with its last bar")
    expected_parts = ["Soprano", "Alto", "Tenor", "Bass"] if name == "chorales" else ["Melody"]
    if [part.name for part in song.parts] != expected_parts:
        comparison.differs.append(f"{place}: parts {[part.name for part in song.parts]}")
    read_back = read_events(bars)
    for index, measure in enumerate(measures):
        lead, steps = int(grid.lead_steps[index]), int(grid.steps[index])
        written = (int(grid.numerator[index]), int(grid.denominator[index]))
        full = Fraction(4 * measure.meter[0], measure.meter[1]) if measure.meter else None
        if measure.length == full and written != measure.meter:
            comparison.differs.append(f"{place}: bar {index} is in {written}, not {measure.meter}")
        short = index == 0 and len(lines) > 1 and measure.length < lines[1][1]
        if bool(lead) != short or steps - lead < measure.length * STORED_STEPS_PER_QUARTER:
            comparison.differs.append(f"{place}: bar {index} has {lead} of {steps} cells masked")
        events = sorted((p, n, step + lead, length) for p, n, step, length in measure.events)
        cause = measure.cause(events)
        if cause.startswith("exact") and events != read_back[index]:
            comparison.differs.append(f"{place}: bar {index}: {events} became {read_back[index]}")
            cause = "note differs"
        comparison.bars[cause] += 1
    return comparison


def read_events(bars: Bars) -> list[list[Event]]:
    """Return the notes of each bar as read back, sorted."""
    read_back: list[list[Event]] = [[] for _ in range(len(bars))]
    notes = bars.notes
    columns = (notes.bar, notes.part, notes.pitch, notes.step, notes.duration)
    for bar, part, pitch, step, length in zip(*(c.tolist() for c in columns), strict=True):
        read_back[bar].append((part, pitch, Fraction(step), Fraction(length)))
    return [sorted(events) for events in read_back]


# -- the score, independently of the exporter -----------------------------------------------------


@dataclass
class Measure:
    """One measure of the score: start and length in quarters, meter and notes."""

    start: Fraction
    length: Fraction
    meter: tuple[int, int] | None
    events: list[Event] = field(default_factory=list)
    grace: int = 0
    doubled: bool = False

    def cause(self, events: list[Event]) -> str:
        """Return why the grid cannot represent this bar, or that it must be exact."""
        times = [time for event in events for time in event[2:]]
        if self.doubled:
            return "one pitch twice at a time in a part"
        if off := [time.denominator for time in times if time.denominator > 1]:
            return f"off the grid by 1/{max(off)} step"
        return "exact, grace notes dropped" if self.grace else "exact"


def score_measures(place: str) -> list[Measure]:
    """Read the measures of a piece with music21 alone."""
    from music21 import converter

    file, _, number = place.partition(":")
    path = corpus_folder() / file
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if number:
            score = converter.parse(path, number=int(number), forceSource=True, storePickle=False)
        else:
            score = converter.parse(path, forceSource=True, storePickle=False)
    staves = [list(part.getElementsByClass("Measure")) for part in score.parts]
    longest = max(staves, key=len)
    measures: list[Measure] = []
    start, meter = Fraction(0), None
    for sign in score.parts[0].getElementsByClass("TimeSignature"):
        meter = (sign.numerator, sign.denominator)
    for index, measure in enumerate(longest):
        length = max(fraction(s[index].highestTime) for s in staves if index < len(s))
        if measure.timeSignature:
            meter = (measure.timeSignature.numerator, measure.timeSignature.denominator)
        assert abs(float(start) - measure.offset) < 1e-6, f"{place}: a gap between measures"
        measures.append(Measure(start, length, meter))
        start += length
    for part_index, part in enumerate(score.parts):
        _add_events(measures, part_index, part)
    return [measure for measure in measures if measure.length > 0]


def _add_events(measures: list[Measure], part_index: int, part: Any) -> None:
    """Add the notes of a part, ties joined, to the measures where they begin."""
    for measure, staff in zip(measures, part.getElementsByClass("Measure"), strict=False):
        measure.grace += sum(
            not note.quarterLength and "Harmony" not in note.classes
            for note in staff.recurse().notes
        )
    _drop_false_ties(part)
    joined = part.stripTies(matchByPitch=True)
    cells = _cells(measures)
    sounding: dict[int, Fraction] = {}
    for measure, staff in zip(measures, joined.getElementsByClass("Measure"), strict=False):
        for note in staff.recurse().notes:
            if "Harmony" in note.classes or not note.quarterLength:
                continue
            offset = fraction(note.getOffsetInHierarchy(staff))
            end = measure.start + offset + fraction(note.quarterLength)
            length = cells(end) - cells(measure.start + offset)
            for pitch in note.pitches:
                measure.doubled |= sounding.get(pitch.midi, Fraction(0)) > measure.start + offset
                sounding[pitch.midi] = end
                step = offset * STORED_STEPS_PER_QUARTER
                measure.events.append((part_index, pitch.midi, step, length))


def _drop_false_ties(part: Any) -> None:
    """Remove ties between different pitches: ABC slurs, with which stripTies loses notes."""
    notes = [n for n in part.recurse().notes if n.quarterLength and "Harmony" not in n.classes]
    closes = {"continue": "start", "stop": None}
    opens = {"continue": "stop", "start": None}
    for before, after in zip([None, *notes], [*notes, None], strict=True):
        end = before.getOffsetInHierarchy(part) + before.quarterLength if before else None
        meet = end is not None and after and abs(after.getOffsetInHierarchy(part) - end) < 1e-6
        if meet and before.pitches[0].midi == after.pitches[0].midi and _is_tied(before, after):
            continue
        for note, table in ((before, opens), (after, closes)):
            if note and note.tie and note.tie.type in table:
                note.tie = _tie(table[note.tie.type])


def _is_tied(before: Any, after: Any) -> bool:
    """Whether two notes are tied to each other."""
    ties = (before.tie and before.tie.type, after.tie and after.tie.type)
    return ties[0] in ("start", "continue") and ties[1] in ("stop", "continue")


def _tie(kind: str | None) -> Any:
    """Return a music21 tie of this type, or None."""
    from music21 import tie

    return tie.Tie(kind) if kind else None


def _cells(measures: list[Measure]) -> Any:
    """Return a function from times to unmasked cells; bar lengths are rounded up to cells."""
    base, bases = Fraction(0), []
    for measure in measures:
        bases.append(base)
        base += -(-measure.length * STORED_STEPS_PER_QUARTER // 1)

    def cell(time: Fraction) -> Fraction:
        for measure, first in zip(reversed(measures), reversed(bases), strict=True):
            if measure.start <= time and measure.length:
                return first + (time - measure.start) * STORED_STEPS_PER_QUARTER
        raise ValueError(f"{time} lies before the first measure")

    return cell


def fraction(value: Any) -> Fraction:
    """Convert a music21 offset to a fraction, with the largest denominator music21 uses."""
    return Fraction(value).limit_denominator(65535)


if __name__ == "__main__":
    sys.exit(main())
