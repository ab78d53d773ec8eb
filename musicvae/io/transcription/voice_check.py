"""Floor 3: what a recording is of: one voice, several, speech, noise, or taps without pitch.

One voice: nearly all peaks of the spectrum are whole multiples of one pitch, and its lowest ones
are there. Several voices leave peaks over; or their common divisor is heard as the pitch, whose
lowest multiples are missing. Speech has pitch that never rests.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from musicvae.io.transcription.pitch import RATE, Frames, Reals

Samples = NDArray[np.float32]

_FRAME = 2048  # samples: 128 ms, in which tones a fourth apart are two from 90 hz on
_LOWEST_HZ, _HIGHEST_HZ = 60.0, 3600.0
_PEAK_DB = 26.0  # a peak so far below the highest says nothing
_NEAR = 0.4  # semitones from a multiple of the pitch
_MULTIPLES = 12
_EVERY, _MOST = 3, 1500  # frames that are looked at
_STILL = 0.35  # semitones that a pitch moves by in 50 ms, at most, where it is looked at
_LOUD_DB, _HIT_DB = 22.0, 12.0
_STRETCH, _HOLD, _VIBRATO = 12, 10, 1.1  # frames, frames, semitones
_TONAL, _HELD, _SINGLE, _SOME, _NOISE = 0.57, 0.75, 0.7, 0.1, 0.25  # limits on shares
_LASTING = 0.3
_SPIKY, _GAPS_DB = 0.12, 15.0  # of hits: the rest beside them, how much softer it is


@dataclass(frozen=True, kw_only=True)
class Nature:
    """What kind of sound it is, in shares from 0 to 1."""

    tonal: float
    """Of the loud frames: those with a pitch."""
    held: float
    """Of the frames with a pitch: those in which it stays for a tenth of a second."""
    lasting: float
    """Of the loudest frames: those in stretches of 120 ms, which no hit fills."""
    single: float
    """Of the strength of spectral peaks: what one pitch explains, in the middle of all frames."""
    flat: float
    """How flat the spectrum is: 0 a single tone, above 0.5 white noise."""

    @property
    def is_voice(self) -> bool:
        """Whether it is one voice that holds its notes."""
        return self.tonal >= _TONAL and self.held >= _HELD and self.single >= _SINGLE

    @property
    def has_notes(self) -> bool:
        """Whether pitches are held at all."""
        return self.tonal * self.held >= _SOME


def is_tapped(nature: Nature, frames: Frames, strength: Reals) -> bool:
    """Whether it is a rhythm without pitch: short hits with little between them.

    `strength` is the onset strength at any hop.
    """
    if nature.has_notes or nature.lasting >= _LASTING:
        return False
    spiky = np.median(strength) < _SPIKY * max(float(np.quantile(strength, 0.98)), 1e-9)
    gaps = np.quantile(frames.level_db, 0.97) - np.quantile(frames.level_db, 0.3)
    return bool(spiky and gaps > _GAPS_DB)


def reason_against(nature: Nature) -> str:
    """Why it is no single voice, in words; empty if it is one."""
    if nature.is_voice:
        return ""
    if nature.tonal >= _TONAL / 4 and nature.held < _HELD and nature.single >= _SINGLE:
        return "a pitch that never rests, as in speech; no tune is heard"
    if not nature.has_notes and nature.flat > _NOISE:
        return "noise; neither a pitch nor a rhythm is heard"
    return "several notes at once (polyphonic), or too much else beside a voice"


def nature_of(samples: Samples, frames: Frames) -> Nature:
    """What is heard in samples `(n,)` at `RATE` and in their frames."""
    level = frames.level_db
    loud = level > np.quantile(level, 0.95) - _LOUD_DB
    loudest = level > np.quantile(level, 0.98) - _HIT_DB
    tone = loud & (frames.voiced > 0.4)
    held = tone & _held(frames.pitch, tone)
    return Nature(
        tonal=float(tone.sum() / max(loud.sum(), 1)),
        held=float(held.sum() / max(tone.sum(), 1)),
        lasting=float(_stretches(loudest).sum() / max(loudest.sum(), 1)),
        flat=_flatness(samples),
        single=_single(samples, frames, np.flatnonzero(tone & _still(frames.pitch))),
    )


def _flatness(samples: Samples) -> float:
    """Geometric by arithmetic mean of power from 100 to 4000 hz, the median over loud pieces."""
    count = len(samples) // _FRAME
    pieces = samples[: count * _FRAME].reshape(count, _FRAME) * np.hanning(_FRAME)
    hz = np.fft.rfftfreq(_FRAME, 1 / RATE)
    power = np.abs(np.fft.rfft(pieces))[:, (hz > 100) & (hz < 4000)] ** 2 + 1e-12
    loud = power.sum(1) >= np.median(power.sum(1))
    return float(np.median((np.exp(np.log(power).mean(1)) / power.mean(1))[loud]))


def _stretches(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The frames of a mask that lie in stretches of 120 ms of it."""
    if len(mask) < _STRETCH:
        return np.zeros(len(mask), bool)
    wide = np.lib.stride_tricks.sliding_window_view(mask, _STRETCH)
    begins = np.asarray(wide.all(axis=1), np.bool_)
    return _covered(begins, _STRETCH)


