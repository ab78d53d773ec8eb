"""Pitch tracking: audio -> pitch, voicing probability and loudness every ten milliseconds.

Pitch is librosa's pYIN (Mauch and Dixon 2014), at 16 kHz, which is enough for a whistle.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from musicvae.arrays import Floats, Floats32
from musicvae.io.audio.librosa_import import import_librosa

SAMPLE_RATE_HZ = 16_000
MIN_HZ, MAX_HZ = 70.0, 2400.0  # a bass's low C sharp, a whistle's high D
_HOP, _FRAME, _LEVEL_WINDOW = 160, 1024, 480  # samples
_COARSE_RESOLUTION, _RESOLUTION = 0.5, 0.2  # semitones
_COARSE_HOPS = 4
_RANGE_MARGIN = 7.0  # semitones around the range that the coarse pass finds
_RANGE_DB, _MIN_RANGE_FRAMES = 25.0, 8  # frames that count for the range: level, number
_CHUNK, _OVERLAP = 60 * SAMPLE_RATE_HZ, SAMPLE_RATE_HZ // 2  # samples; bounds the memory of pYIN
_MIN_LEVEL_DB = -100.0


@dataclass(frozen=True, kw_only=True, eq=False)
class PitchTrack:
    """Features of a recording every `hop_s` seconds, arrays `(T,)`."""

    pitch: Floats
    """MIDI pitch, with fractions."""
    voiced_prob: Floats
    """Probability that the frame has a pitch."""
    level_db: Floats
    """Loudness."""
    preemphasis_db: Floats
    """Loudness after pre-emphasis of high frequencies, in which consonants are dips."""
    hop_s: float = _HOP / SAMPLE_RATE_HZ

    def times_s(self, frame: ArrayLike) -> Floats:
        """Return the times of frames in seconds."""
        return np.asarray(frame, np.float64) * self.hop_s


def track_pitch(samples: Floats32) -> PitchTrack:
    """Track the pitch of one voice in samples `(n,)` at `SAMPLE_RATE_HZ`.

    A coarse pass finds the range of the voice and the second one searches only there, which is
    faster and makes fewer octave errors. Without any pitch there is no second pass.
    """
    n_frames, level_db = 1 + len(samples) // _HOP, measure_levels(samples)
    pitch, voiced = _pyin(samples, MIN_HZ, MAX_HZ, _COARSE_HOPS * _HOP, _COARSE_RESOLUTION)
    coarse_db = level_db[::_COARSE_HOPS][: len(pitch)]
    is_loud = coarse_db > np.quantile(coarse_db, 0.95) - _RANGE_DB
    voiced_pitch = pitch[(voiced > 0.5) & is_loud]
    if len(voiced_pitch) < _MIN_RANGE_FRAMES:
        pitch, voiced = (np.repeat(x, _COARSE_HOPS)[:n_frames] for x in (pitch, voiced))
    else:
        margin = np.array([-_RANGE_MARGIN, _RANGE_MARGIN])
        low, high = np.quantile(voiced_pitch, [0.03, 0.97]) + margin
        low_hz, high_hz = 440 * 2 ** ((np.array([low, high]) - 69) / 12)
        low_hz, high_hz = max(low_hz, MIN_HZ), min(high_hz, MAX_HZ)
        pitch, voiced = _pyin(samples, float(low_hz), float(high_hz), _HOP, _RESOLUTION)
    preemphasis_db = measure_levels(np.diff(samples, prepend=samples[:1]))
    return PitchTrack(
        pitch=pitch,
        voiced_prob=voiced,
        level_db=level_db[:n_frames],
        preemphasis_db=preemphasis_db[:n_frames],
    )


def _pyin(
    samples: Floats32, low_hz: float, high_hz: float, hop: int, resolution: float
) -> tuple[Floats, Floats]:
    """Return MIDI pitch and voicing probability at each hop, `(T,)` each, a minute at a time."""
    librosa = import_librosa()
    pitch, voiced = [], []
    for begin in range(0, len(samples), _CHUNK):
        first = max(begin - _OVERLAP, 0)
        f0, _, probability = librosa.pyin(
            samples[first : begin + _CHUNK + _OVERLAP],
            fmin=low_hz,
            fmax=high_hz,
            sr=SAMPLE_RATE_HZ,
            frame_length=_FRAME,
            hop_length=hop,
            resolution=resolution,
            fill_na=None,
        )
        end = begin + _CHUNK if begin + _CHUNK < len(samples) else len(samples) + hop
        first_frame = (begin - first) // hop
        chunk = slice(first_frame, first_frame + -(-(end - begin) // hop))
        pitch.append(69 + 12 * np.log2(np.asarray(f0, np.float64)[chunk] / 440))
        voiced.append(np.asarray(probability, np.float64)[chunk])
    n_frames = 1 + len(samples) // hop
    return np.concatenate(pitch)[:n_frames], np.concatenate(voiced)[:n_frames]


def measure_levels(samples: Floats32) -> Floats:
    """Return the level of each frame in decibels, `(T,)`: mean power under a Hann window."""
    window = np.hanning(_LEVEL_WINDOW)
    power = np.convolve(samples.astype(np.float64) ** 2, window / window.sum(), "same")
    power = power[::_HOP]
    n_missing = 1 + len(samples) // _HOP - len(power)
    power = np.pad(power, (0, max(n_missing, 0)), mode="edge")
    return np.maximum(10 * np.log10(power + 1e-12), _MIN_LEVEL_DB)
