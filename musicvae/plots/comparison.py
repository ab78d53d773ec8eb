"""Floor 9: several songs in one picture: a strip of small rolls, one under the other at one scale,
for a way from song to song; a square of them for a grid.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
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
_TOP, _BOTTOM, _GAP = 0.85, 0.15, 0.14
_SEMITONE, _LANE, _MAX_PITCHED_HEIGHT, _MIN_PITCHED_HEIGHT = 0.026, 0.09, 1.1, 0.42  # inches
_DRUM_GAP = 0.04  # between pitches and drums


def plot_comparison(
    songs: Sequence[Song],
    path: str | Path,
    title: str = "",
    subtitle: str = "",
    *,
    names: Sequence[str] = (),
    max_bars: int = _MAX_BARS,
    theme: Theme = LIGHT,
) -> Path:
    """Draw songs one under the other, their first `bars` bars, all at one scale of time and pitch.

    `names`: what stands at the left of each; numbers if not given. PNG, SVG or PDF by the suffix;
    returns the path. Raises `WriteError`.
    """
    style.check_suffix(path)
    with style.style_context():
        figure = comparison_figure(songs, title, subtitle, names=names, max_bars=max_bars, theme=theme)
        return style.save_figure(figure, path)


def plot_grid(
    rows: Sequence[Sequence[Song]],
    path: str | Path,
    title: str = "",
    subtitle: str = "",
    *,
    max_bars: int = _MAX_GRID_BARS,
    theme: Theme = LIGHT,
) -> Path:
    """Draw rows and columns of songs, their first `bars` bars, the corners named A to D. Each fills
    its cell, whatever its meter.

    Otherwise as `plot_strip`.
    """
    style.check_suffix(path)
    with style.style_context():
        return style.save_figure(grid_figure(rows, title, subtitle, max_bars=max_bars, theme=theme), path)


def comparison_figure(
    songs: Sequence[Song],
    title: str = "",
    subtitle: str = "",
    *,
    names: Sequence[str] = (),
    max_bars: int = _MAX_BARS,
    theme: Theme = LIGHT,
) -> Figure:
    """The picture of `plot_strip` as a matplotlib `Figure`."""
    cells = _RollCells(songs, max_bars, WIDTH - LEFT - RIGHT, theme)
    names = list(names) or [str(n) for n in range(1, len(songs) + 1)]
    figure = style.new_figure(theme, _TOP + len(songs) * (cells.height + _GAP) + _BOTTOM)
    style.add_heading(figure, theme, title, _full_subtitle(subtitle, songs, max_bars))
    for nth, name in enumerate(names):
        top = _TOP + nth * (cells.height + _GAP)
        cells.draw(figure, nth, LEFT, top)
        at = (0.5 * LEFT / WIDTH, 1 - (top + cells.height / 2) / figure.get_figheight())
        figure.text(
            *at,
            style.display_text(name)[:8],
            size=11 if len(name) < 3 else 9,
            weight="bold",
            color=theme.foreground,
            ha="center",
            va="center",
            parse_math=False,
        )
    return figure


def grid_figure(
    rows: Sequence[Sequence[Song]],
    title: str = "",
    subtitle: str = "",
    *,
    max_bars: int = _MAX_GRID_BARS,
    theme: Theme = LIGHT,
) -> Figure:
    """The picture of `plot_square` as a matplotlib `Figure`."""
    side, between = 0.42, 0.12
    songs = [song for row in rows for song in row]
    columns = max(map(len, rows))
    wide = (WIDTH - 2 * side - (columns - 1) * between) / columns
    cells = _RollCells(songs, max_bars, wide, theme, same_time_scale=False)
    figure = style.new_figure(theme, _TOP + len(rows) * (cells.height + between) + _BOTTOM)
    style.add_heading(figure, theme, title, _full_subtitle(subtitle, songs, max_bars), left=side)
    for nth in range(len(songs)):
        row, column = divmod(nth, columns)
        cells.draw(
            figure, nth, side + column * (wide + between), _TOP + row * (cells.height + between)
        )
    lines = (_TOP, _TOP + (len(rows) - 1) * (cells.height + between))
    places = [(x, y) for y in lines for x in (0.5 * side, WIDTH - 0.5 * side)]
    for name, (x, y) in zip("ABCD", places, strict=True):
        at = (x / WIDTH, 1 - (y + cells.height / 2) / figure.get_figheight())
        figure.text(*at, name, size=12, weight="bold", color=theme.foreground, ha="center", va="center")
    return figure


class _RollCells:
    """Small rolls, all with one scale of pitch; `alike`, of time too, else each fills its width."""

    def __init__(
        self, songs: Sequence[Song], max_bars: int, width: float, theme: Theme, *, same_time_scale: bool = True
    ) -> None:
        self.layouts = [_first_bars(layout_song(song, None, None, theme, width), max_bars) for song in songs]
        shown = [each.pitched.between(*_row_ticks(each)).row for each in self.layouts]
        lines = np.concatenate([np.zeros(0, np.int64), *shown])
        self.low, self.high = (int(lines.min()) - 1, int(lines.max()) + 1) if len(lines) else (0, 0)
        self.quarters = max(
            (_row_ticks(each)[1] / each.grid.ticks_per_quarter for each in self.layouts), default=1.0
        )
        self.width, self.same_time_scale = width, same_time_scale
        lanes = max((len(each.lanes) for each in self.layouts), default=0)
        least = 0.0 if lanes and not len(lines) else _MIN_PITCHED_HEIGHT
        self.pitched_height = min(max((self.high - self.low) * _SEMITONE, least), _MAX_PITCHED_HEIGHT)
        self.drum_height = lanes * _LANE
        self.height = self.pitched_height + self.drum_height + (_DRUM_GAP if self.pitched_height and lanes else 0)

    def draw(self, figure: Figure, nth: int, left: float, top: float) -> None:
        """The nth song with its upper left corner there."""
        layout = replace(self.layouts[nth], low=self.low, high=self.high, is_small=True)
        if not layout.rows:
            return
        boxes = [(draw_pitches, top, self.pitched_height)]
        if layout.lanes:
            boxes.append((draw_drums, top + self.height - self.drum_height, self.drum_height))
        end = self.quarters * layout.grid.ticks_per_quarter if self.same_time_scale else _row_ticks(layout)[1]
        for drawn, place, tall in boxes:
            if tall:
                axes = style.add_axes(figure, left, place, self.width, tall)
                style.hide_axes(axes, layout.theme)
                drawn(axes, layout, *layout.rows[0])
                axes.set_yticks([])
                axes.set_xlim(0, max(end, 1))


def _first_bars(layout: RollLayout, max_bars: int) -> RollLayout:
    """Its first bars in one row."""
    stop = min(len(layout.grid), max_bars + layout.has_pickup)
    return replace(layout, rows=[(0, stop)] if stop else [])


def _row_ticks(layout: RollLayout) -> tuple[int, int]:
    return layout.tick_range(*layout.rows[0]) if layout.rows else (0, 1)


def _full_subtitle(subtitle: str, songs: Sequence[Song], max_bars: int) -> str:
    """The subtitle, and that not all is shown where it is so."""
    longest = max((len(layout_song(song).grid) for song in songs), default=0)
    more = f"the first {max_bars} of up to {longest} bars" if longest > max_bars + 1 else ""
    return "  ·  ".join(filter(None, (subtitle, more)))
