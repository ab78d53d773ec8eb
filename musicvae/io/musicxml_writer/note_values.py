"""Floor 3: notes of a bar -> what is written in it: voices, tuplets, values, ties and beams.

Time is counted in cells, 24 a quarter, from where the bar would begin in full, so that the notes of
a pickup are split where its beats are. Values are counted in 48ths of a quarter: a cell is two of
them where it is written as it sounds, three in a triplet.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

CELLS_PER_QUARTER = 24  # of a quarter
NOTE_TYPES = ("whole", "half", "quarter", "eighth", "16th", "32nd", "64th")
_TYPE_UNITS = (192, 96, 48, 24, 12, 6, 3)  # 48ths of a quarter, of each type
_VALUES = sorted(
    [(u, t, 0) for u, t in zip(_TYPE_UNITS, NOTE_TYPES, strict=True)]
    + [(u * 3 // 2, t, 1) for u, t in zip(_TYPE_UNITS, NOTE_TYPES, strict=True) if u % 2 == 0],
    reverse=True,
)
_N_FLAGS = {"eighth": 1, "16th": 2, "32nd": 3, "64th": 4}


@dataclass(frozen=True, kw_only=True)
class ChordSpan:
    """Some notes of one length inside a bar, `begin` to `end`; none are a rest."""

    begin: int
    end: int
    notes: tuple[int, ...] = ()
    """Indices that mean something to the caller."""
    tie_stop: bool = False
    """Tied to what comes before."""
    tie_start: bool = False
    """Tied to what comes after."""


@dataclass(frozen=True, kw_only=True)
class NoteValue:
    """One note value on paper."""

    span: ChordSpan
    note_type: str
    n_dots: int
    is_triplet: bool = False
    tuplet_bracket: str = ""
    """`start` or `stop` of a triplet's bracket."""
    beams: tuple[str, ...] = field(default=())
    """`begin`, `continue`, `end`, `forward hook` or `backward hook`, from the first beam on."""


