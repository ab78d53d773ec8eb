"""Floor 3: claps, taps and knocks -> when and how loud they are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from musicvae.io.transcription.pitch import RATE, Reals

Samples = NDArray[np.float32]

_HOP, _FRAME = 80, 512  # samples: 5 ms, 32 ms
_APART = 12  # hops: hits that are nearer are one
_LEAST = 0.15  # of a strong hit's onset strength
_AROUND = 8  # hops after an onset in which it is as loud as it gets


@dataclass(frozen=True, kw_only=True, eq=False)
class Taps:
    """Hits; arrays `(M,)`: seconds and decibels. `strength` `(T,)` is the onset strength that they
    are from, at each hop.
    """

    onset_s: Reals
    level_db: Reals
    strength: Reals


def taps_of(samples: Samples) -> Taps:
    """The hits in samples `(n,)` at `RATE`, by the flux of their spectrum."""
    from librosa.onset import onset_strength

    strength = onset_strength(
        y=samples, sr=RATE, hop_length=_HOP, n_fft=_FRAME, lag=2, n_mels=40, center=True
    ).astype(np.float64)
    wide = np.pad(strength, _APART, mode="edge")
    peak = np.lib.stride_tricks.sliding_window_view(wide, 2 * _APART + 1).max(1)
    tops = np.flatnonzero((strength == peak) & (strength > 0))
    strong = np.quantile(strength[tops], 0.9) if len(tops) else 0.0
    tops = tops[strength[tops] > _LEAST * strong]
    tops = tops[np.diff(tops, prepend=-_APART) >= _APART]
    power = np.pad(samples.astype(np.float64) ** 2, (0, _FRAME))
    total = np.concatenate([[0.0], np.cumsum(power)])
    size = _AROUND * _HOP
    begin = np.clip((tops - 2) * _HOP, 0, len(samples))
    energy = (total[np.minimum(begin + size, len(total) - 1)] - total[begin]) / size
    return Taps(
        onset_s=np.maximum(tops * _HOP / RATE - 0.005, 0.0),
        level_db=10 * np.log10(energy + 1e-12),
        strength=strength,
    )
