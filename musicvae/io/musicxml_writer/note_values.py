"""Floor 3: notes of a bar -> what is written in it: voices, tuplets, values, ties and beams.

Time is counted in cells, 24 a quarter, from where the bar would begin in full, so that the notes of
a pickup are split where its beats are. Values are counted in 48ths of a quarter: a cell is two of
them where it is written as it sounds, three in a triplet.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

CELLS = 24  # of a quarter
TYPES = ("whole", "half", "quarter", "eighth", "16th", "32nd", "64th")
_UNITS = (192, 96, 48, 24, 12, 6, 3)  # 48ths of a quarter, of each type
_VALUES = sorted(
    [(u, t, 0) for u, t in zip(_UNITS, TYPES, strict=True)]
    + [(u * 3 // 2, t, 1) for u, t in zip(_UNITS, TYPES, strict=True) if u % 2 == 0],
    reverse=True,
)
_FLAGS = {"eighth": 1, "16th": 2, "32nd": 3, "64th": 4}


@dataclass(frozen=True, kw_only=True)
class Sounding:
    """Some notes of one length inside a bar, `begin` to `end`; none are a rest."""

    begin: int
    end: int
    notes: tuple[int, ...] = ()
    """Indices that mean something to the caller."""
    held: bool = False
    """Tied to what comes before."""
    holds: bool = False
    """Tied to what comes after."""


@dataclass(frozen=True, kw_only=True)
class Written:
    """One note value on paper."""

    sounding: Sounding
    type: str
    dots: int
    triplet: bool = False
    edge: str = ""
    """`start` or `stop` of a triplet's bracket."""
    beams: tuple[str, ...] = field(default=())
    """`begin`, `continue`, `end`, `forward hook` or `backward hook`, from the first beam on."""


