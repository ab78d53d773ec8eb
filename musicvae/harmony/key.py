"""The key of a song: the one it states, unless its notes say otherwise."""

from __future__ import annotations

import numpy as np

from musicvae.arrays import Floats
from musicvae.representation.key import (
    MAJOR_SCALE_MASK,
    estimate_fifths,
)
from musicvae.song import Song

_MAX_LOSS = 0.05  # of the notes that a stated scale may hold less than the best one
# Pitch classes above a tonic that make it one: its triad, and in minor the leading note.
_OUTER = 0.1  # what the lowest note at the start, and that at the end, say for it
_MAJOR_TRIAD, _MINOR_TRIAD = (0, 4, 7), (0, 3, 7)


def song_key(song: Song) -> tuple[int, bool]:
    """Return the fifths of the key signature of a song, -7..7, and whether its key is minor.

    The first key that the song states, unless another scale holds clearly more of its notes: many
    files state C major whatever they are in. Major or minor is then what the triads of both tonics
    say, and the lowest notes at the start and the end.
    """
    weight = _pitch_class_weights(song)
    fifths = estimate_fifths(np.arange(12), weight)
    tonic = 7 * fifths % 12
    if len(song.key.ticks):
        stated = int(song.key.fifths[0])
        loss = _scale_share(weight, 7 * fifths) - _scale_share(weight, 7 * stated)
        if loss <= _MAX_LOSS:
            return stated, bool(song.key.minor[0])
    major = sum(weight[(tonic + i) % 12] for i in _MAJOR_TRIAD)
    minor = sum(weight[(tonic + 9 + i) % 12] for i in _MINOR_TRIAD) + weight[(tonic + 8) % 12]
    for bass in _outer_basses(song):
        major, minor = (
            major + _OUTER * (bass == tonic),
            minor + _OUTER * (bass == (tonic + 9) % 12),
        )
    return fifths, bool(minor > major)


def _pitch_class_weights(song: Song) -> Floats:
    """Return the share of time of each pitch class in all pitched parts, `(12,)`."""
    weight = np.zeros(12)
    for part in song.parts:
        if not part.is_drum:
            weight += np.bincount(part.pitch % 12, part.duration_ticks, 12)
    return weight / max(weight.sum(), 1)


def _scale_share(weight: Floats, tonic: int) -> float:
    """Return the share of notes in the major scale on a tonic."""
    return float(weight[np.roll(MAJOR_SCALE_MASK, tonic % 12)].sum())


def _outer_basses(song: Song) -> list[int]:
    """Return the pitch classes of the lowest notes at the start and at the end of a song."""
    parts = [part for part in song.parts if not part.is_drum and len(part)]
    if not parts:
        return []
    onset, end, pitch = (
        np.concatenate(columns)
        for columns in zip(
            *((p.onset_ticks, p.onset_ticks + p.duration_ticks, p.pitch) for p in parts),
            strict=True,
        )
    )
    first, last = pitch[onset == onset.min()].min(), pitch[end == end.max()].min()
    return [int(first) % 12, int(last) % 12]
