"""Floor 2: what the ear of the bar finder hears at each cell: a row of numbers a sixteenth.

Everything is computed from flat arrays of notes by counting and by running sums; nothing depends
on where bar lines are said to be, on the key, or on the tempo.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from musicvae.song import Ints

Floats = NDArray[np.float32]

CELLS_PER_QUARTER = 4
LAGS = (6, 8, 12, 16, 18, 24, 32)  # cells: how far back music may repeat itself
_SPANS = (4, 8, 16)  # cells on both sides that harmony is compared over
_DRUM_CLASS = np.full(128, 6)  # kick, snare, hi-hat, ride, crash, tom, other
for _index, _pitches in enumerate(
    (
        (35, 36),
        (37, 38, 39, 40),
        (22, 26, 42, 44, 46),
        (51, 53, 59),
        (49, 52, 55, 57),
        (41, 43, 45, 47, 48, 50, 58),
    )
):
    _DRUM_CLASS[list(_pitches)] = _index
_N_DRUMS = 7
_NO_PITCH = -999


class Heard(NamedTuple):
    """Notes as cells; arrays `(M,)`. `length` is in cells and may be a fraction."""

    cell: Ints
    length: NDArray[np.float64]
    pitch: Ints
    velocity: Ints
    part: Ints
    is_drum: NDArray[np.bool_]

    def take(self, which: NDArray[np.bool_]) -> Heard:
        """The notes under a mask."""
        return Heard(*(column[which] for column in self))  # type: ignore[arg-type]


N_FEATURES = 18 + len(_SPANS) + 2 * len(LAGS) + _N_DRUMS


def features(heard: Heard, n_cells: int) -> Floats:
    """The rows of all cells `(n_cells, N_FEATURES)`."""
    T = n_cells
    out = np.zeros((N_FEATURES, T), np.float32)
    every = np.bincount(heard.cell, minlength=T)
    at = np.flatnonzero(every)
    out[0, at] = 1
    out[1] = np.log1p(every)
    gap = np.log2(1 + np.append(at[1:], T) - at) / 5
    out[2, at] = gap
    out[3, at[1:]] = gap[:-1]
    if len(at):
        loud = np.zeros(T, np.int64)
        np.maximum.at(loud, heard.cell, heard.velocity)
        out[4, at] = (loud[at] - heard.velocity.sum() / len(heard.velocity)) / 32
    out[17] = 1  # inside the piece: what lies around it is zero
    any_drum = bool(heard.is_drum.any())
    if any_drum:
        _drum_rows(heard.take(heard.is_drum), out[-_N_DRUMS:])
    tones = heard.take(~heard.is_drum) if any_drum else heard
    if len(tones.cell):
        _tone_rows(tones, T, out)
    onset = out[0]
    for row, lag in enumerate(LAGS, start=18 + len(_SPANS) + len(LAGS)):
        np.multiply(onset[lag:], onset[: max(T - lag, 0)], out=out[row, lag:])
    return out.T


def _tone_rows(heard: Heard, T: int, out: Floats) -> None:
    cell, length, pitch = heard.cell, heard.length, heard.pitch
    count = np.bincount(cell, minlength=T)
    at = np.flatnonzero(count)
    outer = np.full((2, T), _NO_PITCH)  # the highest pitch; the lowest one, negative
    np.maximum.at(outer[0], cell, pitch)
    np.maximum.at(outer[1], cell, -pitch)
    is_high, is_low = pitch == outer[0, cell], pitch == -outer[1, cell]
    longest = np.zeros((3, T))  # of all onsets, of the lowest, of the highest
    np.maximum.at(longest[0], cell, length)
    np.maximum.at(longest[1], cell[is_low], length[is_low])
    np.maximum.at(longest[2], cell[is_high], length[is_high])
    out[5:8, at] = np.log2(1 + longest[:, at]) / 5
    edge = outer[:, at]
    above, below = np.minimum(_around(outer)[:, at] - edge, 24) / 12
    out[8, at], out[9, at] = below, above
    bottom = -edge[1]
    step = np.abs(np.diff(bottom))
    out[10, at[1:]] = step == 0
    out[11, at[1:]] = (step == 5) | (step == 7)
    out[12, at[1:]] = np.minimum(step, 12) / 12
    n_parts = int(heard.part.max()) + 1
    first = np.bincount(heard.part * T + cell, minlength=n_parts * T) > 0
    out[13] = first.reshape(n_parts, T).sum(0) / n_parts

    stop = np.minimum(cell + np.maximum(np.rint(length).astype(np.int64), 1), T)
    tone = pitch % 12 * (T + 1)
    edges = np.bincount(tone + cell, minlength=12 * (T + 1))
    edges -= np.bincount(tone + stop, minlength=12 * (T + 1))
    chroma = edges.reshape(12, T + 1)[:, :T].cumsum(1, dtype=np.float32)  # notes sounding
    sounding = chroma.sum(0)
    out[14] = np.log1p(sounding) / 2
    out[15] = sounding < 0.5
    out[16] = np.log1p(np.maximum(sounding - count, 0)) / 2  # held over from before
    reach = _SPANS[-1]
    total = np.zeros((12, T + 2 * reach + 1), np.float32)  # running sum, silence on both sides
    np.cumsum(chroma, axis=1, out=total[:, reach + 1 : T + reach + 1])
    total[:, T + reach + 1 :] = total[:, T + reach, None]
    sounds = [_harmony(total, span) for span in _SPANS]
    for row, (span, sound) in enumerate(zip(_SPANS, sounds, strict=True), start=18):
        before, after = sound[:, reach - span : T + reach - span], sound[:, reach : T + reach]
        out[row] = 1 - _dot(before, after)
    ahead = sounds[0][:, reach : T + reach]
    for row, lag in enumerate(LAGS, start=18 + len(_SPANS)):
        out[row, lag:] = _dot(ahead[:, lag:], ahead[:, : max(T - lag, 0)])


def _harmony(total: Floats, span: int) -> Floats:
    """Unit vectors of the pitch classes in so many cells from each one on, 0 in silence."""
    sound = total[:, span:] - total[:, :-span]
    sound /= np.maximum(np.sqrt(_dot(sound, sound)), 1e-9)
    return sound


def _dot(a: Floats, b: Floats) -> Floats:
    return np.einsum("pt,pt->t", a, b)


def _drum_rows(heard: Heard, out: Floats) -> None:
    kind = _DRUM_CLASS[heard.pitch]
    np.maximum.at(out, (kind, heard.cell), (heard.velocity / 100).astype(np.float32))


def _around(values: Ints) -> Ints:
    """The highest of the cells from 8 before to 7 after each one. Shape as given, `(n, T)`"""
    n, T = values.shape
    wide = np.full((n, T + 15), _NO_PITCH)
    wide[:, 8 : T + 8] = values
    for width in (1, 2, 4, 8):
        wide = np.maximum(wide[:, :-width], wide[:, width:])
    return wide
