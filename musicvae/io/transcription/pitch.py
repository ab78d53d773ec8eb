"""Floor 3: sound -> frames of ten milliseconds: pitch, how surely there is one, loudness.

Pitch is librosa's pYIN (Mauch and Dixon 2014), at 16 kHz, which is enough for a whistle.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Samples = NDArray[np.float32]
Reals = NDArray[np.float64]

RATE = 16_000
LOWEST_HZ, HIGHEST_HZ = 70.0, 2400.0  # a bass's low C sharp, a whistle's high D
_HOP, _FRAME, _LEVEL = 160, 1024, 480  # samples
_RESOLUTION = 0.2  # semitones
_COARSE, _MARGIN = 4, 7.0  # hops of the first pass; semitones around the range that it finds
_RANGE_DB, _FEWEST = 25.0, 8  # below the loudest, frames say nothing of the range; frames needed
_PIECE, _OVERLAP = 60 * RATE, RATE // 2  # samples: memory grows with the length of a piece
_QUIETEST_DB = -100.0


@dataclass(frozen=True, kw_only=True, eq=False)
class Frames:
    """What is heard at each frame; arrays `(T,)`: MIDI pitch, the probability of one, decibels."""

    pitch: Reals
    voiced: Reals
    level_db: Reals
    bright_db: Reals
    """Loudness of the sound with its high tones raised, in which consonants are dips."""
    hop_s: float = _HOP / RATE

    def at(self, frame: ArrayLike) -> Reals:
        """The time in seconds of frames."""
        return np.asarray(frame, np.float64) * self.hop_s


def frames_of(samples: Samples) -> Frames:
    """The frames of samples `(n,)` at `RATE`, one voice.

    A first, coarse pass finds the range of the voice, and the second one listens there alone: it is
    quicker, and octaves are mistaken less often. Without any pitch there is no second one.
    """
    size, loud = 1 + len(samples) // _HOP, levels(samples)
    pitch, voiced = _pyin(samples, LOWEST_HZ, HIGHEST_HZ, _COARSE * _HOP, 0.5)
    level = loud[::_COARSE][: len(pitch)]
    heard = pitch[(voiced > 0.5) & (level > np.quantile(level, 0.95) - _RANGE_DB)]
    if len(heard) < _FEWEST:
        pitch, voiced = (np.repeat(line, _COARSE)[:size] for line in (pitch, voiced))
    else:
        low, high = np.quantile(heard, [0.03, 0.97]) + np.array([-_MARGIN, _MARGIN])
        low_hz, high_hz = 440 * 2 ** ((np.array([low, high]) - 69) / 12)
        lowest, highest = max(low_hz, LOWEST_HZ), min(high_hz, HIGHEST_HZ)
        pitch, voiced = _pyin(samples, float(lowest), float(highest), _HOP, _RESOLUTION)
    bright = levels(np.diff(samples, prepend=samples[:1]))
    return Frames(pitch=pitch, voiced=voiced, level_db=loud[:size], bright_db=bright[:size])


def _pyin(
    samples: Samples, low_hz: float, high_hz: float, hop: int, resolution: float
) -> tuple[Reals, Reals]:
    """MIDI pitch and the probability of one at each hop `(T,)`, a minute at a time."""
    import librosa

    pitch, voiced = [], []
    for begin in range(0, len(samples), _PIECE):
        first = max(begin - _OVERLAP, 0)
        f0, _, sure = librosa.pyin(
            samples[first : begin + _PIECE + _OVERLAP],
            fmin=low_hz,
            fmax=high_hz,
            sr=RATE,
            frame_length=_FRAME,
            hop_length=hop,
            resolution=resolution,
            fill_na=None,
        )
        end = begin + _PIECE if begin + _PIECE < len(samples) else len(samples) + hop
        own = slice((begin - first) // hop, (begin - first) // hop + -(-(end - begin) // hop))
        pitch.append(69 + 12 * np.log2(np.asarray(f0, np.float64)[own] / 440))
        voiced.append(np.asarray(sure, np.float64)[own])
    size = 1 + len(samples) // hop
    return np.concatenate(pitch)[:size], np.concatenate(voiced)[:size]


def levels(samples: Samples) -> Reals:
    """Loudness around each frame's time in decibels, `(T,)`: a smooth mean of squares."""
    window = np.hanning(_LEVEL)
    power = np.convolve(samples.astype(np.float64) ** 2, window / window.sum(), "same")
    power = power[::_HOP]
    missing = 1 + len(samples) // _HOP - len(power)
    power = np.pad(power, (0, max(missing, 0)), mode="edge")
    return np.maximum(10 * np.log10(power + 1e-12), _QUIETEST_DB)
