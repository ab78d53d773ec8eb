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

_UNCHANGED, _DELETED, _INSERTED = "as it was", "before", "after"
_VELOCITY = 104  # notes are not told apart by velocity here


def plot_note_edits(
    before: Song,
    after: Song,
    path: str | Path,
    title: str = "",
    *,
    bars_per_row: int | None = None,
    theme: Theme = LIGHT,
) -> Path:
    """Draw a song and what became of it as one roll: in grey the notes that begin as they did, in
    red those of `before` alone, in green those of `after` alone.

    Both have the same parts. PNG, SVG or PDF by the suffix; returns the path. Raises `WriteError`.
    """
    style.check_suffix(path)
    parts: list[Part] = []
    for one, other in zip(before.parts, after.parts, strict=True):
        kept = np.isin(_onset_keys(other), _onset_keys(one))
        gone = ~np.isin(_onset_keys(one), _onset_keys(other))
        parts += [
            _relabel(other.select(kept), _UNCHANGED),
            _relabel(one.select(gone), _DELETED),
            _relabel(other.select(~kept), _INSERTED),
        ]
    together = replace(after, parts=tuple(parts))
    with style.style_context():
        colours = {_UNCHANGED: theme.neutral, _DELETED: theme.red, _INSERTED: theme.green}
        figure = song_figure(together, title, bars_per_row=bars_per_row, colors=colours, theme=theme)
        return style.save_figure(figure, path)


def _relabel(part: Part, name: str) -> Part:
    loud = np.full(len(part), _VELOCITY)
    return replace(part, name=name, velocity=loud)


def _onset_keys(part: Part) -> NDArray[np.int64]:
    return part.onset_ticks * 128 + part.pitch
