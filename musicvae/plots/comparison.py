"""Figures of several songs: small piano rolls one below the other, or in a grid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from musicvae.plots import style
from musicvae.plots.layout import RollLayout, layout_song
from musicvae.plots.pianoroll_axes import draw_drums, draw_pitches
from musicvae.plots.style import LEFT, RIGHT, WIDTH
from musicvae.plots.themes import LIGHT, Theme
from musicvae.song import Song

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MAX_BARS, _MAX_GRID_BARS = 16, 4
# Inches.
_TOP, _LEGEND_TOP, _BOTTOM, _GAP = 0.85, 0.76, 0.15, 0.14
_SEMITONE, _LANE, _MAX_PITCHED_HEIGHT, _MIN_PITCHED_HEIGHT = 0.026, 0.09, 1.1, 0.42
_DRUM_GAP = 0.04  # between pitches and drums


def comparison_figure(
    songs: Sequence[Song],
    title: str = "",
    subtitle: str = "",
    *,
    names: Sequence[str] = (),
    max_bars: int = _MAX_BARS,
    theme: Theme = LIGHT,
) -> Figure:
    """Draw songs one below the other, with the same time and pitch scale, and the names of parts.

    Only the first `max_bars` bars are drawn; the subtitle says so. `names` are the labels on the
    left, numbers by default.
    """
    cells = _RollCells(songs, max_bars, WIDTH - LEFT - RIGHT, theme)
    names = list(names) or [str(n) for n in range(1, len(songs) + 1)]
    head = _TOP + style.legend_height(cells.legend)
    figure = style.new_figure(theme, head + len(songs) * (cells.height + _GAP) + _BOTTOM)
    style.add_heading(figure, theme, title, _full_subtitle(subtitle, songs, max_bars))
    style.add_legend(figure, theme, cells.legend, _LEGEND_TOP)
    for index, name in enumerate(names):
        top = head + index * (cells.height + _GAP)
        cells.draw(figure, index, LEFT, top)
        figure.text(
            0.5 * LEFT / WIDTH,
            1 - (top + cells.height / 2) / figure.get_figheight(),
            style.display_text(name)[:8],
            size=11 if len(name) < 3 else 9,
            weight="bold",
            color=theme.foreground,
            ha="center",
            va="center",
            parse_math=False,
        )
    return figure


plot_comparison = style.saved_figure(comparison_figure)
"""Write songs one below the other to a PNG, SVG or PDF file; see `comparison_figure`."""


def grid_figure(
    rows: Sequence[Sequence[Song]],
    title: str = "",
    subtitle: str = "",
    *,
    max_bars: int = _MAX_GRID_BARS,
    theme: Theme = LIGHT,
) -> Figure:
    """Draw the songs of a grid, rows of songs of equal number, with the corners labeled A to D.

    Only the first `max_bars` bars are drawn. All have the same pitch scale; each fills its cell.
    """
    margin, gap = 0.42, 0.12  # inches
    songs = [song for row in rows for song in row]
    columns = max(map(len, rows))
    width = (WIDTH - 2 * margin - (columns - 1) * gap) / columns
    cells = _RollCells(songs, max_bars, width, theme, same_time_scale=False)
    head = _TOP + style.legend_height(cells.legend)
    figure = style.new_figure(theme, head + len(rows) * (cells.height + gap) + _BOTTOM)
    style.add_legend(figure, theme, cells.legend, _LEGEND_TOP, left=margin)
    style.add_heading(figure, theme, title, _full_subtitle(subtitle, songs, max_bars), left=margin)
    for index in range(len(songs)):
        row, column = divmod(index, columns)
        left = margin + column * (width + gap)
        cells.draw(figure, index, left, head + row * (cells.height + gap))
    tops = (head, head + (len(rows) - 1) * (cells.height + gap))
    corners = [(x, y) for y in tops for x in (0.5 * margin, WIDTH - 0.5 * margin)]
    for name, (x, y) in zip("ABCD", corners, strict=True):
        figure.text(
            x / WIDTH,
            1 - (y + cells.height / 2) / figure.get_figheight(),
            name,
            size=12,
            weight="bold",
            color=theme.foreground,
            ha="center",
            va="center",
        )
    return figure


plot_grid = style.saved_figure(grid_figure)
"""Write the songs of a grid to a PNG, SVG or PDF file; see `grid_figure`."""


class _RollCells:
    """Small piano rolls of one pitch scale and, if `same_time_scale`, of one time scale."""

    def __init__(
        self,
        songs: Sequence[Song],
        max_bars: int,
        width: float,
        theme: Theme,
        *,
        same_time_scale: bool = True,
    ) -> None:
        self.layouts = [
            _first_bars(layout_song(song, None, None, theme, width), max_bars) for song in songs
        ]
        named = [pair for layout in self.layouts for pair in layout.legend]
        # Parts of one name may have other colors in songs with other parts; the first is shown.
        self.legend = list({name: (name, color) for name, color in reversed(named)}.values())[::-1]
        drawn = [layout.pitched.between(*_row_ticks(layout)).row for layout in self.layouts]
        pitches = np.concatenate([np.zeros(0, np.int64), *drawn])
        self.low = int(pitches.min()) - 1 if len(pitches) else 0
        self.high = int(pitches.max()) + 1 if len(pitches) else 0
        self.quarters = max(
            (_row_ticks(layout)[1] / layout.grid.ticks_per_quarter for layout in self.layouts),
            default=1.0,
        )
        self.width, self.same_time_scale = width, same_time_scale
        n_lanes = max((len(layout.lanes) for layout in self.layouts), default=0)
        min_height = 0.0 if n_lanes and not len(pitches) else _MIN_PITCHED_HEIGHT
        height = max((self.high - self.low) * _SEMITONE, min_height)
        self.pitched_height = min(height, _MAX_PITCHED_HEIGHT)
        self.drum_height = n_lanes * _LANE
        gap = _DRUM_GAP if self.pitched_height and n_lanes else 0
        self.height = self.pitched_height + self.drum_height + gap

    def draw(self, figure: Figure, index: int, left: float, top: float) -> None:
        """Draw one of the songs with its upper left corner at a position in inches."""
        layout = replace(self.layouts[index], low=self.low, high=self.high, is_small=True)
        if not layout.rows:
            return
        areas = [(draw_pitches, top, self.pitched_height)]
        if layout.lanes:
            areas.append((draw_drums, top + self.height - self.drum_height, self.drum_height))
        end: float = _row_ticks(layout)[1]
        if self.same_time_scale:
            end = self.quarters * layout.grid.ticks_per_quarter
        for draw, area_top, height in areas:
            if height:
                axes = style.add_axes(figure, left, area_top, self.width, height)
                style.hide_axes(axes, layout.theme)
                draw(axes, layout, *layout.rows[0])
                axes.set_yticks([])
                axes.set_xlim(0, max(end, 1))


def _first_bars(layout: RollLayout, max_bars: int) -> RollLayout:
    """Return a layout of the first bars alone, in one row; a pickup is not counted."""
    stop = min(len(layout.grid), max_bars + layout.has_pickup)
    return replace(layout, rows=[(0, stop)] if stop else [])


def _row_ticks(layout: RollLayout) -> tuple[int, int]:
    """Return start and end of the only row in ticks."""
    return layout.tick_range(*layout.rows[0]) if layout.rows else (0, 1)


def _full_subtitle(subtitle: str, songs: Sequence[Song], max_bars: int) -> str:
    """Return the subtitle, and how many bars are drawn if not all are."""
    longest = max((len(layout_song(song).grid) for song in songs), default=0)
    more = f"the first {max_bars} of up to {longest} bars" if longest > max_bars + 1 else ""
    return "  ·  ".join(filter(None, (subtitle, more)))
