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

from musicvae.io.midi import key_name
from musicvae.plots import style
from musicvae.plots.layout import RollLayout, layout_song, tempo_marks
from musicvae.plots.pianoroll_axes import draw_drums, draw_pitches, velocity_alpha
from musicvae.plots.style import LEFT, RIGHT, WIDTH
from musicvae.plots.themes import LIGHT, Theme
from musicvae.representation.bars import Bars
from musicvae.song import Song

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# All lengths are in inches.
_TOP, _LEGEND_ROW, _ROW_GAP, _BOTTOM = 0.66, 0.22, 0.4, 0.16
_SEMITONE, _MAX_PITCHED_HEIGHT, _LANE, _LANE_GAP = 0.06, 3.0, 0.135, 0.05
_MAX_LEGEND_COLUMNS = 5
_ROLL_WIDTH = WIDTH - LEFT - RIGHT


def plot_song(
    song: Song,
    path: str | Path,
    title: str = "",
    *,
    bars_per_row: int | None = None,
    theme: Theme = LIGHT,
) -> Path:
    """Draw `song` and write it to `path`, PNG, SVG or PDF by its suffix; returns the path.

    `bars_per_row` is 8 if not given, more for songs of hundreds of bars. Raises `WriteError`.
    """
    style.check_suffix(path)
    with style.style_context():
        return style.save_figure(song_figure(song, title, bars_per_row=bars_per_row, theme=theme), path)


