"""Layout of a piano roll: rows of bars, pitch range, drum lanes, colors and legend."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from musicvae.arrays import Ints
from musicvae.plots.themes import LIGHT, Theme
from musicvae.representation.bars import Bars
from musicvae.representation.drums import (
    CLOSED_HAT,
    CRASH,
    GM_PERCUSSION,
    HIGH_TOM,
    KICK,
    KIT_PITCHES,
    LOW_TOM,
    MID_TOM,
    OPEN_HAT,
    RIDE,
    SNARE,
)
from musicvae.representation.grid import Grid, beat_length
from musicvae.song import Part, Song

_MAX_ROWS = 24
_MIN_SPAN = 14  # semitones
_FAMILIES = (
    "Piano", "Chimes", "Organ", "Guitar", "Bass", "Strings", "Ensemble", "Brass",
    "Reed", "Flute", "Synth lead", "Synth pad", "Synth effect", "Folk", "Percussion", "Effect",
)  # fmt: skip
# Drum classes by lane, from top to bottom.
_DRUM_LANES = (
    ("Cymbal", (CRASH, RIDE)),
    ("Hi-hat", (CLOSED_HAT, OPEN_HAT)),
    ("Tom", (LOW_TOM, MID_TOM, HIGH_TOM)),
    ("Snare", (SNARE,)),
    ("Kick", (KICK,)),
)
_OTHER_DRUMS = "Other"


@dataclass(frozen=True, kw_only=True, eq=False)
class DrawnNotes:
    """Notes of all parts as arrays `(M,)`.

    `row` is a MIDI pitch, or a drum lane counted from the bottom. `nesting_level` is the number of
    notes underneath: where parts overlap on a pitch, the later note is drawn inside the earlier.
    """

    start_ticks: Ints
    stop_ticks: Ints
    row: Ints
    velocity: Ints
    color: NDArray[np.str_]
    nesting_level: Ints

    def __len__(self) -> int:
        return len(self.start_ticks)

    def between(self, start: int, stop: int) -> DrawnNotes:
        """Return the notes that sound between two ticks, sorted by nesting level."""
        inside = np.flatnonzero((self.start_ticks < stop) & (self.stop_ticks > start))
        inside = inside[np.argsort(self.nesting_level[inside], kind="stable")]
        return DrawnNotes(**{name: column[inside] for name, column in vars(self).items()})


@dataclass(frozen=True, kw_only=True, eq=False)
class RollLayout:
    """Layout of a song: rows of bars `[first, stop)`, pitch range, drum lanes, legend.

    `width` is the width of the longest row in inches. If `is_small`, notes are thicker and beats
    are not drawn.
    """

    grid: Grid
    rows: list[tuple[int, int]]
    low: int
    high: int
    pitched: DrawnNotes
    drums: DrawnNotes
    lanes: list[str]
    legend: list[tuple[str, str]]
    theme: Theme
    width: float
    is_small: bool = False

    @property
    def ticks_per_point(self) -> float:
        """Ticks per point (1/72 inch)."""
        return self.max_row_ticks / (72 * self.width)

    @property
    def max_row_ticks(self) -> int:
        """Length of the longest row in ticks."""
        spans = [self.tick_range(*row) for row in self.rows]
        return max((stop - start for start, stop in spans), default=1)

    def tick_range(self, first: int, stop: int) -> tuple[int, int]:
        """Return start and end of bars `[first, stop)` in ticks."""
        start, length = self.grid.start_ticks, self.grid.length_ticks
        return int(start[first]), int(start[stop - 1] + length[stop - 1])

    @property
    def has_pickup(self) -> bool:
        """Whether the first bar is a pickup; pickups are not numbered."""
        return bool(len(self.grid) and self.grid.lead_steps[0] > 0)


def layout_song(
    song: Song,
    bars_per_row: int | None = None,
    colors: Mapping[str, str] | None = None,
    theme: Theme = LIGHT,
    width: float = 8.0,
) -> RollLayout:
    """Return the layout of a song; `colors` overrides part colors by name, `width` is in inches."""
    grid = Bars.from_song(song).grid
    colored = [entry for entry in _color_parts(song, colors or {}, theme) if len(entry[0])]
    melodic = [entry for entry in colored if not entry[0].is_drum]
    drums = [entry for entry in colored if entry[0].is_drum]
    drum_pitches = {int(p) for part, _, _ in drums for p in np.unique(part.pitch)}
    lanes, lane_by_pitch = drum_lanes(drum_pitches)
    pitched = _collect_notes([(part, part.pitch, color) for part, _, color in melodic], nested=True)
    hits = _collect_notes(
        [(part, lane_by_pitch[part.pitch], color) for part, _, color in drums], nested=False
    )
    low, high = _pitch_range(pitched.row)
    pickup = bool(len(grid) and grid.lead_steps[0] > 0)
    return RollLayout(
        grid=grid,
        rows=_split_rows(len(grid), int(pickup), bars_per_row),
        low=low,
        high=high,
        pitched=pitched,
        drums=hits,
        lanes=lanes,
        legend=list(dict.fromkeys((name, color) for _, name, color in colored)),
        theme=theme,
        width=width,
    )


def beat_ticks(grid: Grid, bar: int) -> NDArray[np.float64]:
    """Return the ticks of the beats of a bar, without its first."""
    numerator, denominator = int(grid.numerator[bar]), int(grid.denominator[bar])
    quarters = beat_length(numerator, denominator) if numerator > 3 else 4 / denominator
    beat = grid.ticks_per_quarter * quarters
    start, length = int(grid.start_ticks[bar]), int(grid.length_ticks[bar])
    full = 4 * grid.ticks_per_quarter * numerator / denominator
    missing = max(full - length, 0) if grid.lead_steps[bar] else 0
    at = np.arange(beat, min(missing + length, 256 * beat), beat) - missing
    return np.asarray(start + at[at > 0])


def tempo_marks(song: Song) -> list[tuple[int, int]]:
    """Return (tick, QPM) wherever the tempo changes by 2% or more."""
    marks: list[tuple[int, int]] = []
    for tick, qpm in zip(song.tempo.ticks.tolist(), song.tempo.qpm.tolist(), strict=True):
        if not marks or abs(qpm - marks[-1][1]) > max(1.0, 0.02 * marks[-1][1]):
            marks.append((tick, round(qpm)))
    return marks


def _split_rows(n_bars: int, n_pickup_bars: int, bars_per_row: int | None) -> list[tuple[int, int]]:
    """Return rows of bars `[first, stop)`; long songs get longer rows unless the size is given."""
    size = bars_per_row or 8
    while bars_per_row is None and n_bars > _MAX_ROWS * size:
        size *= 2
    if not n_bars:
        return []
    begins = [0, *range(size + n_pickup_bars, n_bars, size)]
    return list(zip(begins, [*begins[1:], n_bars], strict=True))


def label_parts(song: Song) -> list[tuple[Part, str]]:
    """Return each part with a label of at most 24 characters: its name or instrument family."""
    labeled = []
    for part in song.parts:
        name = " ".join(part.name.split()) or _instrument_family(part)
        labeled.append((part, name if len(name) <= 24 else name[:23] + "…"))
    return labeled


def _color_parts(
    song: Song, colors: Mapping[str, str], theme: Theme
) -> list[tuple[Part, str, str]]:
    """Return (part, label, color) of each part; all drums have one color by default."""
    colored, n_melodic = [], 0
    for part, name in label_parts(song):
        default = theme.drums if part.is_drum else theme.part_color(n_melodic)
        colored.append((part, name, colors.get(name, default)))
        n_melodic += not part.is_drum and len(part) > 0
    return colored


def _instrument_family(part: Part) -> str:
    """Return the General MIDI family of a part's program."""
    return "Drums" if part.is_drum else _FAMILIES[part.program // 8 % len(_FAMILIES)]


def drum_lanes(used: set[int]) -> tuple[list[str], Ints]:
    """Return the names of the drum lanes, bottom first, and the lane of each pitch `(128,)`."""
    rows = [
        (name, tuple(pitch for pitch in KIT_PITCHES if GM_PERCUSSION[pitch][1] in classes))
        for name, classes in _DRUM_LANES
    ]
    rows.insert(2, (_OTHER_DRUMS, tuple(sorted(used - set(KIT_PITCHES)))))
    rows = [(name, pitches) for name, pitches in rows if used & set(pitches)][::-1]
    lane_of = np.zeros(128, np.int64)
    for lane, (_, pitches) in enumerate(rows):
        lane_of[list(pitches)] = lane
    return [name for name, _ in rows], lane_of


def _pitch_range(pitches: Ints) -> tuple[int, int]:
    """Return lowest and highest pitch of the roll, with a margin."""
    if not len(pitches):
        return 60, 60
    low, high = int(pitches.min()) - 2, int(pitches.max()) + 2
    missing = max(_MIN_SPAN - (high - low), 0)
    return low - missing // 2, high + missing - missing // 2


def _collect_notes(entries: list[tuple[Part, Ints, str]], *, nested: bool) -> DrawnNotes:
    """Concatenate the notes of (part, rows, color) entries."""

    def column(arrays: list[Ints]) -> Ints:
        return np.concatenate([np.zeros(0, np.int64), *arrays])

    start = column([part.onset_ticks for part, _, _ in entries])
    stop = start + column([part.duration_ticks for part, _, _ in entries])
    row = column([rows for _, rows, _ in entries])
    return DrawnNotes(
        start_ticks=start,
        stop_ticks=stop,
        row=row,
        velocity=column([part.velocity for part, _, _ in entries]),
        color=np.repeat(
            np.array([color for _, _, color in entries], dtype="U7"),
            [len(part) for part, _, _ in entries],
        ),
        nesting_level=_nesting_levels(start, stop, row) if nested else np.zeros_like(start),
    )


def _nesting_levels(start: Ints, stop: Ints, row: Ints) -> Ints:
    """Return for each note the lowest level not taken by a note still sounding on its row."""
    level = np.zeros(len(start), np.int64)
    order = np.lexsort((start, row))
    sounding: list[tuple[int, int]] = []
    current = -1
    for i in order.tolist():
        if row[i] != current:
            current, sounding = int(row[i]), []
        sounding = [(end, taken) for end, taken in sounding if end > start[i]]
        taken_levels = {taken for _, taken in sounding}
        level[i] = next(n for n in range(len(sounding) + 1) if n not in taken_levels)
        sounding.append((int(stop[i]), int(level[i])))
    return level
