"""Floor 9: what was changed in a song: notes taken out and put in, among those that stayed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from musicvae.plots import style
from musicvae.plots.pianoroll import song_figure
from musicvae.plots.themes import LIGHT, Theme
from musicvae.song import Part, Song

_STAYED, _OUT, _IN = "as it was", "before", "after"
_LOUD = 104  # notes are not told apart by velocity here


def plot_changes(
    before: Song,
    after: Song,
    path: str | Path,
    title: str = "",
    *,
    bars_per_row: int | None = None,
    look: Theme = LIGHT,
) -> Path:
    """Draw a song and what became of it as one roll: in grey the notes that begin as they did, in
    red those of `before` alone, in green those of `after` alone.

    Both have the same parts. PNG, SVG or PDF by the suffix; returns the path. Raises `WriteError`.
    """
    style.checked_suffix(path)
    parts: list[Part] = []
    for one, other in zip(before.parts, after.parts, strict=True):
        kept = np.isin(_onsets(other), _onsets(one))
        gone = ~np.isin(_onsets(one), _onsets(other))
        parts += [
            _named(other.take(kept), _STAYED),
            _named(one.take(gone), _OUT),
            _named(other.take(~kept), _IN),
        ]
    together = replace(after, parts=tuple(parts))
    with style.drawing():
        colours = {_STAYED: look.neutral, _OUT: look.red, _IN: look.green}
        figure = song_figure(together, title, bars_per_row=bars_per_row, colours=colours, look=look)
        return style.save(figure, path)


def _named(part: Part, name: str) -> Part:
    loud = np.full(len(part), _LOUD)
    return replace(part, name=name, velocity=loud)


def _onsets(part: Part) -> NDArray[np.int64]:
    return part.onset_ticks * 128 + part.pitch
