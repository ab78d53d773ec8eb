"""Floor 9: a row of bars on a piano roll: lines, keys and notes, drawn on axes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from musicvae.plots.layout import RollLayout, DrawnNotes, beat_ticks
from musicvae.plots.themes import blend_colors

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_SMALL_NOTE_HEIGHT = 1.5  # semitones of a note on a small roll
_MIN_BEAT_POINTS = 7  # points of a beat under which beats are left out


def draw_pitches(axes: Axes, layout: RollLayout, first: int, stop: int) -> None:
    """Notes of bars `[first, stop)` at their pitches."""
    from matplotlib.collections import PolyCollection

    (start, end), look = layout.tick_range(first, stop), layout.theme
    low, high = layout.low - 0.5, layout.high + 0.5
    _draw_grid(axes, layout, first, stop, low, high)
    keys = np.arange(layout.low, layout.high + 1)
    black = keys[np.isin(keys % 12, (1, 3, 6, 8, 10))]
    rows = _rectangles(np.full(len(black), start), np.full(len(black), end), black, 1.0)
    axes.add_collection(PolyCollection(list(rows), facecolors=look.black_key, zorder=0))
    octaves = keys[keys % 12 == 0]
    # The line of a C runs under it, where the piano's octave begins.
    axes.hlines(octaves - 0.5, start, end, colors=look.octave_line, linewidths=0.7, zorder=1.5)
    axes.set_yticks(octaves, [f"C{octave // 12 - 1}" for octave in octaves])
    notes = layout.pitched.between(start, end)
    _draw_notes(axes, layout, notes, (start, end), np.minimum(notes.stop_ticks, end), draw_onsets=True)


def draw_drums(axes: Axes, layout: RollLayout, first: int, stop: int) -> None:
    """Hits of bars `[first, stop)` in a lane for each kind of drum."""
    (start, end), look = layout.tick_range(first, stop), layout.theme
    n_lanes = len(layout.lanes)
    _draw_grid(axes, layout, first, stop, -0.5, n_lanes - 0.5)
    axes.hlines(
        np.arange(n_lanes - 1) + 0.5,
        start,
        end,
        colors=look.beat_line,
        linewidths=0.6,
        zorder=1,
    )
    axes.set_yticks(range(n_lanes), layout.lanes)
    axes.tick_params(labelsize=7)
    notes = layout.drums.between(start, end)
    notes = DrawnNotes(**{name: c[notes.start_ticks >= start] for name, c in vars(notes).items()})
    hit = 3.4 * layout.ticks_per_point  # in points
    _draw_notes(axes, layout, notes, (start, end), np.minimum(notes.start_ticks + hit, end), draw_onsets=False)


def _draw_notes(
    axes: Axes,
    layout: RollLayout,
    notes: DrawnNotes,
    tick_range: tuple[int, int],
    stop: NDArray[np.floating] | NDArray[np.int64],
    *,
    draw_onsets: bool,
) -> None:
    from matplotlib.collections import LineCollection, PolyCollection

    if not len(notes):
        return
    look, per_point = layout.theme, layout.ticks_per_point
    start = np.maximum(notes.start_ticks, tick_range[0])
    # A sliver of white parts a note from the next one.
    stop = np.where(stop < tick_range[1], stop - np.minimum(0.8 * per_point, 0.2 * (stop - start)), stop)
    thick = (_SMALL_NOTE_HEIGHT if draw_onsets and layout.is_small else 0.86) * np.maximum(0.42**notes.nesting_level, 0.2)
    faces, edges = np.zeros((2, len(notes), 3))
    strength = velocity_alpha(notes.velocity)
    for colour in np.unique(notes.color).tolist():
        mine = notes.color == colour
        faces[mine] = look.tint(colour, strength[mine])
        edges[mine] = blend_colors(colour, 0.45, look.foreground)
    boxes = _rectangles(start, stop, notes.row, thick)
    axes.add_collection(PolyCollection(list(boxes), facecolors=faces, linewidths=0, zorder=3))
    if not draw_onsets:
        return
    on = notes.start_ticks >= tick_range[0]
    inside = start + np.minimum(0.6 * per_point, 0.25 * (stop - start))
    lower, upper = notes.row - thick / 2, notes.row + thick / 2
    lines = np.stack([np.stack([inside, lower], -1), np.stack([inside, upper], -1)], 1)
    how: dict[str, Any] = {"linewidths": 1.3, "capstyle": "butt", "zorder": 4}
    axes.add_collection(LineCollection(list(lines[on]), colors=edges[on], **how))


def _draw_grid(axes: Axes, layout: RollLayout, first: int, stop: int, low: float, high: float) -> None:
    """Bar lines, beats and the edges of a row; its scale."""
    start, end = layout.tick_range(first, stop)
    axes.set_xlim(start, start + layout.max_row_ticks)
    axes.set_ylim(low, high)
    grid = layout.grid
    inner = np.concatenate([np.zeros(0), *(beat_ticks(grid, bar) for bar in range(first, stop))])
    if (
        not layout.is_small
        and (end - start) / (len(inner) + stop - first) > _MIN_BEAT_POINTS * layout.ticks_per_point
    ):
        axes.vlines(inner, low, high, colors=layout.theme.beat_line, linewidths=0.6, zorder=1)
    lines = np.append(grid.start_ticks[first:stop], end)
    how: dict[str, Any] = {"colors": layout.theme.bar_line, "zorder": 2, "clip_on": False}
    axes.vlines(lines, low, high, linewidths=0.8, **how)
    axes.hlines([low, high], start, end, linewidths=0.5, **how)
    if stop == len(grid):
        axes.vlines(end, low, high, linewidths=2.4, **how)


def _rectangles(start: Any, stop: Any, row: Any, height: Any) -> NDArray[np.float64]:
    """Corners of rectangles `(M, 4, 2)`."""
    low, high = row - np.asarray(height) / 2, row + np.asarray(height) / 2
    corners = [(start, low), (stop, low), (stop, high), (start, high)]
    return np.stack([np.stack(np.broadcast_arrays(x, y), -1) for x, y in corners], 1).astype(float)


def velocity_alpha(velocity: NDArray[np.int64]) -> NDArray[np.float64]:
    """How much colour a note of this velocity has: never none."""
    return np.asarray(0.28 + 0.72 * np.clip(velocity / 104, 0, 1))
