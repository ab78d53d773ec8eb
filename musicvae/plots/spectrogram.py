"""Constant-Q spectrogram of a recording, with the bar lines of the song if it is known."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from musicvae.errors import DataError
from musicvae.io.audio.librosa_import import import_librosa
from musicvae.plots import style
from musicvae.plots.style import LEFT, RIGHT, WIDTH
from musicvae.plots.themes import LIGHT, Theme
from musicvae.representation.bars import Bars
from musicvae.song import Song

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_RATE_HZ, _HOP_SAMPLES, _MIN_PITCH, _N_OCTAVES, _BINS_PER_OCTAVE = (
    22_050,
    1024,
    24,
    7,
    24,
)  # lowest: C1
_MAX_ROW_S, _MAX_ROWS = 26.0, 8
_FLOOR_DB = -48.0
_TOP, _ROW_HEIGHT, _GAP, _BOTTOM = 0.72, 1.75, 0.42, 0.22  # inches


def spectrogram_figure(
    samples: NDArray[np.float32],
    rate: int,
    title: str = "",
    *,
    song: Song | None = None,
    theme: Theme = LIGHT,
) -> Figure:
    """Draw a constant-Q spectrogram of samples `(n,)` or `(n, channels)` at `rate` Hz.

    There are two bins a semitone. With the song that was rendered, its bars are numbered above the
    rows, else the time axis is below. Raises `DataError` if there are no samples.
    """
    if not len(samples):
        raise DataError("no sound to draw")
    mono = samples.mean(1) if samples.ndim == 2 else samples
    levels = levels_db(mono, rate)
    seconds = len(mono) / rate
    bars = _bar_seconds(song) if song is not None else np.zeros(0)
    rows = _split_rows(seconds, bars)
    figure = style.new_figure(theme, _TOP + len(rows) * (_ROW_HEIGHT + _GAP) + _BOTTOM)
    peak = 20 * np.log10(max(float(np.abs(samples).max(initial=0)), 1e-9))
    peak_text = f"peak {peak:.1f} dBFS" if peak > -120 else "silent"
    facts = f"{int(seconds) // 60}:{int(seconds) % 60:02d}  ·  {rate / 1000:g} kHz  ·  {peak_text}"
    style.add_heading(figure, theme, title, facts)
    above = _GAP if song is not None else 0.12
    longest = max(stop - start for start, stop in rows)
    for index, (start, stop) in enumerate(rows):
        top = _TOP + above + index * (_ROW_HEIGHT + _GAP)
        width = (stop - start) / longest * (WIDTH - LEFT - RIGHT)
        axes = style.add_axes(figure, LEFT, top, width, _ROW_HEIGHT)
        _draw_row(axes, theme, levels, (start, stop))
        if song is not None:
            number = _first_bar_number(song)
            _draw_bar_lines(axes, theme, bars, (start, stop), longest, first_number=number)
        else:
            _draw_time_axis(axes, (start, stop))
    return figure


plot_spectrogram = style.saved_figure(spectrogram_figure, 2)
"""Write a spectrogram to a PNG, SVG or PDF file; see `spectrogram_figure`."""


def levels_db(mono: NDArray[np.float32], rate: int) -> NDArray[np.float64]:
    """Return the constant-Q magnitudes from C1 to B7 in dB below the maximum, at least -48.

    Shape `(168, frames)`, two bins a semitone.
    """
    librosa = import_librosa()
    if rate != _RATE_HZ:
        mono = librosa.resample(np.asarray(mono, np.float32), orig_sr=rate, target_sr=_RATE_HZ)
    min_samples = 1 << 15  # filter length of the lowest octave
    if len(mono) < min_samples:
        mono = np.pad(mono, (0, min_samples - len(mono)))
    transform = librosa.cqt(
        mono,
        sr=_RATE_HZ,
        hop_length=_HOP_SAMPLES,
        fmin=float(librosa.midi_to_hz(_MIN_PITCH)),
        n_bins=_N_OCTAVES * _BINS_PER_OCTAVE,
        bins_per_octave=_BINS_PER_OCTAVE,
    )
    magnitude = np.abs(transform)
    reference = max(float(magnitude.max(initial=0)), 1e-6)
    levels = 20 * np.log10(np.maximum(magnitude, 1e-10) / reference)
    return np.asarray(np.clip(levels, _FLOOR_DB, 0), np.float64)


def _draw_row(
    axes: Axes, theme: Theme, levels: NDArray[np.float64], span: tuple[float, float]
) -> None:
    """Draw the spectrogram of one row; `span` is its start and end in seconds."""
    start, stop = span
    per_second = _RATE_HZ / _HOP_SAMPLES
    first, last = int(start * per_second), int(np.ceil(stop * per_second)) + 1
    inside = levels[:, first:last]
    top = _MIN_PITCH + 12 * _N_OCTAVES
    edges = (
        first / per_second,
        (first + inside.shape[1]) / per_second,
        _MIN_PITCH - 0.5,
        top - 0.5,
    )
    light = (theme.background, theme.sky, theme.blue, "#00243D")
    colors = (
        light if theme.name == "light" else (theme.background, "#0F4C84", theme.blue, "#EAF6FF")
    )
    axes.imshow(
        inside,
        aspect="auto",
        origin="lower",
        extent=edges,
        cmap=style.colormap(*colors),
        vmin=_FLOOR_DB,
        vmax=0,
        interpolation="nearest",
    )
    style.hide_axes(axes, theme)
    octaves = np.arange(_MIN_PITCH, top, 12)
    axes.hlines(octaves - 0.5, start, stop, colors=theme.octave_line, linewidths=0.5, alpha=0.6)
    axes.set_yticks(octaves, [f"C{octave // 12 - 1}" for octave in octaves])
    axes.set_xlim(start, stop)
    axes.set_ylim(_MIN_PITCH - 0.5, top - 0.5)


def _draw_bar_lines(
    axes: Axes,
    theme: Theme,
    bars: NDArray[np.float64],
    span: tuple[float, float],
    longest_row_s: float,
    *,
    first_number: int,
) -> None:
    """Draw bar lines of a row, and the bar numbers that fit above."""
    inside = np.flatnonzero((bars >= span[0] - 1e-6) & (bars < span[1] - 1e-6))
    axes.vlines(bars[inside], *axes.get_ylim(), colors=theme.bar_line, linewidths=0.6)
    if len(inside) < 1:
        return
    position: dict[str, Any] = {
        "xycoords": ("data", "axes fraction"),
        "textcoords": "offset points",
    }
    free_at_s = -np.inf
    for bar in inside.tolist():
        if bar + first_number > 0 and bars[bar] >= free_at_s:
            axes.annotate(str(bar + first_number), (bars[bar], 1), xytext=(1, 4), size=8.5,
                          color=theme.gray, **position)  # fmt: skip
            free_at_s = bars[bar] + 22 * longest_row_s / (72 * (WIDTH - LEFT - RIGHT))


def _draw_time_axis(axes: Axes, span: tuple[float, float]) -> None:
    """Add a time axis in seconds, or in minutes and seconds for long rows."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator(8, integer=span[1] - span[0] > 8, prune="upper"))
    is_short = span[1] - span[0] <= 8
    formatter = FuncFormatter(
        lambda s, _: f"{s:g}" if is_short else f"{int(s) // 60}:{int(s) % 60:02d}"
    )
    axes.xaxis.set_major_formatter(formatter)
    axes.tick_params(axis="x", labelbottom=True)


def _bar_seconds(song: Song) -> NDArray[np.float64]:
    """Return the start of each bar in seconds."""
    grid = Bars.from_song(song).grid
    return np.asarray(song.tempo.seconds(grid.start_ticks, song.ticks_per_quarter), np.float64)


def _first_bar_number(song: Song) -> int:
    """Return the number of the first bar, 0 for a pickup."""
    grid = Bars.from_song(song).grid
    return 0 if len(grid) and grid.lead_steps[0] > 0 else 1


def _split_rows(
    seconds: float, bars: Sequence[float] | NDArray[np.float64]
) -> list[tuple[float, float]]:
    """Return start and end of each row in seconds, at bar lines where possible."""
    size = seconds / min(max(int(np.ceil(seconds / _MAX_ROW_S)), 1), _MAX_ROWS)
    edges = [0.0]
    while seconds - edges[-1] > 1.2 * size:
        target = edges[-1] + size
        candidates = [bar for bar in bars if edges[-1] + size / 2 < bar <= target + 1e-6]
        edges.append(float(candidates[-1]) if candidates else target)
    return list(zip(edges, [*edges[1:], seconds], strict=True))
