"""Floor 9: what a recording or a rendering sounds like: a spectrogram whose rows are pitches, with
the bar lines of the song above.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from musicvae.errors import DataError
from musicvae.plots import style
from musicvae.plots.style import LEFT, RIGHT, WIDTH
from musicvae.plots.themes import LIGHT, Theme
from musicvae.representation.bars import Bars
from musicvae.song import Song

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_RATE, _HOP, _LOWEST, _OCTAVES, _PER_OCTAVE = 22_050, 1024, 24, 7, 24  # hz, samples, C1
_ROW_S, _MOST_ROWS = 26.0, 8
_QUIET_DB = -48.0
_TOP, _TALL, _GAP, _BOTTOM = 0.72, 1.75, 0.42, 0.22  # inches


def plot_sound(
    samples: NDArray[np.float32],
    rate: int,
    path: str | Path,
    title: str = "",
    *,
    song: Song | None = None,
    look: Theme = LIGHT,
) -> Path:
    """Draw samples `(n,)` or `(n, channels)` at `rate` hz; a constant-Q transform, half a
    semitone a line. With the song that was rendered its bars stand above, else seconds below.

    PNG, SVG or PDF by the suffix; returns the path. Raises `WriteError`, and `DataError` for sound
    that is empty.
    """
    style.checked_suffix(path)
    if not len(samples):
        raise DataError(f"{path}: no sound to draw")
    with style.drawing():
        return style.save(sound_figure(samples, rate, title, song=song, look=look), path)


def sound_figure(
    samples: NDArray[np.float32],
    rate: int,
    title: str = "",
    *,
    song: Song | None = None,
    look: Theme = LIGHT,
) -> Figure:
    """The picture of `plot_sound` as a matplotlib `Figure`."""
    mono = samples.mean(1) if samples.ndim == 2 else samples
    levels = levels_db(mono, rate)
    seconds = len(mono) / rate
    bars = _bar_seconds(song) if song is not None else np.zeros(0)
    rows = _rows(seconds, bars)
    figure = style.page(look, _TOP + len(rows) * (_TALL + _GAP) + _BOTTOM)
    peak = 20 * np.log10(max(float(np.abs(samples).max(initial=0)), 1e-9))
    peak_words = f"peak {peak:.1f} dBFS" if peak > -120 else "silent"
    facts = f"{int(seconds) // 60}:{int(seconds) % 60:02d}  ·  {rate / 1000:g} kHz  ·  {peak_words}"
    style.heading(figure, look, title, facts)
    above = _GAP if song is not None else 0.12
    longest = max(stop - start for start, stop in rows)
    for nth, (start, stop) in enumerate(rows):
        share = (stop - start) / longest
        top, wide = _TOP + above + nth * (_TALL + _GAP), share * (WIDTH - LEFT - RIGHT)
        axes = style.panel(figure, LEFT, top, wide, _TALL)
        _draw(axes, look, levels, (start, stop))
        if song is not None:
            _bar_lines(axes, look, bars, (start, stop), longest, first=_first_number(song))
        else:
            _seconds(axes, (start, stop))
    return figure


def levels_db(mono: NDArray[np.float32], rate: int) -> NDArray[np.float64]:
    """Loudness of each half of a semitone from C1 to B7 over time `(168, frames)`, in dB below
    the loudest; -48 and less is -48.
    """
    import librosa

    if rate != _RATE:
        mono = librosa.resample(np.asarray(mono, np.float32), orig_sr=rate, target_sr=_RATE)
    least = 1 << 15  # what the lowest octave needs
    if len(mono) < least:
        mono = np.pad(mono, (0, least - len(mono)))
    found = librosa.cqt(
        mono,
        sr=_RATE,
        hop_length=_HOP,
        fmin=float(librosa.midi_to_hz(_LOWEST)),
        n_bins=_OCTAVES * _PER_OCTAVE,
        bins_per_octave=_PER_OCTAVE,
    )
    size = np.abs(found)
    levels = 20 * np.log10(np.maximum(size, 1e-10) / max(float(size.max(initial=0)), 1e-6))
    return np.asarray(np.clip(levels, _QUIET_DB, 0), np.float64)


def _draw(axes: Axes, look: Theme, levels: NDArray[np.float64], span: tuple[float, float]) -> None:
    start, stop = span
    per_second = _RATE / _HOP
    first, last = int(start * per_second), int(np.ceil(stop * per_second)) + 1
    inside = levels[:, first:last]
    top = _LOWEST + 12 * _OCTAVES
    edges = (first / per_second, (first + inside.shape[1]) / per_second, _LOWEST - 0.5, top - 0.5)
    light = (look.paper, look.sky, look.blue, "#00243D")
    shades = light if look.name == "light" else (look.paper, "#0F4C84", look.blue, "#EAF6FF")
    axes.imshow(
        inside,
        aspect="auto",
        origin="lower",
        extent=edges,
        cmap=style.ramp(*shades),
        vmin=_QUIET_DB,
        vmax=0,
        interpolation="nearest",
    )
    style.bare(axes, look)
    octaves = np.arange(_LOWEST, top, 12)
    axes.hlines(octaves - 0.5, start, stop, colors=look.octave_line, linewidths=0.5, alpha=0.6)
    axes.set_yticks(octaves, [f"C{octave // 12 - 1}" for octave in octaves])
    axes.set_xlim(start, stop)
    axes.set_ylim(_LOWEST - 0.5, top - 0.5)


def _bar_lines(
    axes: Axes,
    look: Theme,
    bars: NDArray[np.float64],
    span: tuple[float, float],
    longest: float,
    *,
    first: int,
) -> None:
    inside = np.flatnonzero((bars >= span[0] - 1e-6) & (bars < span[1] - 1e-6))
    axes.vlines(bars[inside], *axes.get_ylim(), colors=look.bar_line, linewidths=0.6)
    if len(inside) < 1:
        return
    how: dict[str, Any] = {"xycoords": ("data", "axes fraction"), "textcoords": "offset points"}
    free = -np.inf
    for bar in inside.tolist():
        if bar + first > 0 and bars[bar] >= free:
            axes.annotate(str(bar + first), (bars[bar], 1), xytext=(1, 4), size=8.5,
                          color=look.grey, **how)  # fmt: skip
            free = bars[bar] + 22 * longest / (72 * (WIDTH - LEFT - RIGHT))


def _seconds(axes: Axes, span: tuple[float, float]) -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator(8, integer=span[1] - span[0] > 8, prune="upper"))
    short = span[1] - span[0] <= 8
    form = FuncFormatter(lambda s, _: f"{s:g}" if short else f"{int(s) // 60}:{int(s) % 60:02d}")
    axes.xaxis.set_major_formatter(form)
    axes.tick_params(axis="x", labelbottom=True)


def _bar_seconds(song: Song) -> NDArray[np.float64]:
    grid = Bars.from_song(song).grid
    return np.asarray(song.tempo.seconds(grid.start_ticks, song.ticks_per_quarter), np.float64)


def _first_number(song: Song) -> int:
    grid = Bars.from_song(song).grid
    return 0 if len(grid) and grid.lead[0] > 0 else 1


def _rows(seconds: float, bars: Sequence[float] | NDArray[np.float64]) -> list[tuple[float, float]]:
    """Where rows begin and end, in seconds: whole bars where there are some."""
    size = seconds / min(max(int(np.ceil(seconds / _ROW_S)), 1), _MOST_ROWS)
    edges = [0.0]
    while seconds - edges[-1] > 1.2 * size:
        nearest = edges[-1] + size
        behind = [bar for bar in bars if edges[-1] + size / 2 < bar <= nearest + 1e-6]
        edges.append(float(behind[-1]) if behind else nearest)
    return list(zip(edges, [*edges[1:], seconds], strict=True))
