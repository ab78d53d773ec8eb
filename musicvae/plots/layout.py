"""Floor 9: what goes where on a piano roll, in numbers, before anything is drawn."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from musicvae.arrays import Ints
from musicvae.plots.themes import LIGHT, Theme
from musicvae.representation.bars import Bars
from musicvae.representation.grid import Grid
from musicvae.song import Part, Song

_MAX_ROWS = 24
_MIN_SPAN = 14  # semitones that a picture shows at least
_FAMILIES = (
    "Piano", "Chimes", "Organ", "Guitar", "Bass", "Strings", "Ensemble", "Brass",
    "Reed", "Flute", "Synth lead", "Synth pad", "Synth effect", "Folk", "Percussion", "Effect",
)  # fmt: skip
# General MIDI percussion, from the top of the lane to its bottom.
_DRUM_ROWS = (
    ("Cymbal", (49, 51, 52, 53, 55, 57, 59)),
    ("Hi-hat", (42, 44, 46)),
    ("Tom", (41, 43, 45, 47, 48, 50)),
    ("Snare", (37, 38, 39, 40)),
    ("Kick", (35, 36)),
)
_OTHER_DRUMS = "Other"


@dataclass(frozen=True, kw_only=True, eq=False)
class DrawnNotes:
    """Notes of all parts, as they are drawn; arrays `(M,)`.

    `line` is a pitch, or the row of the drum lane from its bottom. `level` counts the other notes
    under this one: where parts meet on a pitch, the later is drawn narrower, inside the earlier.
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
        """The notes that sound between two ticks, lower levels first."""
        inside = np.flatnonzero((self.start_ticks < stop) & (self.stop_ticks > start))
        inside = inside[np.argsort(self.nesting_level[inside], kind="stable")]
        return DrawnNotes(**{name: column[inside] for name, column in vars(self).items()})


