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
from musicvae.plots.layout import Layout, laid_out
from musicvae.plots.pianoroll_axes import draw_drums, draw_pitches
from musicvae.plots.style import LEFT, RIGHT, WIDTH
from musicvae.plots.themes import LIGHT, Theme
from musicvae.song import Song

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MOST_BARS, _MOST_BARS_IN_SQUARE = 16, 4
_TOP, _BOTTOM, _GAP = 0.85, 0.15, 0.14
_SEMITONE, _LANE, _TALLEST, _LEAST = 0.026, 0.09, 1.1, 0.42  # inches
_PARTED = 0.04  # between pitches and drums


def plot_strip(
    songs: Sequence[Song],
    path: str | Path,
    title: str = "",
    subtitle: str = "",
    *,
    names: Sequence[str] = (),
    bars: int = _MOST_BARS,
    look: Theme = LIGHT,
) -> Path:
    """Draw songs one under the other, their first `bars` bars, all at one scale of time and pitch.

    `names`: what stands at the left of each; numbers if not given. PNG, SVG or PDF by the suffix;
    returns the path. Raises `WriteError`.
    """
    style.checked_suffix(path)
    with style.drawing():
        figure = strip_figure(songs, title, subtitle, names=names, bars=bars, look=look)
        return style.save(figure, path)


def plot_square(
    rows: Sequence[Sequence[Song]],
    path: str | Path,
    title: str = "",
    subtitle: str = "",
    *,
    bars: int = _MOST_BARS_IN_SQUARE,
    look: Theme = LIGHT,
) -> Path:
    """Draw rows and columns of songs, their first `bars` bars, the corners named A to D. Each fills
    its cell, whatever its meter.

    Otherwise as `plot_strip`.
    """
    style.checked_suffix(path)
    with style.drawing():
        return style.save(square_figure(rows, title, subtitle, bars=bars, look=look), path)


def strip_figure(
    songs: Sequence[Song],
    title: str = "",
    subtitle: str = "",
    *,
    names: Sequence[str] = (),
    bars: int = _MOST_BARS,
    look: Theme = LIGHT,
) -> Figure:
    """The picture of `plot_strip` as a matplotlib `Figure`."""
    cells = _Cells(songs, bars, WIDTH - LEFT - RIGHT, look)
    names = list(names) or [str(n) for n in range(1, len(songs) + 1)]
    figure = style.page(look, _TOP + len(songs) * (cells.tall + _GAP) + _BOTTOM)
    style.heading(figure, look, title, _told(subtitle, songs, bars))
    for nth, name in enumerate(names):
        top = _TOP + nth * (cells.tall + _GAP)
        cells.draw(figure, nth, LEFT, top)
        at = (0.5 * LEFT / WIDTH, 1 - (top + cells.tall / 2) / figure.get_figheight())
        figure.text(
            *at,
            style.plain(name)[:8],
            size=11 if len(name) < 3 else 9,
            weight="bold",
            color=look.ink,
            ha="center",
            va="center",
            parse_math=False,
        )
    return figure


def square_figure(
    rows: Sequence[Sequence[Song]],
    title: str = "",
    subtitle: str = "",
    *,
    bars: int = _MOST_BARS_IN_SQUARE,
    look: Theme = LIGHT,
) -> Figure:
    """The picture of `plot_square` as a matplotlib `Figure`."""
    side, between = 0.42, 0.12
    songs = [song for row in rows for song in row]
    columns = max(map(len, rows))
    wide = (WIDTH - 2 * side - (columns - 1) * between) / columns
    cells = _Cells(songs, bars, wide, look, alike=False)
    figure = style.page(look, _TOP + len(rows) * (cells.tall + between) + _BOTTOM)
    style.heading(figure, look, title, _told(subtitle, songs, bars), left=side)
    for nth in range(len(songs)):
        row, column = divmod(nth, columns)
        cells.draw(
            figure, nth, side + column * (wide + between), _TOP + row * (cells.tall + between)
        )
    lines = (_TOP, _TOP + (len(rows) - 1) * (cells.tall + between))
    places = [(x, y) for y in lines for x in (0.5 * side, WIDTH - 0.5 * side)]
    for name, (x, y) in zip("ABCD", places, strict=True):
        at = (x / WIDTH, 1 - (y + cells.tall / 2) / figure.get_figheight())
        figure.text(*at, name, size=12, weight="bold", color=look.ink, ha="center", va="center")
    return figure


class _Cells:
    """Small rolls, all with one scale of pitch; `alike`, of time too, else each fills its width."""

    def __init__(
        self, songs: Sequence[Song], bars: int, width: float, look: Theme, *, alike: bool = True
    ) -> None:
        self.layouts = [_cut(laid_out(song, None, None, look, width), bars) for song in songs]
        shown = [each.pitched.between(*_span(each)).line for each in self.layouts]
        lines = np.concatenate([np.zeros(0, np.int64), *shown])
        self.low, self.high = (int(lines.min()) - 1, int(lines.max()) + 1) if len(lines) else (0, 0)
        self.quarters = max(
            (_span(each)[1] / each.grid.ticks_per_quarter for each in self.layouts), default=1.0
        )
        self.width, self.alike = width, alike
        lanes = max((len(each.lanes) for each in self.layouts), default=0)
        least = 0.0 if lanes and not len(lines) else _LEAST
        self.pitched = min(max((self.high - self.low) * _SEMITONE, least), _TALLEST)
        self.lane = lanes * _LANE
        self.tall = self.pitched + self.lane + (_PARTED if self.pitched and lanes else 0)

    def draw(self, figure: Figure, nth: int, left: float, top: float) -> None:
        """The nth song with its upper left corner there."""
        layout = replace(self.layouts[nth], low=self.low, high=self.high, small=True)
        if not layout.rows:
            return
        boxes = [(draw_pitches, top, self.pitched)]
        if layout.lanes:
            boxes.append((draw_drums, top + self.tall - self.lane, self.lane))
        end = self.quarters * layout.grid.ticks_per_quarter if self.alike else _span(layout)[1]
        for drawn, place, tall in boxes:
            if tall:
                axes = style.panel(figure, left, place, self.width, tall)
                style.bare(axes, layout.look)
                drawn(axes, layout, *layout.rows[0])
                axes.set_yticks([])
                axes.set_xlim(0, max(end, 1))


def _cut(layout: Layout, bars: int) -> Layout:
    """Its first bars in one row."""
    stop = min(len(layout.grid), bars + layout.has_pickup)
    return replace(layout, rows=[(0, stop)] if stop else [])


def _span(layout: Layout) -> tuple[int, int]:
    return layout.ticks(*layout.rows[0]) if layout.rows else (0, 1)


def _told(subtitle: str, songs: Sequence[Song], bars: int) -> str:
    """The subtitle, and that not all is shown where it is so."""
    longest = max((len(laid_out(song).grid) for song in songs), default=0)
    more = f"the first {bars} of up to {longest} bars" if longest > bars + 1 else ""
    return "  ·  ".join(filter(None, (subtitle, more)))
