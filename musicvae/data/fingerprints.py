"""Content hashes of songs and of their bars, for finding duplicates.

A hash is the sum of one well-mixed 64-bit number per note, so the order of notes and of parts does
not matter, and a song takes a few array operations.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from musicvae.arrays import Ints
from musicvae.representation.bars import Bars, cell_index

Hashes = NDArray[np.uint64]
MIN_NOTES_PER_BAR = 4  # bars with fewer notes are too common to compare


class Fingerprint(NamedTuple):
    """Hashes that identify a song."""

    bar_hashes: Hashes
    """Sorted hashes of the distinct bars of at least `MIN_NOTES_PER_BAR` notes, the same in every
    transposition. Drums are never transposed; they count only in a song that has nothing else."""
    music_hash: int
    """A hash of all notes from the first one on, invariant to transposition, velocities, names and
    the order of parts."""
    lowest_pitch: int
    """The lowest melodic pitch, 0 if there are only drums. Songs with the same `music_hash` are
    transpositions of each other; with the same lowest pitch they are the same."""


def fingerprint(bars: Bars) -> Fingerprint:
    """Return the fingerprint of a song with at least one note."""
    notes = bars.notes
    is_drum = np.array([part.is_drum for part in bars.header.parts], bool)[notes.part]
    cell, has_drums = cell_index(bars.grid, notes), bool(is_drum.any())
    melodic = notes.pitch[~is_drum] if has_drums else notes.pitch
    lowest = int(melodic.min()) if len(melodic) else 0
    relative = notes.pitch - lowest
    if has_drums:
        relative = np.where(is_drum, notes.pitch + 128, relative)
    music = _note_hashes(cell - cell[0], relative, notes.duration).sum(dtype=np.uint64)

    bar, step, pitch, duration = notes.bar, notes.step, notes.pitch, notes.duration
    if has_drums and len(melodic):
        bar, step, pitch, duration = (column[~is_drum] for column in (bar, step, pitch, duration))
    first = np.flatnonzero(np.diff(bar, prepend=-1))
    count = np.diff(first, append=len(bar))
    bar_lowest = np.repeat(np.minimum.reduceat(pitch, first), count)
    sums = np.add.reduceat(_note_hashes(step, pitch - bar_lowest, duration), first)
    return Fingerprint(np.unique(sums[count >= MIN_NOTES_PER_BAR]), int(music), lowest)


def set_hash(hashes: Hashes, offsets: Ints) -> Hashes:
    """Return one hash for each run `hashes[offsets[i]:offsets[i + 1]]` as a set, 0 if empty."""
    total = np.concatenate([np.zeros(1, np.uint64), np.cumsum(_splitmix64(hashes))])
    return total[offsets[1:]] - total[offsets[:-1]]


def _note_hashes(time: Ints, pitch: Ints, duration: Ints) -> Hashes:
    """Hash each note; the packing is injective for durations below 2**27 cells."""
    packed = (time << 36) ^ (duration << 9) ^ pitch
    return _splitmix64(packed.view(np.uint64))


def _splitmix64(values: Hashes) -> Hashes:
    """Apply the SplitMix64 finalizer (Steele, Lea and Flood 2014), a bijection of 64 bits."""
    mixed = values + np.uint64(0x9E3779B97F4A7C15)
    mixed ^= mixed >> np.uint64(30)
    mixed *= np.uint64(0xBF58476D1CE4E5B9)
    mixed ^= mixed >> np.uint64(27)
    mixed *= np.uint64(0x94D049BB133111EB)
    mixed ^= mixed >> np.uint64(31)
    return mixed