@dataclass(frozen=True, kw_only=True, eq=False)
class RollLayout:
    """A song, laid out: rows of bars `[first, stop)`, range of pitches, drum lane, legend.

    `width` is that of the longest row in inches. A `small` roll has thick notes and no beats.
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
        """Ticks in a seventy-second of an inch."""
        return self.max_row_ticks / (72 * self.width)

    @property
    def max_row_ticks(self) -> int:
        """The longest row."""
        spans = [self.tick_range(*row) for row in self.rows]
        return max((stop - start for start, stop in spans), default=1)

    def tick_range(self, first: int, stop: int) -> tuple[int, int]:
        """Where a row begins and ends."""
        start, length = self.grid.start_ticks, self.grid.length_ticks
        return int(start[first]), int(start[stop - 1] + length[stop - 1])

    @property
    def has_pickup(self) -> bool:
        """Whether the first bar is a pickup, which has no number."""
        return bool(len(self.grid) and self.grid.lead_steps[0] > 0)


def layout_song(
    song: Song,
    bars_per_row: int | None = None,
    colors: Mapping[str, str] | None = None,
    theme: Theme = LIGHT,
    width: float = 8.0,
) -> RollLayout:
    """Decide where everything goes. `colours` of parts by name, if they are not the usual ones."""
    grid = Bars.from_song(song).grid
    named = [entry for entry in _color_parts(song, colors or {}, theme) if len(entry[0])]
    melodic = [entry for entry in named if not entry[0].is_drum]
    drums = [entry for entry in named if entry[0].is_drum]
    used = {int(p) for part, _, _ in drums for p in np.unique(part.pitch)}
    lanes, lane_of = drum_lanes(used)
    pitched = _collect_notes([(part, part.pitch, colour) for part, _, colour in melodic], nested=True)
    hits = _collect_notes([(part, lane_of[part.pitch], colour) for part, _, colour in drums], nested=False)
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
        legend=list(dict.fromkeys((name, colour) for _, name, colour in named)),
        theme=theme,
        width=width,
    )


def beat_ticks(grid: Grid, bar: int) -> NDArray[np.float64]:
    """Ticks of the beats inside a bar, its first not among them."""
    numerator, denominator = int(grid.numerator[bar]), int(grid.denominator[bar])
    beat = 4 * grid.ticks_per_quarter / denominator
    if denominator >= 8 and numerator % 3 == 0 and numerator > 3:
        beat *= 3
    start, length = int(grid.start_ticks[bar]), int(grid.length_ticks[bar])
    full = 4 * grid.ticks_per_quarter * numerator / denominator
    missing = max(full - length, 0) if grid.lead_steps[bar] else 0
    at = np.arange(beat, min(missing + length, 256 * beat), beat) - missing
    return np.asarray(start + at[at > 0])


def tempo_marks(song: Song) -> list[tuple[int, int]]:
    """Ticks and quarters a minute where the tempo is another by a fiftieth and more."""
    marks: list[tuple[int, int]] = []
    for tick, qpm in zip(song.tempo.ticks.tolist(), song.tempo.qpm.tolist(), strict=True):
        if not marks or abs(qpm - marks[-1][1]) > max(1.0, 0.02 * marks[-1][1]):
            marks.append((tick, round(qpm)))
    return marks


def _split_rows(n_bars: int, n_pickup_bars: int, bars_per_row: int | None) -> list[tuple[int, int]]:
    size = bars_per_row or 8
    while bars_per_row is None and n_bars > _MAX_ROWS * size:
        size *= 2
    if not n_bars:
        return []
    begins = [0, *range(size + n_pickup_bars, n_bars, size)]
    return list(zip(begins, [*begins[1:], n_bars], strict=True))


def label_parts(song: Song) -> list[tuple[Part, str]]:
    """Each part with the name that a picture has room for; of a part without one its family."""
    found = []
    for part in song.parts:
        name = " ".join(part.name.split()) or _instrument_family(part)
        found.append((part, name if len(name) <= 24 else name[:23] + "…"))
    return found


def _color_parts(song: Song, colors: Mapping[str, str], theme: Theme) -> list[tuple[Part, str, str]]:
    """Each part with its name and colour; drums are all of one colour, unless told otherwise."""
    found, melodic = [], 0
    for part, name in label_parts(song):
        usual = theme.drums if part.is_drum else theme.part_color(melodic)
        found.append((part, name, colors.get(name, usual)))
        melodic += not part.is_drum and len(part) > 0
    return found


def _instrument_family(part: Part) -> str:
    return "Drums" if part.is_drum else _FAMILIES[part.program // 8 % len(_FAMILIES)]


def drum_lanes(used: set[int]) -> tuple[list[str], Ints]:
    """Names of the rows of drums in use, bottom first, and the row of each MIDI pitch `(128,)`."""
    known = {pitch for _, pitches in _DRUM_ROWS for pitch in pitches}
    rows = [*_DRUM_ROWS[:2], (_OTHER_DRUMS, tuple(sorted(used - known))), *_DRUM_ROWS[2:]]
    rows = [(name, pitches) for name, pitches in rows if used & set(pitches)][::-1]
    lane_of = np.zeros(128, np.int64)
    for lane, (_, pitches) in enumerate(rows):
        lane_of[list(pitches)] = lane
    return [name for name, _ in rows], lane_of


def _pitch_range(pitches: Ints) -> tuple[int, int]:
    if not len(pitches):
        return 60, 60
    low, high = int(pitches.min()) - 2, int(pitches.max()) + 2
    missing = max(_MIN_SPAN - (high - low), 0)
    return low - missing // 2, high + missing - missing // 2


def _collect_notes(entries: list[tuple[Part, Ints, str]], *, nested: bool) -> DrawnNotes:
    def column(arrays: list[Ints]) -> Ints:
        return np.concatenate([np.zeros(0, np.int64), *arrays])

    start = column([part.onset_ticks for part, _, _ in entries])
    stop = start + column([part.duration_ticks for part, _, _ in entries])
    line = column([lines for _, lines, _ in entries])
    return DrawnNotes(
        start_ticks=start,
        stop_ticks=stop,
        row=line,
        velocity=column([part.velocity for part, _, _ in entries]),
        color=np.repeat(
            np.array([colour for _, _, colour in entries], dtype="U7"),
            [len(part) for part, _, _ in entries],
        ),
        nesting_level=_nesting_levels(start, stop, line) if nested else np.zeros(len(start), np.int64),
    )


def _nesting_levels(start: Ints, stop: Ints, row: Ints) -> Ints:
    """For each note how many that began before it, or with it, still sound on its line."""
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
