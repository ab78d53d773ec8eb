"""Floor 7: windows of a folder as a table of notes on the CPU."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from musicvae.dataset import Windows
from musicvae.models.vae import table_of_batch
from musicvae.song import Ints
from musicvae.tables import Table

_CHUNK = 4096


def table_of(windows: Windows, index: Ints) -> Table:
    """The windows at `index` `(W,)` with their notes, pitches normalised by key."""
    songs = {path: nth for nth, path in enumerate(windows.songs)}
    of_source = np.array([songs.get(source.path, -1) for source in windows.sources])
    pieces = []
    for begin in range(0, max(len(index), 1), _CHUNK):
        which = index[begin : begin + _CHUNK]
        source, first = windows.source[which], windows.first[which]
        tempo = [_qpm(windows, *at) for at in zip(source.tolist(), first.tolist(), strict=True)]
        table = table_of_batch(windows.batch(which), windows.preset)
        pieces.append(replace(table, song=of_source[source], qpm=np.array(tempo, np.float64)))
    return pieces[0] if len(pieces) == 1 else Table.concatenate(pieces)


def _qpm(windows: Windows, source: int, first: int) -> float:
    """The tempo that holds as a window begins, in quarters a minute."""
    bars = windows.sources[source].bars
    tempo, at = bars.frame.tempo, bars.grid.start_ticks[first]
    return float(tempo.qpm[max(int(np.searchsorted(tempo.ticks, at, side="right")) - 1, 0)])
