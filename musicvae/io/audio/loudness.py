"""Loudness normalization without clipping.

Loudness is integrated loudness by ITU-R BS.1770-4 in LUFS, measured by pyloudnorm. Songs of few
short notes have peaks far above it, which a look-ahead limiter reduces.
"""

from __future__ import annotations

import numpy as np

from musicvae.arrays import Floats32

TARGET_LUFS = -18.0
PEAK_CEILING = 10 ** (-1 / 20)
"""Limit on the absolute value of samples: -1 dBFS."""
_BLOCK_S = 0.4  # of the measurement; shorter audio is padded with silence
_TOLERANCE_DB, _MAX_ITERATIONS = 0.2, 6
_MAX_GAIN_DB = 60.0  # softer audio is noise of the synthesizer
_LIMITER_WINDOW_S = 0.03  # attack and release of the limiter


def measure_loudness(samples: Floats32, rate: int) -> float:
    """Return the integrated loudness of samples `(n, channels)` in LUFS; -inf for silence."""
    from pyloudnorm import Meter

    n_min = int(np.ceil(_BLOCK_S * rate)) + 1
    if len(samples) < n_min:
        samples = np.pad(samples, ((0, n_min - len(samples)), (0, 0)))
    if not np.abs(samples).max(initial=0):
        return -np.inf
    return float(Meter(rate).integrated_loudness(samples.astype(np.float64)))


def normalize_loudness(samples: Floats32, rate: int, lufs: float) -> tuple[Floats32, float]:
    """Return samples `(n, channels)` at a loudness of `lufs`, limited to the ceiling, and the gain.

    Silence, and audio that the measurement gates as silence, is normalized by its peak.
    """
    peak = float(np.abs(samples).max(initial=0))
    if not peak:
        return samples, 1.0
    loudness = measure_loudness(samples, rate)
    if not np.isfinite(loudness) or lufs - loudness > _MAX_GAIN_DB:
        gain = PEAK_CEILING / peak
        return np.asarray(samples * np.float32(gain), np.float32), gain
    gain_db, limited, gain = lufs - loudness, samples, 1.0
    for _ in range(_MAX_ITERATIONS):
        gain = 10 ** (gain_db / 20)
        limited = limit_peaks(samples * np.float32(gain), rate)
        error_db = lufs - measure_loudness(limited, rate)
        if abs(error_db) <= _TOLERANCE_DB:
            break
        gain_db += error_db
    return limited, gain


def limit_peaks(samples: Floats32, rate: int) -> Floats32:
    """Return samples `(n, channels)` with no peak above the ceiling.

    The gain is the minimum that the samples of a window need, smoothed over the same window: it
    is down when a peak comes and has no steps.
    """
    from scipy.ndimage import minimum_filter1d, uniform_filter1d

    envelope = np.abs(samples).max(axis=1)
    if envelope.max(initial=0) <= PEAK_CEILING:
        return np.asarray(samples, np.float32)
    gain = np.minimum(1.0, PEAK_CEILING / np.maximum(envelope, 1e-9))
    size = 2 * max(1, round(_LIMITER_WINDOW_S * rate / 2)) + 1
    gain = uniform_filter1d(minimum_filter1d(gain, size), size)
    return np.asarray(np.clip(samples * gain[:, None], -PEAK_CEILING, PEAK_CEILING), np.float32)