@dataclass(frozen=True, kw_only=True)
class Pulse:
    """The beats of a meter: numerator and denominator."""

    numerator: int
    denominator: int

    @property
    def compound(self) -> bool:
        """Whether a beat has three parts that are whole cells: 3/8, 6/8, 9/8, 12/8."""
        return 8 <= self.denominator <= 32 and self.numerator % 3 == 0

    @property
    def beat(self) -> int:
        """Cells of a beat."""
        unit = 4 * CELLS // self.denominator
        return 3 * unit if self.compound else max(unit, CELLS)

    @property
    def half(self) -> int:
        """Cells of half a bar of four beats, which nothing should hide; else of the bar."""
        bar = 4 * CELLS * self.numerator // self.denominator
        return max(bar // 2 if self.numerator == 4 else bar, 1)


def voices(chords: Iterable[Sounding]) -> list[list[Sounding]]:
    """What does not overlap goes into one voice; the first one has most, and what is highest.

    `chords` are in order of (begin, from the highest down).
    """
    found: list[list[Sounding]] = []
    for chord in chords:
        free = next((voice for voice in found if voice[-1].end <= chord.begin), None)
        if free is None:
            found.append([chord])
        else:
            free.append(chord)
    return found


def filled(voice: Sequence[Sounding], begin: int, end: int) -> list[Sounding]:
    """A voice with its rests."""
    found, now = [], begin
    for each in voice:
        if each.begin > now:
            found.append(Sounding(begin=now, end=each.begin))
        found.append(each)
        now = each.end
    if now < end:
        found.append(Sounding(begin=now, end=end))
    return found


def write(voice: Sequence[Sounding], pulse: Pulse) -> list[Written]:
    """The values of a voice that has its rests, beamed."""
    if not voice:
        return []
    begin, end = voice[0].begin, voice[-1].end
    edges = {each.begin for each in voice} | {end}
    triplets = [w for w in _windows(begin, end, edges, pulse) if _triplet(w, edges)]
    found: list[Written] = []
    for each in voice:
        for piece, window in _pieces(each, triplets):
            found += _values(piece, window, pulse)
    return _beamed(_bracketed(found), pulse)


# -- triplets -------------------------------------------------------------------------------------


def _windows(begin: int, end: int, edges: set[int], pulse: Pulse) -> list[tuple[int, int]]:
    """Spans that are each written straight or as triplets: of two beats, of one, or less."""
    found, at = [], begin - begin % pulse.beat
    while at < end:
        wide = 2 * CELLS
        if (
            not pulse.compound
            and pulse.beat == CELLS
            and at % wide == 0
            and begin <= at <= end - wide
            and any((e - at) % 6 for e in edges if at < e < at + wide)
            and all((e - at) % 16 == 0 for e in edges if at < e < at + wide)
        ):
            found.append((at, at + wide))
            at += wide
            continue
        size = pulse.beat // 3 if pulse.compound else pulse.beat
        stop = at + size
        found += _parted(at, stop, edges)
        at = stop
    return [(a, b) for a, b in found if a < end and b > begin]


def _parted(begin: int, end: int, edges: set[int]) -> list[tuple[int, int]]:
    """A span, or its halves where it is neither straight nor a triplet throughout."""
    inside, size = {e - begin for e in edges if begin < e < end}, end - begin
    plain = all(e % 3 == 0 for e in inside)
    thirds = size % 3 == 0 and all(e % (size // 3) == 0 for e in inside)
    sixths = size <= CELLS and size // 2 not in inside and all(e % (size // 6) == 0 for e in inside)
    if plain or thirds or sixths or size <= 6 or size % 2:
        return [(begin, end)]
    middle = begin + size // 2
    return [*_parted(begin, middle, edges), *_parted(middle, end, edges)]


def _triplet(window: tuple[int, int], edges: set[int]) -> bool:
    return any((e - window[0]) % 3 for e in edges if window[0] < e < window[1])


def _pieces(
    each: Sounding, triplets: Sequence[tuple[int, int]]
) -> list[tuple[Sounding, tuple[int, int] | None]]:
    """What sounds, cut where triplets begin and end; each piece with its triplet."""
    cuts = {p for w in triplets for p in w if each.begin < p < each.end}
    points = [each.begin, *sorted(cuts), each.end]
    found = []
    for a, b in pairwise(points):
        window = next((w for w in triplets if w[0] <= a < w[1]), None)
        held, holds = a > each.begin or each.held, b < each.end or each.holds
        found.append((replace(each, begin=a, end=b, held=held, holds=holds), window))
    return found


def _bracketed(values: Sequence[Written]) -> list[Written]:
    """Brackets from the first to the last value of each run of triplets that fills a span."""
    found, run, length = list(values), list[int](), 0
    for nth, value in enumerate(values):
        if not value.triplet:
            continue
        run.append(nth)
        length += value.sounding.end - value.sounding.begin
        if length in (6, 12, 24, 48):
            if len(run) > 1:
                found[run[0]] = replace(values[run[0]], edge="start")
                found[run[-1]] = replace(values[run[-1]], edge="stop")
            run, length = [], 0
    return found


# -- values ---------------------------------------------------------------------------------------


def _values(piece: Sounding, window: tuple[int, int] | None, pulse: Pulse) -> list[Written]:
    """A piece as few values as its place in the bar allows, tied."""
    found, at = [], piece.begin
    scale = 2 if window is None else 3
    while at < piece.end:
        able = [
            (units // scale, kind, dots)
            for units, kind, dots in _VALUES
            if units % scale == 0 and at + units // scale <= piece.end
        ]
        fit = (each for each in able if window is not None or _stands(at, each[0], each[2], pulse))
        least = able[-1] if able else (piece.end - at, TYPES[-1], 0)
        cells, kind, dots = next(fit, least)
        held, holds = at > piece.begin or piece.held, at + cells < piece.end or piece.holds
        sounding = replace(piece, begin=at, end=at + cells, held=held, holds=holds)
        found.append(Written(sounding=sounding, type=kind, dots=dots, triplet=window is not None))
        at += cells
    return found


def _stands(at: int, cells: int, dots: int, pulse: Pulse) -> bool:
    """Whether a value may begin here without hiding the beats."""
    end, bar = at + cells, 4 * CELLS * pulse.numerator // pulse.denominator
    if at == 0 and end == bar:
        return True
    if pulse.compound:
        whole = at % pulse.beat == 0 and (cells % pulse.beat == 0)
        return whole or at // pulse.beat == (end - 1) // pulse.beat
    across = at // pulse.half != (end - 1) // pulse.half
    base = cells * 2 // 3 if dots else cells
    if at % base == 0:
        return not across or at % pulse.half == 0
    if dots:  # the complement of a short value: it ends where the beat does
        return (at + cells) % (2 * base) == 0 and not across
    return (2 * at) % base == 0 and not across


# -- beams ----------------------------------------------------------------------------------------


def _beamed(values: Sequence[Written], pulse: Pulse) -> list[Written]:
    """Short notes of a beat that follow one another, under their beams."""
    found, run = list(values), list[int]()
    for nth, value in enumerate(values):
        short = bool(value.sounding.notes) and value.type in _FLAGS
        beat = value.sounding.begin // pulse.beat
        if run and (not short or beat != values[run[0]].sounding.begin // pulse.beat):
            _beam(found, run)
            run = []
        if short:
            run.append(nth)
    _beam(found, run)
    return found


def _beam(values: list[Written], run: Sequence[int]) -> None:
    if len(run) < 2:
        return
    flags = [_FLAGS[values[nth].type] for nth in run]
    for i, nth in enumerate(run):
        beams = []
        for level in range(1, flags[i] + 1):
            before = i > 0 and flags[i - 1] >= level
            after = i + 1 < len(run) and flags[i + 1] >= level
            hook = "forward hook" if i == 0 else "backward hook"
            beams.append(
                "continue" if before and after else "end" if before else "begin" if after else hook
            )
        values[nth] = replace(values[nth], beams=tuple(beams))