def _still(pitch: Reals) -> NDArray[np.bool_]:
    """Where the pitch hardly moves over 50 ms."""
    wide = np.lib.stride_tricks.sliding_window_view(np.pad(pitch, 2, mode="edge"), 5)
    return wide.max(1) - wide.min(1) <= _STILL


def _held(pitch: Reals, tone: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Frames in stretches of 100 ms whose pitch moves by no more than a vibrato does."""
    if len(pitch) < _HOLD:
        return np.zeros(len(pitch), bool)
    wide = np.lib.stride_tricks.sliding_window_view(pitch, _HOLD)
    whole = np.lib.stride_tricks.sliding_window_view(tone, _HOLD).all(1)
    moves = wide.max(1) - wide.min(1)
    return _covered((moves <= _VIBRATO) & whole, _HOLD)


def _covered(begins: NDArray[np.bool_], width: int) -> NDArray[np.bool_]:
    """The frames of stretches so wide, by where they begin."""
    return np.convolve(begins, np.ones(width)) > 0.5


def _single(samples: Samples, frames: Frames, at: NDArray[np.intp]) -> float:
    """The share of peaks' strength that the pitch explains, the median over frames `at`."""
    at = at[:: max(_EVERY, len(at) // _MOST)]
    if len(at) < 5:
        return 1.0
    window = np.hanning(_FRAME)
    padded = np.pad(samples, _FRAME)
    hz = np.fft.rfftfreq(_FRAME, 1 / RATE)
    band = (hz > _LOWEST_HZ) & (hz < _HIGHEST_HZ)
    shares = []
    for frame in at.tolist():
        centre = round(frame * frames.hop_s * RATE) + _FRAME
        piece = padded[centre - _FRAME // 2 : centre + _FRAME // 2] * window
        level = np.where(band, np.abs(np.fft.rfft(piece)), 0.0)
        shares.append(_explained(level, 440 * 2 ** ((frames.pitch[frame] - 69) / 12)))
    return float(np.median(shares))


def _explained(level: Reals, f0: float) -> float:
    """Of one spectrum `(bins,)`, the share of the peaks that are multiples of `f0` in hz."""
    middle = level[1:-1]
    top = np.flatnonzero((middle > level[:-2]) & (middle >= level[2:])) + 1
    top = top[level[top] > level.max(initial=0) * 10 ** (-_PEAK_DB / 20)]
    if not len(top):
        return 1.0
    a, b, c = (np.log(level[top + i] + 1e-12) for i in (-1, 0, 1))
    peak = top + 0.5 * (a - c) / np.minimum(a - 2 * b + c, -1e-9)
    multiple = peak * RATE / _FRAME / f0
    whole = np.clip(np.round(multiple), 1, None)
    near = np.abs(12 * np.log2(multiple / whole)) < np.minimum(_NEAR, 6 / whole)
    near &= whole <= _MULTIPLES
    strength = np.sqrt(level[top])
    low = strength[near & (whole <= 3)].max(initial=0)
    if low < 0.1 * strength.max():
        return 0.0  # the pitch is but a common divisor
    return float(strength[near].sum() / strength.sum())
