"""Floor 3: how loud sound is, and making it as loud as is asked for without clipping.

Loudness is integrated loudness by ITU-R BS.1770-4 in LUFS, measured by pyloudnorm. Songs of few
short notes have peaks far above it, so these are held down by a limiter that sees them coming.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]

TARGET_LUFS = -18.0
CEILING = 10 ** (-1 / 20)
"""No sample is above it: -1 dBFS."""
_BLOCK_S = 0.4  # of the measure; what is shorter is measured as if silence followed
_NEAR_DB, _TRIES = 0.2, 6
_MOST_GAIN_DB = 60.0  # what is softer than that is left alone: it is noise of the synthesizer
_WINDOW_S = 0.03  # in which the limiter goes down before a peak, and up after it


def loudness_of(samples: Samples, rate: int) -> float:
    """Integrated loudness of samples `(n, channels)` in LUFS; minus infinity for silence."""
    from pyloudnorm import Meter

    least = int(np.ceil(_BLOCK_S * rate)) + 1
    if len(samples) < least:
        samples = np.pad(samples, ((0, least - len(samples)), (0, 0)))
    if not np.abs(samples).max(initial=0):
        return -np.inf
    return float(Meter(rate).integrated_loudness(samples.astype(np.float64)))


def levelled(samples: Samples, rate: int, lufs: float) -> tuple[Samples, float]:
    """Samples `(n, channels)` as loud as `lufs`, none of them above the ceiling; and their gain.

    Silence, and what is gated as silence, is levelled by its peak.
    """
    peak = float(np.abs(samples).max(initial=0))
    if not peak:
        return samples, 1.0
    loud = loudness_of(samples, rate)
    if not np.isfinite(loud) or lufs - loud > _MOST_GAIN_DB:
        return np.asarray(samples * np.float32(CEILING / peak), np.float32), CEILING / peak
    gain_db, made, gain = lufs - loud, samples, 1.0
    for _ in range(_TRIES):
        gain = 10 ** (gain_db / 20)
        made = limited(samples * np.float32(gain), rate)
        off = lufs - loudness_of(made, rate)
        if abs(off) <= _NEAR_DB:
            break
        gain_db += off
    return made, gain


def limited(samples: Samples, rate: int) -> Samples:
    """Samples `(n, channels)` with no peak above the ceiling.

    The gain is the least that any sample nearby needs, smoothed over the same time: so it is down
    when a peak comes, and never moves in a step.
    """
    from scipy.ndimage import minimum_filter1d, uniform_filter1d

    envelope = np.abs(samples).max(axis=1)
    if envelope.max(initial=0) <= CEILING:
        return np.asarray(samples, np.float32)
    gain = np.minimum(1.0, CEILING / np.maximum(envelope, 1e-9))
    size = 2 * max(1, round(_WINDOW_S * rate / 2)) + 1
    gain = uniform_filter1d(minimum_filter1d(gain, size), size)
    return np.asarray(np.clip(samples * gain[:, None], -CEILING, CEILING), np.float32)