def song_figure(
    song: Song,
    title: str = "",
    *,
    bars_per_row: int | None = None,
    colors: Mapping[str, str] | None = None,
    theme: Theme = LIGHT,
) -> Figure:
    """The picture of `song` as a matplotlib `Figure`; `colours` of parts by name, if not usual."""
    layout = layout_song(song, bars_per_row, colors, theme, _ROLL_WIDTH)
    pitched = _pitched_height(layout)
    lane = len(layout.lanes) * _LANE
    row = pitched + lane + (_LANE_GAP if pitched and lane else 0) + _ROW_GAP
    head = _TOP + _LEGEND_ROW * -(-len(layout.legend) // _MAX_LEGEND_COLUMNS)
    height = head + max(len(layout.rows), 1) * row + _BOTTOM
    figure = style.new_figure(theme, height)
    _draw_head(figure, song, layout, title, height)
    marks = tempo_marks(song)
    for nth, (first, stop) in enumerate(layout.rows):
        top = height - head - nth * row - _ROW_GAP
        upper = lower = None
        if pitched:
            upper = _add_roll_axes(figure, layout, height - top, pitched)
            draw_pitches(upper, layout, first, stop)
        if lane:
            lower = _add_roll_axes(figure, layout, height - top + row - _ROW_GAP - lane, lane)
            draw_drums(lower, layout, first, stop)
        above = upper or lower
        if above is not None:
            _draw_marks(above, layout, first, stop, marks)
    return figure


def _pitched_height(layout: RollLayout) -> float:
    if not len(layout.pitched) and layout.lanes:
        return 0.0
    return min((layout.high - layout.low) * _SEMITONE, _MAX_PITCHED_HEIGHT) or 0.6


def _add_roll_axes(figure: Figure, layout: RollLayout, top: float, height: float) -> Axes:
    axes = style.add_axes(figure, LEFT, top, _ROLL_WIDTH, height)
    style.hide_axes(axes, layout.theme)
    return axes


# -- above the rows -------------------------------------------------------------------------------


def _draw_head(figure: Figure, song: Song, layout: RollLayout, title: str, height: float) -> None:
    from matplotlib.patches import Patch, Rectangle

    look = layout.theme
    style.add_heading(figure, look, title, song_summary(song))
    if layout.legend:
        handles = [Patch(facecolor=colour, label=name) for name, colour in layout.legend]
        legend = figure.legend(
            handles=handles,
            loc="upper left",
            bbox_to_anchor=(LEFT / WIDTH, (height - 0.72) / height),
            ncols=min(_MAX_LEGEND_COLUMNS, len(handles)),
            frameon=False,
            borderpad=0,
            borderaxespad=0,
            handlelength=0.9,
            handleheight=0.9,
            handletextpad=0.45,
            columnspacing=1.6,
            labelspacing=0.35,
            fontsize=9.5,
            labelcolor=look.foreground,
        )
        for text in legend.get_texts():
            text.set_parse_math(False)
    # How loud is how dark; on dark paper, how bright.
    box, right = 0.16, WIDTH - RIGHT
    for x, word in ((right, "loud"), (right - 0.36 - 5 * box, "soft")):
        at = (x / WIDTH, 1 - 0.38 / height)
        figure.text(*at, word, size=8.5, color=look.gray, ha="right", va="baseline")
    for i, velocity in enumerate((20, 45, 70, 95, 120)):
        corner = ((right - 0.31 - (5 - i) * box) / WIDTH, 1 - 0.385 / height)
        shade = look.tint(look.drums, velocity_alpha(np.array(velocity)))
        size = (0.9 * box / WIDTH, 0.1 / height)
        figure.add_artist(Rectangle(corner, *size, transform=figure.transFigure, color=shade))


def song_summary(song: Song) -> str:
    """A song's key, meter, tempo, length and number of notes in words."""
    facts, grid = [], Bars.from_song(song).grid
    pickup = bool(len(grid) and grid.lead_steps[0] > 0)
    if len(song.key.ticks):
        fifths, minor = int(song.key.fifths[0]), bool(song.key.minor[0])
        tonic = key_name(fifths, minor).removesuffix("m").replace("b", "♭").replace("#", "♯")
        facts.append(f"{tonic} {'minor' if minor else 'major'}")
    if len(grid):
        facts.append(f"{grid.numerator[0]}/{grid.denominator[0]}")
    slow, fast = round(float(song.tempo.qpm.min())), round(float(song.tempo.qpm.max()))
    facts.append(f"♩ = {slow}" if slow == fast else f"♩ = {slow} to {fast}")
    n_bars = len(grid) - pickup
    facts.append(f"{n_bars} bar{'s' * (n_bars != 1)}" + (" and a pickup" * pickup))
    minutes, seconds = divmod(round(song.duration_s), 60)
    facts += [f"{minutes}:{seconds:02d}", f"{song.n_notes:,} note{'s' * (song.n_notes != 1)}"]
    return "  ·  ".join(facts)


def _draw_marks(
    axes: Axes, layout: RollLayout, first: int, stop: int, marks: list[tuple[int, int]]
) -> None:
    """Bar numbers, and the meter and tempo where they change."""
    grid, look, per_point = layout.grid, layout.theme, layout.ticks_per_point

    def above(tick: float, right: float, up: float, text: str, **how: Any) -> None:
        axes.annotate(
            text,
            (tick, 1),
            xycoords=("data", "axes fraction"),
            xytext=(right, up),
            textcoords="offset points",
            parse_math=False,
            annotation_clip=False,
            **how,
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
            texts.append((str(number), 5.6, {"size": 8.5, "color": look.gray}))
        if bar == 0 or meters[bar] != meters[bar - 1]:
            texts.append((meters[bar], 6.2, {"size": 9, "weight": "bold", "color": look.foreground}))
        if new := [qpm for tick, qpm in marks if start <= tick < end]:
            texts.append((f"♩ = {new[0]}", 5.5, {"size": 9, "color": look.foreground}))
        # What changes is told even in a narrow bar, on a line above; a mere number is left out.
        line = 1 if start < free_at[0] or (bar == 0 and layout.has_pickup) else 0
        if (
            not texts
            or start < free_at[line]
            or (line and len(texts) == 1 and texts[0][0] == str(number))
        ):
            continue
        shift = 0.0
        for text, per_letter, how in texts:
            above(start, shift, 4 + 12 * line, text, **how)
            shift += per_letter * len(text) + 4.5
        free_at[line] = start + shift * per_point
