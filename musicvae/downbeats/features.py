"""Input features of the downbeat network: one vector for each cell, a sixteenth.

Computed from flat arrays of notes by counts and running sums, independent of the notated bar
lines, of key and of tempo.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from musicvae.arrays import Floats32, Ints
from musicvae.representation.drums import (
    CLOSED_HAT,
    CRASH,
    GM_PERCUSSION,
    HIGH_TOM,
    KICK,
    KIT_PITCHES,
    LOW_TOM,
    MID_TOM,
    OPEN_HAT,
    RIDE,
    ROLAND_KIT_PITCHES,
    SNARE,
)

CELLS_PER_QUARTER = 4
LAGS = (6, 8, 12, 16, 18, 24, 32)  # cells, of repetition features
_SPANS = (4, 8, 16)  # cells before and after over which harmony is compared
_DRUM_GROUPS = (  # of the classes of `drums.DRUM_CLASSES`; percussion outside the kit comes last
    *((KICK,), (SNARE,), (CLOSED_HAT, OPEN_HAT), (RIDE,), (CRASH,)),
    (LOW_TOM, MID_TOM, HIGH_TOM),
)
_DRUM_CLASS = np.full(128, len(_DRUM_GROUPS))
for _pitch in (*KIT_PITCHES, *ROLAND_KIT_PITCHES):
    _DRUM_CLASS[_pitch] = next(
        i for i, group in enumerate(_DRUM_GROUPS) if GM_PERCUSSION[_pitch][1] in group
    )
_N_DRUM_CLASSES = 7
_NO_PITCH = -999


class NoteFeatures(NamedTuple):
    """Notes on the cell grid; arrays `(M,)`. `length` is in cells and may be fractional."""

    cell: Ints
    length: NDArray[np.float64]
    pitch: Ints
    velocity: Ints
    part: Ints
    is_drum: NDArray[np.bool_]

    def select(self, mask: NDArray[np.bool_]) -> NoteFeatures:
        """Return the notes under a mask `(M,)`."""
        return NoteFeatures(*(column[mask] for column in self))  # type: ignore[arg-type]


N_FEATURES = 18 + len(_SPANS) + 2 * len(LAGS) + _N_DRUM_CLASSES


def cell_features(notes: NoteFeatures, n_cells: int) -> Floats32:
    """Return the features of all cells. `(n_cells, N_FEATURES)`"""
    T = n_cells
    out = np.zeros((N_FEATURES, T), np.float32)
    every = np.bincount(notes.cell, minlength=T)
    at = np.flatnonzero(every)
    out[0, at] = 1
    out[1] = np.log1p(every)
    gap = np.log2(1 + np.append(at[1:], T) - at) / 5
    out[2, at] = gap
    out[3, at[1:]] = gap[:-1]
    if len(at):
        loud = np.zeros(T, np.int64)
        np.maximum.at(loud, notes.cell, notes.velocity)
        out[4, at] = (loud[at] - notes.velocity.sum() / len(notes.velocity)) / 32
    out[17] = 1  # inside the song, 0 in the padding
    any_drum = bool(notes.is_drum.any())
    if any_drum:
        _drum_features(notes.select(notes.is_drum), out[-_N_DRUM_CLASSES:])
    tones = notes.select(~notes.is_drum) if any_drum else notes
    if len(tones.cell):
        _pitched_features(tones, T, out)
    onset = out[0]
    for row, lag in enumerate(LAGS, start=18 + len(_SPANS) + len(LAGS)):
        np.multiply(onset[lag:], onset[: max(T - lag, 0)], out=out[row, lag:])
    return out.T


def _pitched_features(notes: NoteFeatures, T: int, out: Floats32) -> None:
    cell, length, pitch = notes.cell, notes.length, notes.pitch
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
    above, below = np.minimum(_local_maximum(outer)[:, at] - edge, 24) / 12
    out[8, at], out[9, at] = below, above
    bottom = -edge[1]
    step = np.abs(np.diff(bottom))
    out[10, at[1:]] = step == 0
    out[11, at[1:]] = (step == 5) | (step == 7)
    out[12, at[1:]] = np.minimum(step, 12) / 12
    n_parts = int(notes.part.max()) + 1
    first = np.bincount(notes.part * T + cell, minlength=n_parts * T) > 0
    out[13] = first.reshape(n_parts, T).sum(0) / n_parts

    stop = np.minimum(cell + np.maximum(np.rint(length).astype(np.int64), 1), T)
    tone = pitch % 12 * (T + 1)
    edges = np.bincount(tone + cell, minlength=12 * (T + 1))
    edges -= np.bincount(tone + stop, minlength=12 * (T + 1))
    chroma = edges.reshape(12, T + 1)[:, :T].cumsum(1, dtype=np.float32)  # notes sounding
    sounding = chroma.sum(0)
    out[14] = np.log1p(sounding) / 2
    out[15] = sounding < 0.5
    out[16] = np.log1p(np.maximum(sounding - count, 0)) / 2  # sustained from earlier cells
    reach = _SPANS[-1]
    total = np.zeros((12, T + 2 * reach + 1), np.float32)  # running sum, silence on both sides
    np.cumsum(chroma, axis=1, out=total[:, reach + 1 : T + reach + 1])
    total[:, T + reach + 1 :] = total[:, T + reach, None]
    sounds = [_chroma_vectors(total, span) for span in _SPANS]
    for row, (span, sound) in enumerate(zip(_SPANS, sounds, strict=True), start=18):
        before, after = sound[:, reach - span : T + reach - span], sound[:, reach : T + reach]
        out[row] = 1 - _dot(before, after)
    ahead = sounds[0][:, reach : T + reach]
    for row, lag in enumerate(LAGS, start=18 + len(_SPANS)):
        out[row, lag:] = _dot(ahead[:, lag:], ahead[:, : max(T - lag, 0)])


def _chroma_vectors(total: Floats32, span: int) -> Floats32:
    """Return unit chroma vectors over `span` cells from each one on, 0 in silence."""
    sound = total[:, span:] - total[:, :-span]
    sound /= np.maximum(np.sqrt(_dot(sound, sound)), 1e-9)
    return sound


def _dot(a: Floats32, b: Floats32) -> Floats32:
    return np.einsum("pt,pt->t", a, b)


def _drum_features(notes: NoteFeatures, out: Floats32) -> None:
    kind = _DRUM_CLASS[notes.pitch]
    np.maximum.at(out, (kind, notes.cell), (notes.velocity / 100).astype(np.float32))


def _local_maximum(values: Ints) -> Ints:
    """Return the maximum over the cells from 8 before to 7 after each one. `(n, T)`"""
    n, T = values.shape
    wide = np.full((n, T + 15), _NO_PITCH)
    wide[:, 8 : T + 8] = values
    for width in (1, 2, 4, 8):
        wide = np.maximum(wide[:, :-width], wide[:, width:])
    return wide
