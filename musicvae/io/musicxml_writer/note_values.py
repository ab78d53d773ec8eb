"""Notes of a bar to written note values: voices, triplets, ties, dots and beams.

Times are in cells, 24 per quarter, from where the full bar would begin, so that the notes of a
pickup are split at its beats. Note values are in 48ths of a quarter: a cell is two of them in
straight notation and three in a triplet.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

from musicvae.representation.grid import is_compound

CELLS_PER_QUARTER = 24
NOTE_TYPES = ("whole", "half", "quarter", "eighth", "16th", "32nd", "64th")
_TYPE_UNITS = (192, 96, 48, 24, 12, 6, 3)  # 48ths of a quarter
_VALUES = sorted(
    [(u, t, 0) for u, t in zip(_TYPE_UNITS, NOTE_TYPES, strict=True)]
    + [(u * 3 // 2, t, 1) for u, t in zip(_TYPE_UNITS, NOTE_TYPES, strict=True) if u % 2 == 0],
    reverse=True,
)
_N_FLAGS = {"eighth": 1, "16th": 2, "32nd": 3, "64th": 4}


@dataclass(frozen=True, kw_only=True)
class ChordSpan:
    """Notes from `begin` to `end` inside a bar; a rest if there are none."""

    begin: int
    end: int
    notes: tuple[int, ...] = ()
    """Indices of the notes; their meaning is up to the caller."""
    tie_stop: bool = False
    """Whether a tie from before ends here."""
    tie_start: bool = False
    """Whether a tie to the next value starts here."""


@dataclass(frozen=True, kw_only=True)
class NoteValue:
    """One written note value: a chord or rest with type, dots, tuplet and beams."""

    span: ChordSpan
    note_type: str
    n_dots: int
    is_triplet: bool = False
    tuplet_bracket: str = ""
    """`start` or `stop` of a tuplet bracket, or empty."""
    beams: tuple[str, ...] = field(default=())
    """`begin`, `continue`, `end`, `forward hook` or `backward hook`, for each beam level."""


@dataclass(frozen=True, kw_only=True)
class TimeSignature:
    """Time signature with its beat structure."""

    numerator: int
    denominator: int

    @property
    def is_compound(self) -> bool:
        """Whether beats have three parts of whole cells: 3/8, 6/8, 9/8, 12/8."""
        return self.denominator <= 32 and is_compound(self.numerator, self.denominator)

    @property
    def beat_cells(self) -> int:
        """Length of a beat in cells."""
        unit = 4 * CELLS_PER_QUARTER // self.denominator
        return 3 * unit if self.is_compound else max(unit, CELLS_PER_QUARTER)

    @property
    def half_bar_cells(self) -> int:
        """Length in cells of half a bar of four beats, else of the bar."""
        bar = 4 * CELLS_PER_QUARTER * self.numerator // self.denominator
        return max(bar // 2 if self.numerator == 4 else bar, 1)


def split_voices(chords: Iterable[ChordSpan]) -> list[list[ChordSpan]]:
    """Distribute chords to voices without overlaps, to the first voice that is free.

    `chords` are sorted by begin and from the highest down.
    """
    voices: list[list[ChordSpan]] = []
    for chord in chords:
        free = next((voice for voice in voices if voice[-1].end <= chord.begin), None)
        if free is None:
            voices.append([chord])
        else:
            free.append(chord)
    return voices


def with_rests(voice: Sequence[ChordSpan], begin: int, end: int) -> list[ChordSpan]:
    """Fill the gaps of a voice between `begin` and `end` with rests."""
    spans, position = [], begin
    for chord in voice:
        if chord.begin > position:
            spans.append(ChordSpan(begin=position, end=chord.begin))
        spans.append(chord)
        position = chord.end
    if position < end:
        spans.append(ChordSpan(begin=position, end=end))
    return spans


def to_note_values(voice: Sequence[ChordSpan], time_signature: TimeSignature) -> list[NoteValue]:
    """Convert a voice, complete with rests, to tied note values with tuplets and beams."""
    if not voice:
        return []
    begin, end = voice[0].begin, voice[-1].end
    edges = {span.begin for span in voice} | {end}
    spans = _subdivision_spans(begin, end, edges, time_signature)
    triplets = [span for span in spans if _is_triplet(span, edges)]
    values: list[NoteValue] = []
    for span in voice:
        for piece, triplet in _split_at_triplets(span, triplets):
            values += _split_into_values(piece, triplet, time_signature)
    return _add_beams(_add_tuplet_brackets(values), time_signature)


# -- triplets -------------------------------------------------------------------------------------


def _subdivision_spans(
    begin: int, end: int, edges: set[int], time_signature: TimeSignature
) -> list[tuple[int, int]]:
    """Return spans of two beats or less, each of which is either straight or a triplet."""
    beat, is_compound_meter = time_signature.beat_cells, time_signature.is_compound
    spans, start = [], begin - begin % beat
    two_beats = 2 * CELLS_PER_QUARTER
    while start < end:
        inside = [edge - start for edge in edges if start < edge < start + two_beats]
        if (
            not is_compound_meter
            and beat == CELLS_PER_QUARTER
            and start % two_beats == 0
            and begin <= start <= end - two_beats
            and any(edge % 6 for edge in inside)
            and all(edge % 16 == 0 for edge in inside)
        ):
            spans.append((start, start + two_beats))
            start += two_beats
            continue
        stop = start + (beat // 3 if is_compound_meter else beat)
        spans += _split_span(start, stop, edges)
        start = stop
    return [(a, b) for a, b in spans if a < end and b > begin]


def _split_span(begin: int, end: int, edges: set[int]) -> list[tuple[int, int]]:
    """Return a span, or its halves where it is neither straight nor a triplet throughout."""
    inside, size = {edge - begin for edge in edges if begin < edge < end}, end - begin
    is_straight = all(edge % 3 == 0 for edge in inside)
    has_thirds = size % 3 == 0 and all(edge % (size // 3) == 0 for edge in inside)
    has_sixths = (
        size <= CELLS_PER_QUARTER
        and size // 2 not in inside
        and all(edge % (size // 6) == 0 for edge in inside)
    )
    if is_straight or has_thirds or has_sixths or size <= 6 or size % 2:
        return [(begin, end)]
    middle = begin + size // 2
    return [*_split_span(begin, middle, edges), *_split_span(middle, end, edges)]


def _is_triplet(span: tuple[int, int], edges: set[int]) -> bool:
    """Whether a span is a triplet: an edge inside is not on its straight grid."""
    return any((edge - span[0]) % 3 for edge in edges if span[0] < edge < span[1])


def _split_at_triplets(
    span: ChordSpan, triplets: Sequence[tuple[int, int]]
) -> list[tuple[ChordSpan, tuple[int, int] | None]]:
    """Split a chord where triplets begin and end; return each piece with its triplet."""
    cuts = {edge for triplet in triplets for edge in triplet if span.begin < edge < span.end}
    pieces = []
    for begin, end in pairwise([span.begin, *sorted(cuts), span.end]):
        triplet = next((t for t in triplets if t[0] <= begin < t[1]), None)
        pieces.append((_piece(span, begin, end), triplet))
    return pieces


def _piece(span: ChordSpan, begin: int, end: int) -> ChordSpan:
    """Return a piece of a chord, tied to the pieces before and after."""
    tie_stop, tie_start = begin > span.begin or span.tie_stop, end < span.end or span.tie_start
    return replace(span, begin=begin, end=end, tie_stop=tie_stop, tie_start=tie_start)


def _add_tuplet_brackets(values: Sequence[NoteValue]) -> list[NoteValue]:
    """Bracket the values of each triplet, from the first to the last."""
    bracketed, group, length = list(values), list[int](), 0
    for index, value in enumerate(values):
        if not value.is_triplet:
            continue
        group.append(index)
        length += value.span.end - value.span.begin
        if length in (6, 12, 24, 48):
            if len(group) > 1:
                first, last = group[0], group[-1]
                bracketed[first] = replace(values[first], tuplet_bracket="start")
                bracketed[last] = replace(values[last], tuplet_bracket="stop")
            group, length = [], 0
    return bracketed


# -- values ---------------------------------------------------------------------------------------


def _split_into_values(
    span: ChordSpan, triplet: tuple[int, int] | None, time_signature: TimeSignature
) -> list[NoteValue]:
    """Split a chord into as few tied values as its position in the bar allows."""
    values, start = [], span.begin
    units_per_cell = 2 if triplet is None else 3
    while start < span.end:
        candidates = [
            (units // units_per_cell, note_type, n_dots)
            for units, note_type, n_dots in _VALUES
            if units % units_per_cell == 0 and start + units // units_per_cell <= span.end
        ]
        fitting = (
            (cells, note_type, n_dots)
            for cells, note_type, n_dots in candidates
            if triplet is not None or _fits_meter(start, cells, n_dots, time_signature)
        )
        shortest = candidates[-1] if candidates else (span.end - start, NOTE_TYPES[-1], 0)
        cells, note_type, n_dots = next(fitting, shortest)
        values.append(
            NoteValue(
                span=_piece(span, start, start + cells),
                note_type=note_type,
                n_dots=n_dots,
                is_triplet=triplet is not None,
            )
        )
        start += cells
    return values


def _fits_meter(start: int, cells: int, n_dots: int, time_signature: TimeSignature) -> bool:
    """Whether a value may begin at a cell without hiding the beats of the meter."""
    end = start + cells
    beat, half_bar = time_signature.beat_cells, time_signature.half_bar_cells
    bar = 4 * CELLS_PER_QUARTER * time_signature.numerator // time_signature.denominator
    if start == 0 and end == bar:
        return True
    if time_signature.is_compound:
        is_whole_beats = start % beat == 0 and cells % beat == 0
        return is_whole_beats or start // beat == (end - 1) // beat
    crosses_middle = start // half_bar != (end - 1) // half_bar
    undotted = cells * 2 // 3 if n_dots else cells
    if start % undotted == 0:
        return not crosses_middle or start % half_bar == 0
    if n_dots:  # after a short value that completes it: ends on a beat
        return end % (2 * undotted) == 0 and not crosses_middle
    return (2 * start) % undotted == 0 and not crosses_middle


# -- beams ----------------------------------------------------------------------------------------


def _add_beams(values: Sequence[NoteValue], time_signature: TimeSignature) -> list[NoteValue]:
    """Beam consecutive short notes of the same beat."""
    beamed, group = list(values), list[int]()
    beat_cells = time_signature.beat_cells
    for index, value in enumerate(values):
        is_short = bool(value.span.notes) and value.note_type in _N_FLAGS
        beat = value.span.begin // beat_cells
        if group and (not is_short or beat != values[group[0]].span.begin // beat_cells):
            _beam_group(beamed, group)
            group = []
        if is_short:
            group.append(index)
    _beam_group(beamed, group)
    return beamed


def _beam_group(values: list[NoteValue], group: Sequence[int]) -> None:
    """Set the beams of a group of values, given by index, in place."""
    if len(group) < 2:
        return
    n_flags = [_N_FLAGS[values[index].note_type] for index in group]
    for i, index in enumerate(group):
        beams = []
        for level in range(1, n_flags[i] + 1):
            before = i > 0 and n_flags[i - 1] >= level
            after = i + 1 < len(group) and n_flags[i + 1] >= level
            hook = "forward hook" if i == 0 else "backward hook"
            beams.append(
                "continue" if before and after else "end" if before else "begin" if after else hook
            )
        values[index] = replace(values[index], beams=tuple(beams))
