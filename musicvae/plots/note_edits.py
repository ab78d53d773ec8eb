"""Figure of note edits: notes deleted from and inserted into a song."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from musicvae.plots import style
from musicvae.plots.pianoroll import song_figure
from musicvae.plots.themes import LIGHT, Theme
from musicvae.song import Part, Song

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_UNCHANGED, _DELETED, _INSERTED = "unchanged", "before", "after"
_VELOCITY = 104  # of all notes: here, opacity does not show velocity


def note_edits_figure(
    before: Song,
    after: Song,
    title: str = "",
    *,
    bars_per_row: int | None = None,
    theme: Theme = LIGHT,
) -> Figure:
    """Draw the note edits between two versions of a song as one piano roll.

    Notes whose onset and pitch are in both are gray, those in `before` alone red, those in `after`
    alone green. Both songs have the same parts.
    """
    parts: list[Part] = []
    for old, new in zip(before.parts, after.parts, strict=True):
        unchanged = np.isin(_onset_keys(new), _onset_keys(old))
        deleted = ~np.isin(_onset_keys(old), _onset_keys(new))
        parts += [
            _relabel(new.select(unchanged), _UNCHANGED),
            _relabel(old.select(deleted), _DELETED),
            _relabel(new.select(~unchanged), _INSERTED),
        ]
    colors = {_UNCHANGED: theme.neutral, _DELETED: theme.red, _INSERTED: theme.green}
    song = replace(after, parts=tuple(parts))
    return song_figure(song, title, bars_per_row=bars_per_row, colors=colors, theme=theme)


plot_note_edits = style.saved_figure(note_edits_figure, 2)
"""Write the note edits between two songs to a PNG, SVG or PDF file; see `note_edits_figure`."""


def _relabel(part: Part, name: str) -> Part:
    """Return a part with another name and constant velocity."""
    return replace(part, name=name, velocity=np.full(len(part), _VELOCITY))


def _onset_keys(part: Part) -> NDArray[np.int64]:
    """Return one integer `(M,)` for each pair of onset and pitch."""
    return part.onset_ticks * 128 + part.pitch
