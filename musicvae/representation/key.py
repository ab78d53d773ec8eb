"""Floor 2: the key a piece is in, as the seven notes it mostly uses.

Pieces are learned from in one common key: what a model must know about pitch shrinks twelvefold.
The shift is side information, log2(12) = 3.6 bits once a song, and is undone after decoding.
Relative major and minor share their seven notes, so no decision between them is needed.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from musicvae.song import Ints

_MAJOR = np.array([1, 0, 1, 0, 1, 1, 0, 1, 0, 1, 0, 1], np.float64)

_NAMES = ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")


def diatonic_key(pitch: Ints, weight: NDArray[np.floating] | Ints | None = None) -> int:
    """The major scale, by its tonic's pitch class, that holds most of these notes.

    `pitch` and `weight` (durations, say; 1 each if not given) are `(M,)`. Returns the number of
    semitones, -6..5, by which the piece lies above the scale of C; of equals the nearest to 0.
    Subtract it from pitches to normalise, add it to go back.
    """
    shares = np.bincount(np.asarray(pitch) % 12, weights=weight, minlength=12)
    candidates = sorted(range(-6, 6), key=abs)
    fit = [float(shares @ np.roll(_MAJOR, tonic)) for tonic in candidates]
    return candidates[int(np.argmax(np.round(fit, 6)))]


def pitch_name(pitch: int) -> str:
    """A MIDI pitch in words: 60 is `C4`, 61 `C#4`."""
    return f"{_NAMES[pitch % 12]}{pitch // 12 - 1}"
