"""Floor 5: numbers by which songs are told to be the same: of each bar, and of a whole song.

All are sums of well mixed 64-bit numbers, one a note, so the order of notes and of parts does not
matter, and a song is done in a few array operations.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from musicvae.representation.bars import Bars, cells

Hashes = NDArray[np.uint64]
FEWEST_NOTES = 4  # a bar of fewer notes says too little


class Marks(NamedTuple):
    """What a song is known by."""

    bars: Hashes
    """A number for each different bar of at least four notes, the same in every transposition,
    sorted. Drums are never transposed, so they count only in a song that has nothing else."""
    music: int
    """A number for all notes of the song from its first one on, blind to transposition, velocities,
    names and the order of parts."""
    lowest: int
    """The lowest pitch that is not a drum's: songs with the same `music` are transpositions of each
    other, and the same if this is the same as well. 0 if there are only drums."""


def marks(bars: Bars) -> Marks:
    """The numbers a song with notes is known by."""
    notes = bars.notes
    is_drum = np.array([part.is_drum for part in bars.frame.parts], bool)[notes.part]
    cell, drums = cells(bars.grid, notes), bool(is_drum.any())
    melodic = notes.pitch[~is_drum] if drums else notes.pitch
    lowest = int(melodic.min()) if len(melodic) else 0
    pitch = np.where(is_drum, notes.pitch + 128, notes.pitch - lowest) if drums else None
    relative = notes.pitch - lowest if pitch is None else pitch
    music = _mixed(cell - cell[0], relative, notes.duration).sum(dtype=np.uint64)

    bar, step, high, duration = notes.bar, notes.step, notes.pitch, notes.duration
    if drums and len(melodic):
        bar, step, high, duration = (column[~is_drum] for column in (bar, step, high, duration))
    begin = np.flatnonzero(np.diff(bar, prepend=-1))
    count = np.diff(begin, append=len(bar))
    base = np.repeat(np.minimum.reduceat(high, begin), count)
    sums = np.add.reduceat(_mixed(step, high - base, duration), begin)
    return Marks(np.unique(sums[count >= FEWEST_NOTES]), int(music), lowest)


def set_hash(prints: Hashes, offsets: NDArray[np.int64]) -> Hashes:
    """One number for each run `prints[offsets[i]:offsets[i + 1]]` as a set, 0 for an empty one."""
    total = np.concatenate([np.zeros(1, np.uint64), np.cumsum(_scrambled(prints))])
    return total[offsets[1:]] - total[offsets[:-1]]


def _mixed(
    time: NDArray[np.int64], pitch: NDArray[np.int64], duration: NDArray[np.int64]
) -> Hashes:
    """A number for each note; differs whenever a column does (durations below 2**27 cells)."""
    packed = (time << 36) ^ (duration << 9) ^ pitch
    return _scrambled(packed.view(np.uint64))


def _scrambled(values: Hashes) -> Hashes:
    """The finishing steps of SplitMix64 (Steele, Lea, Flood 2014): a one-to-one scattering."""
    mixed = values + np.uint64(0x9E3779B97F4A7C15)
    mixed ^= mixed >> np.uint64(30)
    mixed *= np.uint64(0xBF58476D1CE4E5B9)
    mixed ^= mixed >> np.uint64(27)
    mixed *= np.uint64(0x94D049BB133111EB)
    mixed ^= mixed >> np.uint64(31)
    return mixed
