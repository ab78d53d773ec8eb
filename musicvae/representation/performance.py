"""A song as it is played: notes of a song with swing are moved from where they are notated."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from musicvae.arrays import Floats, Ints
from musicvae.representation.grid import Grid, grid_from_song, is_compound
from musicvae.song import Part, Song
from musicvae.swing import Swing


def performed(song: Song) -> Song:
    """Return the song with its swing played, the same song if it has none.

    Pairs are counted from each bar line, in a pickup back from the next one; what is left of a bar
    that no pair fills, and bars of compound meters, stay as they are.
    """
    if song.swing is None:
        return song
    grid = grid_from_song(song, 1)
    parts = tuple(_performed_part(part, song.swing, grid) for part in song.parts)
    return replace(song, parts=parts, swing=None)


def _performed_part(part: Part, swing: Swing, grid: Grid) -> Part:
    if not len(part):
        return part
    onset = _performed_ticks(part.onset_ticks, swing, grid)
    stop = _performed_ticks(part.onset_ticks + part.duration_ticks, swing, grid)
    return part.with_notes(onset, np.maximum(stop - onset, 1), part.pitch, part.velocity)


def _performed_ticks(ticks: Ints, swing: Swing, grid: Grid) -> Ints:
    """Return when notated ticks `(M,)` are played."""
    tpq, bar = grid.ticks_per_quarter, grid.start_ticks.searchsorted(ticks, side="right") - 1
    bar = np.maximum(bar, 0)
    start, length = grid.start_ticks[bar], grid.length_ticks[bar]
    quarters: Floats = length / tpq
    rest = quarters % swing.pair_quarters
    is_pickup = (bar == 0) & (grid.lead_steps[0] > 0)
    skipped = np.where(is_pickup, rest, 0.0)  # of a pickup, before its first pair
    at = (ticks - start) / tpq - skipped
    paired = (at >= 0) & (at < quarters - rest) & (ticks < start + length)
    paired &= ~is_compound(grid.numerator[bar], grid.denominator[bar])
    played = np.where(paired, swing.perform(at), at)
    return start + np.round((played + skipped) * tpq).astype(np.int64)
