"""Keys and key signatures: estimation, names, and the circle of fifths.

Songs are modeled in one common key, which leaves the model twelve times less to learn about
pitch. The shift is side information, log2(12) = 3.6 bits per song, and is undone after decoding.
Relative major and minor share their seven pitch classes, so the two need not be distinguished.
"""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from musicvae.arrays import Ints

MAJOR_SCALE = (0, 2, 4, 5, 7, 9, 11)
"""Pitch classes of the C major scale."""
MAJOR_SCALE_MASK = np.isin(np.arange(12), MAJOR_SCALE)
"""Whether each pitch class belongs to the C major scale. `(12,)`"""

_PITCH_CLASSES = ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")
# By fifths from -7; the tonic of a minor key is three fifths further.
_TONICS = (
    *("Cb", "Gb", "Db", "Ab", "Eb", "Bb", "F", "C", "G"),
    *("D", "A", "E", "B", "F#", "C#", "G#", "D#", "A#"),
)
_IntOrArray = TypeVar("_IntOrArray", int, Ints)


def estimate_diatonic_key(pitch: Ints, weight: NDArray[np.floating] | Ints | None = None) -> int:
    """Return the tonic of the major scale that contains most of the notes.

    `pitch` and `weight` (durations, say; 1 each by default) are `(M,)`. The result is -6..5, in
    semitones above C; of equally good scales the one nearest to 0. Subtract it from pitches to
    normalize them, add it to undo that.
    """
    shares = np.bincount(np.asarray(pitch) % 12, weights=weight, minlength=12)
    candidates = sorted(range(-6, 6), key=abs)
    scale = MAJOR_SCALE_MASK.astype(np.float64)
    scores = [float(shares @ np.roll(scale, tonic)) for tonic in candidates]
    return candidates[int(np.argmax(np.round(scores, 6)))]


def pitch_name(pitch: int) -> str:
    """Return the name of a MIDI pitch: 60 is `C4`, 61 `C#4`."""
    return f"{_PITCH_CLASSES[pitch % 12]}{pitch // 12 - 1}"


def transpose_fifths(fifths: _IntOrArray, semitones: int) -> _IntOrArray:
    """Return a key signature's fifths, -6..5, after a transposition by `semitones`."""
    return (fifths + 7 * semitones + 6) % 12 - 6


def tonic_name(fifths: int, minor: bool) -> str:
    """Return the tonic of a key signature of -7..7 fifths: `tonic_name(-3, True)` is `C`."""
    return _TONICS[fifths + 7 + 3 * minor]
