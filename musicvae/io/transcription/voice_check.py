"""Classification of recordings: one voice, several, speech, noise, or taps without pitch.

One voice: nearly all peaks of the spectrum are multiples of one pitch, and the lowest multiples are
present. Several voices leave unexplained peaks, or their common divisor is taken for the pitch,
whose lowest multiples are missing. The pitch of speech is never stationary.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from musicvae.arrays import Bools, Floats, Floats32
from musicvae.io.transcription.pitch import SAMPLE_RATE_HZ, PitchTrack

_FRAME = 2048  # samples: 128 ms, which resolves tones a fourth apart from 90 Hz on
_MIN_PEAK_HZ, _MAX_PEAK_HZ = 60.0, 3600.0
_PEAK_RANGE_DB = 26.0  # below the highest peak
_MAX_DETUNING = 0.4  # semitones between a peak and a multiple of the pitch
_MAX_MULTIPLE = 12
_FRAME_STEP, _MAX_FRAMES = 3, 1500  # frames that are analyzed
_MAX_DRIFT = 0.35  # semitones in 50 ms, in frames that are analyzed
_LOUD_RANGE_DB, _HIT_RANGE_DB = 22.0, 12.0
_SUSTAIN_FRAMES, _HOLD_FRAMES, _MAX_VIBRATO = 12, 10, 1.1  # 120 ms, 100 ms, semitones

# Limits on the shares in `AudioFeatures`:
_MIN_VOICE_TONAL, _MIN_VOICE_HELD, _MIN_VOICE_HARMONIC = 0.57, 0.75, 0.7
_MIN_NOTES_SHARE, _MIN_NOISE_FLATNESS, _MAX_TAP_SUSTAINED = 0.1, 0.25, 0.3
_MAX_TAP_STRENGTH, _MIN_TAP_GAP_DB = 0.12, 15.0  # between hits: onset strength, drop in level


@dataclass(frozen=True, kw_only=True)
class AudioFeatures:
    """Features that distinguish one voice from other audio, shares from 0 to 1."""

    tonal: float
    """Share of loud frames with a pitch."""
    held: float
    """Share of frames with a pitch in which it is stationary for a tenth of a second."""
    sustained: float
    """Share of the loudest frames in stretches of 120 ms, which no hit fills."""
    harmonic: float
    """Share of the spectral peaks that one pitch explains, weighted, median over frames."""
    flatness: float
    """Spectral flatness: 0 for a single tone, above 0.5 for white noise."""

    @property
    def is_voice(self) -> bool:
        """Whether this is one voice that holds its notes."""
        return (
            self.tonal >= _MIN_VOICE_TONAL
            and self.held >= _MIN_VOICE_HELD
            and self.harmonic >= _MIN_VOICE_HARMONIC
        )

    @property
    def has_notes(self) -> bool:
        """Whether any pitches are held."""
        return self.tonal * self.held >= _MIN_NOTES_SHARE


def is_tapped_rhythm(features: AudioFeatures, track: PitchTrack, onset_strength: Floats) -> bool:
    """Return whether this is a rhythm without pitch: short hits and near silence between them.

    `onset_strength` is `(T,)`, at any hop.
    """
    if features.has_notes or features.sustained >= _MAX_TAP_SUSTAINED:
        return False
    peak_strength = max(float(np.quantile(onset_strength, 0.98)), 1e-9)
    is_sparse = np.median(onset_strength) < _MAX_TAP_STRENGTH * peak_strength
    gap_db = np.quantile(track.level_db, 0.97) - np.quantile(track.level_db, 0.3)
    return bool(is_sparse and gap_db > _MIN_TAP_GAP_DB)


def reject_reason(features: AudioFeatures) -> str:
    """Return why a recording is not a single voice, or an empty string if it is."""
    if features.is_voice:
        return ""
    if (
        features.tonal >= _MIN_VOICE_TONAL / 4
        and features.held < _MIN_VOICE_HELD
        and features.harmonic >= _MIN_VOICE_HARMONIC
    ):
        return "a pitch that glides throughout, as in speech; no tune found"
    if not features.has_notes and features.flatness > _MIN_NOISE_FLATNESS:
        return "noise; neither a pitch nor a rhythm found"
    return "several notes at once (polyphonic), or a loud background"


def measure_audio(samples: Floats32, track: PitchTrack) -> AudioFeatures:
    """Measure samples `(n,)` at `SAMPLE_RATE_HZ` and their pitch track."""
    level_db = track.level_db
    is_loud = level_db > np.quantile(level_db, 0.95) - _LOUD_RANGE_DB
    is_loudest = level_db > np.quantile(level_db, 0.98) - _HIT_RANGE_DB
    is_tonal = is_loud & (track.voiced_prob > 0.4)
    is_held = is_tonal & _is_held(track.pitch, is_tonal)
    stationary = np.flatnonzero(is_tonal & _is_stationary(track.pitch))
    return AudioFeatures(
        tonal=float(is_tonal.sum() / max(is_loud.sum(), 1)),
        held=float(is_held.sum() / max(is_tonal.sum(), 1)),
        sustained=float(_is_sustained(is_loudest).sum() / max(is_loudest.sum(), 1)),
        flatness=_spectral_flatness(samples),
        harmonic=_harmonic_share(samples, track, stationary),
    )


def _spectral_flatness(samples: Floats32) -> float:
    """Return the geometric by the arithmetic mean of power, 100 to 4000 Hz, over loud frames."""
    n_frames = len(samples) // _FRAME
    frames = samples[: n_frames * _FRAME].reshape(n_frames, _FRAME) * np.hanning(_FRAME)
    hz = np.fft.rfftfreq(_FRAME, 1 / SAMPLE_RATE_HZ)
    power = np.abs(np.fft.rfft(frames))[:, (hz > 100) & (hz < 4000)] ** 2 + 1e-12
    is_loud = power.sum(1) >= np.median(power.sum(1))
    return float(np.median((np.exp(np.log(power).mean(1)) / power.mean(1))[is_loud]))


def _is_sustained(mask: Bools) -> Bools:
    """Return the frames `(T,)` of a mask in unbroken stretches of 120 ms."""
    if len(mask) < _SUSTAIN_FRAMES:
        return np.zeros(len(mask), bool)
    windows = np.lib.stride_tricks.sliding_window_view(mask, _SUSTAIN_FRAMES)
    begins = np.asarray(windows.all(axis=1), np.bool_)
    return _dilate(begins, _SUSTAIN_FRAMES)


def _is_stationary(pitch: Floats) -> Bools:
    """Return the frames `(T,)` whose pitch hardly moves over 50 ms."""
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(pitch, 2, mode="edge"), 5)
    return windows.max(1) - windows.min(1) <= _MAX_DRIFT


def _is_held(pitch: Floats, is_tonal: Bools) -> Bools:
    """Return the frames `(T,)` in stretches of 100 ms whose pitch moves no more than a vibrato."""
    if len(pitch) < _HOLD_FRAMES:
        return np.zeros(len(pitch), bool)
    windows = np.lib.stride_tricks.sliding_window_view(pitch, _HOLD_FRAMES)
    all_tonal = np.lib.stride_tricks.sliding_window_view(is_tonal, _HOLD_FRAMES).all(1)
    extent = windows.max(1) - windows.min(1)
    return _dilate((extent <= _MAX_VIBRATO) & all_tonal, _HOLD_FRAMES)


def _dilate(begins: Bools, width: int) -> Bools:
    """Return the frames `(T + width - 1,)` of all stretches of a width, by their first frames."""
    return np.convolve(begins, np.ones(width)) > 0.5


def _harmonic_share(samples: Floats32, track: PitchTrack, frames: NDArray[np.intp]) -> float:
    """Return the share of peaks that the pitch explains, the median over some of `frames`."""
    frames = frames[:: max(_FRAME_STEP, len(frames) // _MAX_FRAMES)]
    if len(frames) < 5:
        return 1.0
    window = np.hanning(_FRAME)
    padded = np.pad(samples, _FRAME)
    hz = np.fft.rfftfreq(_FRAME, 1 / SAMPLE_RATE_HZ)
    in_band = (hz > _MIN_PEAK_HZ) & (hz < _MAX_PEAK_HZ)
    shares = []
    for frame in frames.tolist():
        center = round(frame * track.hop_s * SAMPLE_RATE_HZ) + _FRAME
        piece = padded[center - _FRAME // 2 : center + _FRAME // 2] * window
        magnitude = np.where(in_band, np.abs(np.fft.rfft(piece)), 0.0)
        f0_hz = 440 * 2 ** ((track.pitch[frame] - 69) / 12)
        shares.append(_explained_share(magnitude, f0_hz))
    return float(np.median(shares))


def _explained_share(magnitude: Floats, f0_hz: float) -> float:
    """Return the share of the peaks of a spectrum `(bins,)` that are multiples of a pitch."""
    middle = magnitude[1:-1]
    peak_bin = np.flatnonzero((middle > magnitude[:-2]) & (middle >= magnitude[2:])) + 1
    threshold = magnitude.max(initial=0) * 10 ** (-_PEAK_RANGE_DB / 20)
    peak_bin = peak_bin[magnitude[peak_bin] > threshold]
    if not len(peak_bin):
        return 1.0
    a, b, c = (np.log(magnitude[peak_bin + i] + 1e-12) for i in (-1, 0, 1))
    peak = peak_bin + 0.5 * (a - c) / np.minimum(a - 2 * b + c, -1e-9)  # parabolic interpolation
    multiple = peak * SAMPLE_RATE_HZ / _FRAME / f0_hz
    nearest = np.clip(np.round(multiple), 1, None)
    detuning = np.abs(12 * np.log2(multiple / nearest))
    is_explained = detuning < np.minimum(_MAX_DETUNING, 6 / nearest)
    is_explained &= nearest <= _MAX_MULTIPLE
    strength = np.sqrt(magnitude[peak_bin])
    low_strength = strength[is_explained & (nearest <= 3)].max(initial=0)
    if low_strength < 0.1 * strength.max():
        return 0.0  # the pitch is but a common divisor
    return float(strength[is_explained].sum() / strength.sum())