@dataclass(frozen=True, kw_only=True)
class TimeSignature:
    """The beats of a meter: numerator and denominator."""

    numerator: int
    denominator: int

    @property
    def is_compound(self) -> bool:
        """Whether a beat has three parts that are whole cells: 3/8, 6/8, 9/8, 12/8."""
        return 8 <= self.denominator <= 32 and self.numerator % 3 == 0

    @property
    def beat_cells(self) -> int:
        """Cells of a beat."""
        unit = 4 * CELLS_PER_QUARTER // self.denominator
        return 3 * unit if self.is_compound else max(unit, CELLS_PER_QUARTER)

    @property
    def half_bar_cells(self) -> int:
        """Cells of half a bar of four beats, which nothing should hide; else of the bar."""
        bar = 4 * CELLS_PER_QUARTER * self.numerator // self.denominator
        return max(bar // 2 if self.numerator == 4 else bar, 1)


def split_voices(chords: Iterable[ChordSpan]) -> list[list[ChordSpan]]:
    """What does not overlap goes into one voice; the first one has most, and what is highest.

    `chords` are in order of (begin, from the highest down).
    """
    found: list[list[ChordSpan]] = []
    for chord in chords:
        free = next((voice for voice in found if voice[-1].end <= chord.begin), None)
        if free is None:
            found.append([chord])
        else:
            free.append(chord)
    return found


def with_rests(voice: Sequence[ChordSpan], begin: int, end: int) -> list[ChordSpan]:
    """A voice with its rests."""
    found, now = [], begin
    for each in voice:
        if each.begin > now:
            found.append(ChordSpan(begin=now, end=each.begin))
        found.append(each)
        now = each.end
    if now < end:
        found.append(ChordSpan(begin=now, end=end))
    return found


def to_note_values(voice: Sequence[ChordSpan], time_signature: TimeSignature) -> list[NoteValue]:
    """The values of a voice that has its rests, beamed."""
    if not voice:
        return []
    begin, end = voice[0].begin, voice[-1].end
    edges = {each.begin for each in voice} | {end}
    triplets = [w for w in _subdivision_spans(begin, end, edges, time_signature) if _is_triplet(w, edges)]
    found: list[NoteValue] = []
    for each in voice:
        for piece, window in _split_at_triplets(each, triplets):
            found += _split_into_values(piece, window, time_signature)
    return _add_beams(_add_tuplet_brackets(found), time_signature)


# -- triplets -------------------------------------------------------------------------------------


def _subdivision_spans(begin: int, end: int, edges: set[int], time_signature: TimeSignature) -> list[tuple[int, int]]:
    """Spans that are each written straight or as triplets: of two beats, of one, or less."""
    found, at = [], begin - begin % time_signature.beat_cells
    while at < end:
        wide = 2 * CELLS_PER_QUARTER
        if (
            not time_signature.is_compound
            and time_signature.beat_cells == CELLS_PER_QUARTER
            and at % wide == 0
            and begin <= at <= end - wide
            and any((e - at) % 6 for e in edges if at < e < at + wide)
            and all((e - at) % 16 == 0 for e in edges if at < e < at + wide)
        ):
            found.append((at, at + wide))
            at += wide
            continue
        size = time_signature.beat_cells // 3 if time_signature.is_compound else time_signature.beat_cells
        stop = at + size
        found += _split_span(at, stop, edges)
        at = stop
    return [(a, b) for a, b in found if a < end and b > begin]


def _split_span(begin: int, end: int, edges: set[int]) -> list[tuple[int, int]]:
    """A span, or its halves where it is neither straight nor a triplet throughout."""
    inside, size = {e - begin for e in edges if begin < e < end}, end - begin
    plain = all(e % 3 == 0 for e in inside)
    thirds = size % 3 == 0 and all(e % (size // 3) == 0 for e in inside)
    sixths = size <= CELLS_PER_QUARTER and size // 2 not in inside and all(e % (size // 6) == 0 for e in inside)
    if plain or thirds or sixths or size <= 6 or size % 2:
        return [(begin, end)]
    middle = begin + size // 2
    return [*_split_span(begin, middle, edges), *_split_span(middle, end, edges)]


def _is_triplet(span: tuple[int, int], edges: set[int]) -> bool:
    return any((e - span[0]) % 3 for e in edges if span[0] < e < span[1])


def _split_at_triplets(
    span: ChordSpan, triplets: Sequence[tuple[int, int]]
) -> list[tuple[ChordSpan, tuple[int, int] | None]]:
    """What sounds, cut where triplets begin and end; each piece with its triplet."""
    cuts = {p for w in triplets for p in w if span.begin < p < span.end}
    points = [span.begin, *sorted(cuts), span.end]
    found = []
    for a, b in pairwise(points):
        window = next((w for w in triplets if w[0] <= a < w[1]), None)
        held, holds = a > span.begin or span.tie_stop, b < span.end or span.tie_start
        found.append((replace(span, begin=a, end=b, tie_stop=held, tie_start=holds), window))
    return found


def _add_tuplet_brackets(values: Sequence[NoteValue]) -> list[NoteValue]:
    """Brackets from the first to the last value of each run of triplets that fills a span."""
    found, run, length = list(values), list[int](), 0
    for nth, value in enumerate(values):
        if not value.is_triplet:
            continue
        run.append(nth)
        length += value.span.end - value.span.begin
        if length in (6, 12, 24, 48):
            if len(run) > 1:
                found[run[0]] = replace(values[run[0]], tuplet_bracket="start")
                found[run[-1]] = replace(values[run[-1]], tuplet_bracket="stop")
            run, length = [], 0
    return found


# -- values ---------------------------------------------------------------------------------------


def _split_into_values(span: ChordSpan, triplet: tuple[int, int] | None, time_signature: TimeSignature) -> list[NoteValue]:
    """A piece as few values as its place in the bar allows, tied."""
    found, at = [], span.begin
    scale = 2 if triplet is None else 3
    while at < span.end:
        able = [
            (units // scale, kind, dots)
            for units, kind, dots in _VALUES
            if units % scale == 0 and at + units // scale <= span.end
        ]
        fit = (each for each in able if triplet is not None or _fits_meter(at, each[0], each[2], time_signature))
        least = able[-1] if able else (span.end - at, NOTE_TYPES[-1], 0)
        cells, kind, dots = next(fit, least)
        held, holds = at > span.begin or span.tie_stop, at + cells < span.end or span.tie_start
        sounding = replace(span, begin=at, end=at + cells, tie_stop=held, tie_start=holds)
        found.append(NoteValue(span=sounding, note_type=kind, n_dots=dots, is_triplet=triplet is not None))
        at += cells
    return found


def _fits_meter(start: int, cells: int, n_dots: int, time_signature: TimeSignature) -> bool:
    """Whether a value may begin here without hiding the beats."""
    end, bar = start + cells, 4 * CELLS_PER_QUARTER * time_signature.numerator // time_signature.denominator
    if start == 0 and end == bar:
        return True
    if time_signature.is_compound:
        whole = start % time_signature.beat_cells == 0 and (cells % time_signature.beat_cells == 0)
        return whole or start // time_signature.beat_cells == (end - 1) // time_signature.beat_cells
    across = start // time_signature.half_bar_cells != (end - 1) // time_signature.half_bar_cells
    base = cells * 2 // 3 if n_dots else cells
    if start % base == 0:
        return not across or start % time_signature.half_bar_cells == 0
    if n_dots:  # the complement of a short value: it ends where the beat does
        return (start + cells) % (2 * base) == 0 and not across
    return (2 * start) % base == 0 and not across


# -- beams ----------------------------------------------------------------------------------------


def _add_beams(values: Sequence[NoteValue], time_signature: TimeSignature) -> list[NoteValue]:
    """Short notes of a beat that follow one another, under their beams."""
    found, run = list(values), list[int]()
    for nth, value in enumerate(values):
        short = bool(value.span.notes) and value.note_type in _N_FLAGS
        beat = value.span.begin // time_signature.beat_cells
        if run and (not short or beat != values[run[0]].span.begin // time_signature.beat_cells):
            _beam_group(found, run)
            run = []
        if short:
            run.append(nth)
    _beam_group(found, run)
    return found


def _beam_group(values: list[NoteValue], group: Sequence[int]) -> None:
    if len(group) < 2:
        return
    flags = [_N_FLAGS[values[nth].note_type] for nth in group]
    for i, nth in enumerate(group):
        beams = []
        for level in range(1, flags[i] + 1):
            before = i > 0 and flags[i - 1] >= level
            after = i + 1 < len(group) and flags[i + 1] >= level
            hook = "forward hook" if i == 0 else "backward hook"
            beams.append(
                "continue" if before and after else "end" if before else "begin" if after else hook
            )
        values[nth] = replace(values[nth], beams=tuple(beams))
