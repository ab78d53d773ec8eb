"""Piano-roll figure of a song.

Rows of eight bars. Notes have the color of their part, stronger when louder, with a dark edge at
each onset so that repeated notes differ from long ones. Drums have lanes below the pitches, and
the chords of the song stand above them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from musicvae.chords import ChordMap, format_symbol
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
_TOP, _ROW_GAP, _BOTTOM = 0.66, 0.4, 0.16
_CHORD_ROW = 0.17
_SEMITONE, _MAX_PITCHED_HEIGHT, _LANE, _LANE_GAP = 0.06, 3.0, 0.135, 0.05
_ROLL_WIDTH = WIDTH - LEFT - RIGHT


def song_figure(
    song: Song,
    title: str = "",
    *,
    bars_per_row: int | None = None,
    colors: Mapping[str, str] | None = None,
    theme: Theme = LIGHT,
) -> Figure:
    """Draw the piano roll of a song.

    `bars_per_row` is 8 by default, more for songs of hundreds of bars; `colors` overrides part
    colors by name.
    """
    layout = layout_song(song, bars_per_row, colors, theme, _ROLL_WIDTH)
    pitched = _pitched_height(layout)
    lane = len(layout.lanes) * _LANE
    gap = _ROW_GAP + (_CHORD_ROW if len(song.chords) else 0)
    row = pitched + lane + (_LANE_GAP if pitched and lane else 0) + gap
    head = _TOP + style.legend_height(layout.legend)
    height = head + max(len(layout.rows), 1) * row + _BOTTOM
    figure = style.new_figure(theme, height)
    _draw_head(figure, song, layout, title, height)
    marks = tempo_marks(song)
    for nth, (first, stop) in enumerate(layout.rows):
        top = height - head - nth * row - gap
        upper = lower = None
        if pitched:
            upper = _add_roll_axes(figure, layout, height - top, pitched)
            draw_pitches(upper, layout, first, stop)
        if lane:
            lower = _add_roll_axes(figure, layout, height - top + row - gap - lane, lane)
            draw_drums(lower, layout, first, stop)
        above = upper or lower
        if above is not None:
            up = 0.0
            if len(song.chords):
                _draw_chords(above, layout, first, stop, song.chords)
                up = 72 * _CHORD_ROW
            _draw_marks(above, layout, first, stop, marks, up)
    return figure


plot_song = style.saved_figure(song_figure)
"""Write the piano roll of a song to a PNG, SVG or PDF file; see `song_figure`."""


def _pitched_height(layout: RollLayout) -> float:
    """Return the height of the pitched area in inches, 0 for drums alone."""
    if not len(layout.pitched) and layout.lanes:
        return 0.0
    return min((layout.high - layout.low) * _SEMITONE, _MAX_PITCHED_HEIGHT) or 0.6


def _add_roll_axes(figure: Figure, layout: RollLayout, top: float, height: float) -> Axes:
    """Add undecorated axes of the full roll width."""
    axes = style.add_axes(figure, LEFT, top, _ROLL_WIDTH, height)
    style.hide_axes(axes, layout.theme)
    return axes


# -- annotations ----------------------------------------------------------------------------------


def _draw_head(figure: Figure, song: Song, layout: RollLayout, title: str, height: float) -> None:
    """Draw heading, legend and velocity scale."""
    from matplotlib.patches import Rectangle

    theme = layout.theme
    style.add_heading(figure, theme, title, song_summary(song))
    style.add_legend(figure, theme, layout.legend, 0.72)
    # Velocity scale.
    box, right = 0.16, WIDTH - RIGHT
    for x, word in ((right, "loud"), (right - 0.36 - 5 * box, "soft")):
        position = (x / WIDTH, 1 - 0.38 / height)
        figure.text(*position, word, size=8.5, color=theme.gray, ha="right", va="baseline")
    for i, velocity in enumerate((20, 45, 70, 95, 120)):
        corner = ((right - 0.31 - (5 - i) * box) / WIDTH, 1 - 0.385 / height)
        shade = theme.tint(theme.drums, velocity_alpha(np.array(velocity)))
        size = (0.9 * box / WIDTH, 0.1 / height)
        figure.add_artist(Rectangle(corner, *size, transform=figure.transFigure, color=shade))


def song_summary(song: Song) -> str:
    """Return key, meter, tempo, number of bars, duration and number of notes as one line."""
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


def _annotate(axes: Axes, tick: float, right: float, up: float, text: str, **font: Any) -> None:
    """Write a text above a row, `right` and `up` points from a tick at its top."""
    axes.annotate(
        text,
        (tick, 1),
        xycoords=("data", "axes fraction"),
        xytext=(right, up),
        textcoords="offset points",
        parse_math=False,
        annotation_clip=False,
        **font,
    )


def _draw_chords(axes: Axes, layout: RollLayout, first: int, stop: int, chords: ChordMap) -> None:
    """Write the chord symbols of a row above it, and again the one that lasts into it.

    A symbol for which there is no room is left out.
    """
    free_at = -np.inf
    begin, end = layout.tick_range(first, stop)
    labels = chords.labels(format_symbol)
    for i, tick in enumerate(chords.ticks.tolist()):
        lasts_until = chords.ticks[i + 1] if i + 1 < len(labels) else end
        at = max(tick, begin)
        if tick >= end or lasts_until <= begin or at < free_at:
            continue
        text = labels[i].replace("b", "♭").replace("#", "♯")
        _annotate(axes, at, 0, 3.5, text, size=9.5, color=layout.theme.foreground)
        free_at = at + (5.6 * len(text) + 3) * layout.ticks_per_point


def _draw_marks(
    axes: Axes, layout: RollLayout, first: int, stop: int, marks: list[tuple[int, int]], up: float
) -> None:
    """Write bar numbers, and meter and tempo where they change, `up` points above a row."""
    grid, theme, per_point = layout.grid, layout.theme, layout.ticks_per_point
    free_at = [-np.inf, -np.inf]  # tick where the lower and the upper line of text are free again
    per_bar = float(np.median(grid.length_ticks[first:stop]))
    every = next((n for n in (1, 2, 4, 8, 16, 32) if n * per_bar > 26 * per_point), 64)
    meters = [f"{n}/{d}" for n, d in zip(grid.numerator, grid.denominator, strict=True)]
    for bar in range(first, stop):
        start, end = int(grid.start_ticks[bar]), int(grid.start_ticks[bar] + grid.length_ticks[bar])
        numbers, changes = list[_Text](), list[_Text]()
        number = bar + (not layout.has_pickup)
        if number and (bar - first) % every == 0:
            numbers.append((str(number), 5.6, {"size": 8.5, "color": theme.gray}))
        if bar == 0 or meters[bar] != meters[bar - 1]:
            font = {"size": 9, "weight": "bold", "color": theme.foreground}
            changes.append((meters[bar], 6.2, font))
        if new := [qpm for tick, qpm in marks if start <= tick < end]:
            changes.append((f"♩ = {new[0]}", 5.5, {"size": 9, "color": theme.foreground}))
        # Changes that would hide the next bar number, or have no room, are on the upper line.
        next_numbered = min(bar + every - (bar - first) % every, stop)
        room = np.inf if next_numbered == stop else float(grid.start_ticks[next_numbered]) - start
        is_wide = _text_width(numbers + changes) * per_point > room
        is_followed = bar + 1 < stop and meters[bar + 1] != meters[bar]  # which needs that line
        is_raised = (
            (is_wide and not is_followed) or start < free_at[0] or (bar == 0 and layout.has_pickup)
        )
        for line, texts in enumerate([numbers, changes] if is_raised else [numbers + changes]):
            if not texts or start < free_at[line]:
                continue
            shift = 0.0
            for text, per_letter, font in texts:
                _annotate(axes, start, shift, up + 4 + 12 * line, text, **font)
                shift += _text_width([(text, per_letter, font)])
            free_at[line] = start + shift * per_point


_Text = tuple[str, float, dict[str, Any]]  # the width of a letter in points, and the font


def _text_width(texts: list[_Text]) -> float:
    """Return the width of texts one after the other, in points."""
    return sum(per_letter * len(text) + 4.5 for text, per_letter, _ in texts)
