"""Drawing of one piano-roll row on matplotlib axes: grid lines, black keys and notes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from musicvae.plots.layout import DrawnNotes, RollLayout, beat_ticks
from musicvae.plots.themes import blend_colors

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_NOTE_HEIGHT = 0.86  # semitones
_SMALL_NOTE_HEIGHT = 1.5  # semitones, on small rolls
_MIN_BEAT_POINTS = 7  # beat lines closer together than this are not drawn


def draw_pitches(axes: Axes, layout: RollLayout, first: int, stop: int) -> None:
    """Draw the pitched notes of bars `[first, stop)`."""
    from matplotlib.collections import PolyCollection

    (start, end), theme = layout.tick_range(first, stop), layout.theme
    low, high = layout.low - 0.5, layout.high + 0.5
    _draw_grid(axes, layout, first, stop, low, high)
    keys = np.arange(layout.low, layout.high + 1)
    black = keys[np.isin(keys % 12, (1, 3, 6, 8, 10))]
    rows = _rectangles(np.full(len(black), start), np.full(len(black), end), black, 1.0)
    axes.add_collection(PolyCollection(list(rows), facecolors=theme.black_key, zorder=0))
    octaves = keys[keys % 12 == 0]
    # Octave lines run below each C.
    axes.hlines(octaves - 0.5, start, end, colors=theme.octave_line, linewidths=0.7, zorder=1.5)
    axes.set_yticks(octaves, [f"C{octave // 12 - 1}" for octave in octaves])
    notes = layout.pitched.between(start, end)
    stops = np.minimum(notes.stop_ticks, end)
    _draw_notes(axes, layout, notes, (start, end), stops, draw_onsets=True)


def draw_drums(axes: Axes, layout: RollLayout, first: int, stop: int) -> None:
    """Draw the drum hits of bars `[first, stop)`, one lane for each kind of drum."""
    (start, end), theme = layout.tick_range(first, stop), layout.theme
    n_lanes = len(layout.lanes)
    _draw_grid(axes, layout, first, stop, -0.5, n_lanes - 0.5)
    axes.hlines(
        np.arange(n_lanes - 1) + 0.5,
        start,
        end,
        colors=theme.beat_line,
        linewidths=0.6,
        zorder=1,
    )
    axes.set_yticks(range(n_lanes), layout.lanes)
    axes.tick_params(labelsize=7)
    notes = layout.drums.between(start, end)
    notes = DrawnNotes(**{name: c[notes.start_ticks >= start] for name, c in vars(notes).items()})
    stops = np.minimum(notes.start_ticks + 3.4 * layout.ticks_per_point, end)
    _draw_notes(axes, layout, notes, (start, end), stops, draw_onsets=False)


def _draw_notes(
    axes: Axes,
    layout: RollLayout,
    notes: DrawnNotes,
    tick_range: tuple[int, int],
    stop: NDArray[np.floating] | NDArray[np.int64],
    *,
    draw_onsets: bool,
) -> None:
    """Draw notes as boxes, louder ones stronger, with a dark edge at onsets if `draw_onsets`."""
    from matplotlib.collections import LineCollection, PolyCollection

    if not len(notes):
        return
    theme, per_point = layout.theme, layout.ticks_per_point
    row_start, row_stop = tick_range
    start = np.maximum(notes.start_ticks, row_start)
    # A narrow gap separates a note from the next one.
    gap = np.minimum(0.8 * per_point, 0.2 * (stop - start))
    stop = np.where(stop < row_stop, stop - gap, stop)
    height = _SMALL_NOTE_HEIGHT if draw_onsets and layout.is_small else _NOTE_HEIGHT
    heights = height * np.maximum(0.42**notes.nesting_level, 0.2)
    faces, edges = np.zeros((2, len(notes), 3))
    alpha = velocity_alpha(notes.velocity)
    for color in np.unique(notes.color).tolist():
        same = notes.color == color
        faces[same] = theme.tint(color, alpha[same])
        edges[same] = blend_colors(color, 0.45, theme.foreground)
    boxes = _rectangles(start, stop, notes.row, heights)
    axes.add_collection(PolyCollection(list(boxes), facecolors=faces, linewidths=0, zorder=3))
    if not draw_onsets:
        return
    has_onset = notes.start_ticks >= row_start
    x = start + np.minimum(0.6 * per_point, 0.25 * (stop - start))
    lower, upper = notes.row - heights / 2, notes.row + heights / 2
    lines = np.stack([np.stack([x, lower], -1), np.stack([x, upper], -1)], 1)
    style: dict[str, Any] = {"linewidths": 1.3, "capstyle": "butt", "zorder": 4}
    axes.add_collection(LineCollection(list(lines[has_onset]), colors=edges[has_onset], **style))


def _draw_grid(
    axes: Axes, layout: RollLayout, first: int, stop: int, low: float, high: float
) -> None:
    """Draw bar lines, beat lines and borders of a row, and set the axis limits."""
    start, end = layout.tick_range(first, stop)
    axes.set_xlim(start, start + layout.max_row_ticks)
    axes.set_ylim(low, high)
    grid = layout.grid
    beats = np.concatenate([np.zeros(0), *(beat_ticks(grid, bar) for bar in range(first, stop))])
    if (
        not layout.is_small
        and (end - start) / (len(beats) + stop - first) > _MIN_BEAT_POINTS * layout.ticks_per_point
    ):
        axes.vlines(beats, low, high, colors=layout.theme.beat_line, linewidths=0.6, zorder=1)
    lines = np.append(grid.start_ticks[first:stop], end)
    style: dict[str, Any] = {"colors": layout.theme.bar_line, "zorder": 2, "clip_on": False}
    axes.vlines(lines, low, high, linewidths=0.8, **style)
    axes.hlines([low, high], start, end, linewidths=0.5, **style)
    if stop == len(grid):
        axes.vlines(end, low, high, linewidths=2.4, **style)


def _rectangles(start: Any, stop: Any, row: Any, height: Any) -> NDArray[np.float64]:
    """Return the corners of rectangles `(M, 4, 2)`."""
    low, high = row - np.asarray(height) / 2, row + np.asarray(height) / 2
    corners = [(start, low), (stop, low), (stop, high), (start, high)]
    return np.stack([np.stack(np.broadcast_arrays(x, y), -1) for x, y in corners], 1).astype(float)


def velocity_alpha(velocity: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the opacity of notes by velocity, .28 to 1."""
    return np.asarray(0.28 + 0.72 * np.clip(velocity / 104, 0, 1))
