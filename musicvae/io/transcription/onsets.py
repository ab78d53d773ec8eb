"""Onset detection of claps, taps and knocks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from musicvae.arrays import Floats, Floats32
from musicvae.io.audio.librosa_import import import_librosa
from musicvae.io.transcription.pitch import SAMPLE_RATE_HZ

_HOP, _FRAME = 80, 512  # samples: 5 ms, 32 ms
_MIN_DISTANCE_HOPS = 12
_MIN_RELATIVE_STRENGTH = 0.15  # of a strong hit
_ATTACK_HOPS = 8  # after an onset, in which it reaches its full level


@dataclass(frozen=True, kw_only=True, eq=False)
class Onsets:
    """Hits: time and level `(M,)`, and the onset strength `(T,)` they were picked from."""

    onset_s: Floats
    level_db: Floats
    strength: Floats


def detect_onsets(samples: Floats32) -> Onsets:
    """Detect hits in samples `(n,)` at `SAMPLE_RATE_HZ` by the flux of their spectrum."""
    strength = (
        import_librosa()
        .onset.onset_strength(
            y=samples,
            sr=SAMPLE_RATE_HZ,
            hop_length=_HOP,
            n_fft=_FRAME,
            lag=2,
            n_mels=40,
            center=True,
        )
        .astype(np.float64)
    )
    padded = np.pad(strength, _MIN_DISTANCE_HOPS, mode="edge")
    width = 2 * _MIN_DISTANCE_HOPS + 1
    local_max = np.lib.stride_tricks.sliding_window_view(padded, width).max(1)
    peaks = np.flatnonzero((strength == local_max) & (strength > 0))
    strong = np.quantile(strength[peaks], 0.9) if len(peaks) else 0.0
    peaks = peaks[strength[peaks] > _MIN_RELATIVE_STRENGTH * strong]
    peaks = peaks[np.diff(peaks, prepend=-_MIN_DISTANCE_HOPS) >= _MIN_DISTANCE_HOPS]
    power = np.pad(samples.astype(np.float64) ** 2, (0, _FRAME))
    total = np.concatenate([[0.0], np.cumsum(power)])
    size = _ATTACK_HOPS * _HOP
    begin = np.clip((peaks - 2) * _HOP, 0, len(samples))
    energy = (total[np.minimum(begin + size, len(total) - 1)] - total[begin]) / size
    return Onsets(
        onset_s=np.maximum(peaks * _HOP / SAMPLE_RATE_HZ - 0.005, 0.0),
        level_db=10 * np.log10(energy + 1e-12),
        strength=strength,
    )
