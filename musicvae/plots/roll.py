"""Floor 9: a song as a piano roll.

Rows of eight bars, as a score has them. Each note stands at its pitch, in the colour of its part,
the darker the louder, with a dark edge where it begins, so that repeated notes can be told from a
long one. Drums have a lane of their own under the pitches.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from musicvae.errors import shown
from musicvae.formats.midi import key_name
from musicvae.plots import style
from musicvae.plots.layout import Layout, NoteTable, beats, laid_out, tempo_marks
from musicvae.song import Song

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# All lengths are in inches, of a page 11 inches wide.
_WIDTH, _LEFT, _RIGHT = 11.0, 0.62, 0.2
_TOP, _LEGEND_ROW, _ROW_GAP, _BOTTOM = 0.66, 0.22, 0.43, 0.16
_SEMITONE, _TALLEST, _LANE, _LANE_GAP = 0.064, 3.0, 0.125, 0.05
_PER_LEGEND_ROW = 6
_INK_WIDTH = _WIDTH - _LEFT - _RIGHT


def plot_song(
    song: Song, path: str | Path, title: str = "", *, bars_per_row: int | None = None
) -> Path:
    """Draw `song` and write it to `path`, PNG, SVG or PDF by its suffix; returns the path.

    `bars_per_row` is 8 if not given, more for songs of hundreds of bars. Raises `WriteError`.
    """
    style.checked_suffix(path)
    with style.drawing():
        return style.save(song_figure(song, title, bars_per_row=bars_per_row), path)


def song_figure(
    song: Song,
    title: str = "",
    *,
    bars_per_row: int | None = None,
    colours: Mapping[str, str] | None = None,
) -> Figure:
    """The picture of `song` as a matplotlib `Figure`; `colours` of parts by name, if not usual."""
    from matplotlib.figure import Figure

    layout = laid_out(song, bars_per_row, colours)
    pitched = _pitched_height(layout)
    lane = len(layout.lanes) * _LANE
    row = pitched + lane + (_LANE_GAP if pitched and lane else 0) + _ROW_GAP
    head = _TOP + _LEGEND_ROW * -(-len(layout.legend) // _PER_LEGEND_ROW)
    height = head + max(len(layout.rows), 1) * row + _BOTTOM
    figure = Figure(figsize=(_WIDTH, height), facecolor="white")
    _draw_head(figure, song, layout, title, height)
    marks = tempo_marks(song)
    for nth, (first, stop) in enumerate(layout.rows):
        top = height - head - nth * row - _ROW_GAP
        upper = lower = None
        if pitched:
            upper = _axes(figure, top - pitched, pitched, height)
            _draw_pitches(upper, layout, first, stop)
        if lane:
            lower = _axes(figure, top - row + _ROW_GAP, lane, height)
            _draw_drums(lower, layout, first, stop)
        above = upper or lower
        if above is not None:
            _draw_marks(above, layout, first, stop, marks)
    return figure


def _pitched_height(layout: Layout) -> float:
    if not len(layout.pitched) and layout.lanes:
        return 0.0
    return min((layout.high - layout.low) * _SEMITONE, _TALLEST) or 0.6


def _axes(figure: Figure, bottom: float, tall: float, height: float) -> Axes:
    axes = figure.add_axes((_LEFT / _WIDTH, bottom / height, _INK_WIDTH / _WIDTH, tall / height))
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.tick_params(length=0, pad=4, labelsize=8, labelcolor=style.GREY)
    axes.set_xticks([])
    axes.set_facecolor("none")
    return axes


# -- above the rows -------------------------------------------------------------------------------


def _draw_head(figure: Figure, song: Song, layout: Layout, title: str, height: float) -> None:
    from matplotlib.patches import Patch, Rectangle

    def place(x: float, y: float, text: str, **look: Any) -> None:
        at = (x / _WIDTH, (height - y) / height)
        figure.text(*at, text, va="baseline", parse_math=False, **look)

    heading = shown(" ".join(title.split()))
    place(_LEFT, 0.38, heading, size=14, weight="bold", color=style.INK)
    place(_LEFT, 0.62, _subtitle(song, layout), size=9.5, color=style.GREY)
    if layout.legend:
        handles = [Patch(facecolor=colour, label=name) for name, colour in layout.legend]
        legend = figure.legend(
            handles=handles,
            loc="upper left",
            bbox_to_anchor=(_LEFT / _WIDTH, (height - 0.72) / height),
            ncols=min(_PER_LEGEND_ROW, len(handles)),
            frameon=False,
            borderpad=0,
            borderaxespad=0,
            handlelength=0.9,
            handleheight=0.9,
            handletextpad=0.45,
            columnspacing=1.6,
            labelspacing=0.35,
            fontsize=9,
            labelcolor=style.INK,
        )
        for text in legend.get_texts():
            text.set_parse_math(False)
    # How loud is how dark.
    box, right = 0.16, _WIDTH - _RIGHT
    place(right, 0.38, "loud", size=8, color=style.GREY, ha="right")
    place(right - 0.35 - 5 * box, 0.38, "soft", size=8, color=style.GREY, ha="right")
    for i, velocity in enumerate((20, 45, 70, 95, 120)):
        corner = ((right - 0.30 - (5 - i) * box) / _WIDTH, (height - 0.385) / height)
        shade = style.mixed(style.DRUMS, _strength(np.array(velocity)))
        size = (0.9 * box / _WIDTH, 0.1 / height)
        figure.add_artist(Rectangle(corner, *size, transform=figure.transFigure, color=shade))


def _subtitle(song: Song, layout: Layout) -> str:
    facts = []
    if len(song.key.ticks):
        fifths, minor = int(song.key.fifths[0]), bool(song.key.minor[0])
        tonic = key_name(fifths, minor).removesuffix("m").replace("b", "♭").replace("#", "♯")
        facts.append(f"{tonic} {'minor' if minor else 'major'}")
    if len(layout.grid):
        facts.append(f"{layout.grid.numerator[0]}/{layout.grid.denominator[0]}")
    slow, fast = round(float(song.tempo.qpm.min())), round(float(song.tempo.qpm.max()))
    facts.append(f"♩ = {slow}" if slow == fast else f"♩ = {slow} to {fast}")
    n_bars = len(layout.grid) - layout.has_pickup
    facts.append(f"{n_bars} bar{'s' * (n_bars != 1)}" + (" and a pickup" * layout.has_pickup))
    minutes, seconds = divmod(round(song.duration_s), 60)
    facts += [f"{minutes}:{seconds:02d}", f"{song.n_notes:,} note{'s' * (song.n_notes != 1)}"]
    return "  ·  ".join(facts)


def _draw_marks(
    axes: Axes, layout: Layout, first: int, stop: int, marks: list[tuple[int, int]]
) -> None:
    """Bar numbers, and the meter and tempo where they change."""
    grid = layout.grid
    per_point = layout.widest_ticks / (72 * _INK_WIDTH)

    def above(tick: float, right: float, up: float, text: str, **look: Any) -> None:
        axes.annotate(
            text,
            (tick, 1),
            xycoords=("data", "axes fraction"),
            xytext=(right, up),
            textcoords="offset points",
            parse_math=False,
            annotation_clip=False,
            **look,
        )

    free_at = [-np.inf, -np.inf]  # where the text on the left ends, on the lower and upper line
    bars = range(first, stop)
    per_bar = float(np.median(grid.length_ticks[first:stop]))
    every = next((n for n in (1, 2, 4, 8, 16, 32) if n * per_bar > 26 * per_point), 64)
    meters = [f"{n}/{d}" for n, d in zip(grid.numerator, grid.denominator, strict=True)]
    for bar in bars:
        start, end = int(grid.start_ticks[bar]), int(grid.start_ticks[bar] + grid.length_ticks[bar])
        texts: list[tuple[str, float, dict[str, Any]]] = []
        number = bar + (not layout.has_pickup)
        if number and (bar - first) % every == 0:
            texts.append((str(number), 6.0, {"size": 8, "color": style.GREY}))
        if bar == 0 or meters[bar] != meters[bar - 1]:
            texts.append((meters[bar], 6.6, {"size": 8.5, "weight": "bold", "color": style.INK}))
        if new := [qpm for tick, qpm in marks if start <= tick < end]:
            texts.append((f"♩ = {new[0]}", 6.0, {"size": 8.5, "color": style.INK}))
        # What changes is told even in a narrow bar, on a line above; a mere number is left out.
        line = 1 if start < free_at[0] or (bar == 0 and layout.has_pickup) else 0
        if (
            not texts
            or start < free_at[line]
            or (line and len(texts) == 1 and texts[0][0] == str(number))
        ):
            continue
        shift = 0.0
        for text, per_letter, look in texts:
            above(start, shift, 4 + 12 * line, text, **look)
            shift += per_letter * len(text) + 5
        free_at[line] = start + shift * per_point


# -- inside a row ---------------------------------------------------------------------------------


def _draw_pitches(axes: Axes, layout: Layout, first: int, stop: int) -> None:
    from matplotlib.collections import PolyCollection

    start, end = layout.ticks(first, stop)
    low, high = layout.low - 0.5, layout.high + 0.5
    _frame(axes, layout, first, stop, low, high)
    keys = np.arange(layout.low, layout.high + 1)
    black = keys[np.isin(keys % 12, (1, 3, 6, 8, 10))]
    rows = _boxes(np.full(len(black), start), np.full(len(black), end), black, 1.0)
    axes.add_collection(PolyCollection(list(rows), facecolors=style.BLACK_KEY, zorder=0))
    octaves = keys[keys % 12 == 0]
    # The line of a C runs under it, where the piano's octave begins.
    axes.hlines(octaves - 0.5, start, end, colors=style.OCTAVE_LINE, linewidths=0.7, zorder=1.5)
    axes.set_yticks(octaves, [f"C{octave // 12 - 1}" for octave in octaves])
    notes = layout.pitched.between(start, end)
    _draw_notes(axes, layout, notes, (start, end), np.minimum(notes.stop, end), edged=True)


def _draw_drums(axes: Axes, layout: Layout, first: int, stop: int) -> None:
    start, end = layout.ticks(first, stop)
    n_lanes = len(layout.lanes)
    _frame(axes, layout, first, stop, -0.5, n_lanes - 0.5)
    axes.hlines(
        np.arange(n_lanes - 1) + 0.5, start, end, colors=style.BEAT_LINE, linewidths=0.6, zorder=1
    )
    axes.set_yticks(range(n_lanes), layout.lanes)
    axes.tick_params(labelsize=6.5)
    notes = layout.drums.between(start, end)
    notes = NoteTable(**{name: c[notes.start >= start] for name, c in vars(notes).items()})
    hit = 3.4 * layout.widest_ticks / (72 * _INK_WIDTH)  # in points
    _draw_notes(axes, layout, notes, (start, end), np.minimum(notes.start + hit, end), edged=False)


def _draw_notes(
    axes: Axes,
    layout: Layout,
    notes: NoteTable,
    span: tuple[int, int],
    stop: NDArray[np.floating] | NDArray[np.int64],
    *,
    edged: bool,
) -> None:
    from matplotlib.collections import LineCollection, PolyCollection

    if not len(notes):
        return
    per_point = layout.widest_ticks / (72 * _INK_WIDTH)
    start = np.maximum(notes.start, span[0])
    # A sliver of white parts a note from the next one.
    stop = np.where(stop < span[1], stop - np.minimum(0.8 * per_point, 0.2 * (stop - start)), stop)
    thick = 0.86 * np.maximum(0.42**notes.level, 0.2)
    faces, edges = np.zeros((2, len(notes), 3))
    strength = _strength(notes.velocity)
    for colour in np.unique(notes.colour).tolist():
        mine = notes.colour == colour
        faces[mine] = style.mixed(colour, strength[mine])
        edges[mine] = style.mixed(colour, 0.45, "#000000")
    boxes = _boxes(start, stop, notes.line, thick)
    axes.add_collection(PolyCollection(list(boxes), facecolors=faces, linewidths=0, zorder=3))
    if not edged:
        return
    on = notes.start >= span[0]
    inside = start + np.minimum(0.6 * per_point, 0.25 * (stop - start))
    lower, upper = notes.line - thick / 2, notes.line + thick / 2
    lines = np.stack([np.stack([inside, lower], -1), np.stack([inside, upper], -1)], 1)
    look: dict[str, Any] = {"linewidths": 1.3, "capstyle": "butt", "zorder": 4}
    axes.add_collection(LineCollection(list(lines[on]), colors=edges[on], **look))


def _frame(axes: Axes, layout: Layout, first: int, stop: int, low: float, high: float) -> None:
    """Bar lines, beats and the edges of a row; its scale."""
    start, end = layout.ticks(first, stop)
    axes.set_xlim(start, start + layout.widest_ticks)
    axes.set_ylim(low, high)
    grid = layout.grid
    inner = np.concatenate([np.zeros(0), *(beats(grid, bar) for bar in range(first, stop))])
    axes.vlines(inner, low, high, colors=style.BEAT_LINE, linewidths=0.6, zorder=1)
    lines = np.append(grid.start_ticks[first:stop], end)
    look: dict[str, Any] = {"colors": style.BAR_LINE, "zorder": 2, "clip_on": False}
    axes.vlines(lines, low, high, linewidths=0.8, **look)
    axes.hlines([low, high], start, end, linewidths=0.5, **look)
    if stop == len(grid):
        axes.vlines(end, low, high, linewidths=2.4, **look)


def _boxes(start: Any, stop: Any, line: Any, thick: Any) -> NDArray[np.float64]:
    """Corners of rectangles `(M, 4, 2)`."""
    low, high = line - np.asarray(thick) / 2, line + np.asarray(thick) / 2
    corners = [(start, low), (stop, low), (stop, high), (start, high)]
    return np.stack([np.stack(np.broadcast_arrays(x, y), -1) for x, y in corners], 1).astype(float)


def _strength(velocity: NDArray[np.int64]) -> NDArray[np.float64]:
    """How much colour a note of this velocity has: never none."""
    return np.asarray(0.28 + 0.72 * np.clip(velocity / 104, 0, 1))
