"""Note segmentation of a pitch track: the most likely path through notes and rests.

Each frame sounds one semitone of a scale in the singer's own tuning, or none. A note has a cost, so
that vibrato, scoops and the passing tones of a glide are cheaper as part of their notes; an onset
costs less after a dip in level. The path is found by the Viterbi algorithm over (frame, semitone),
as in Tony (Mauch et al. 2015), but without states for attacks: a glide is divided in its middle.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from musicvae.arrays import Bools, Floats, Ints
from musicvae.io.transcription.pitch import PitchTrack

MIN_NOTE_S = 0.05
_PITCH_SD = 0.45  # semitones around a note's pitch: vibrato, drift, an unsteady voice
_OCTAVE_ERROR_SHARE = 0.02  # of frames
_OUTLIER_SHARE = 0.06  # of frames whose pitch carries no information, in glides above all
_PITCH_WEIGHT = 0.5  # of a frame's pitch, as neighboring frames overlap
_NOTE_COST, _REPEAT_COST, _REST_COST = 7.0, 4.0, 2.5  # nats: new pitch, same pitch, rest
_LEAP_COST = 0.06  # nats a semitone
_VIBRATO_FRAMES = 17  # a period of vibrato

# Dips in level, in frames of 10 ms. Each dip is evidence for one onset, whatever its shape.
_DIP_BEFORE, _DIP_AFTER, _DIP_DISTANCE = 12, 16, 8
_DIP_GAIN = 1.5  # nats a decibel beyond a tremolo
_TREMOLO_DB, _MAX_DIP_DB = 3.5, 12.0


@dataclass(frozen=True, kw_only=True, eq=False)
class SungNotes:
    """Notes of one voice, arrays `(M,)`, and its tuning in semitones above that of a piano."""

    onset_s: Floats
    end_s: Floats
    pitch: Ints
    """MIDI pitch in the tuning of the voice, rounded."""
    sung_pitch: Floats
    """The same, not rounded."""
    level_db: Floats
    tuning: float

    def __len__(self) -> int:
        return len(self.pitch)


def segment_notes(track: PitchTrack) -> SungNotes:
    """Find the notes in a pitch track."""
    sound = _sound_log_odds(track)
    is_sounding = sound > 1
    tuning = _estimate_tuning(track.pitch, is_sounding)
    pitch = track.pitch - tuning
    sounding_pitch = pitch[is_sounding]
    if len(sounding_pitch) < 5:
        return _empty_notes(tuning)
    low = int(np.floor(np.quantile(sounding_pitch, 0.01))) - 1
    high = int(np.quantile(sounding_pitch, 0.99)) + 2
    dips = np.maximum(_dip_evidence(track.level_db), _dip_evidence(track.preemphasis_db))
    path, is_onset = _viterbi(pitch, sound, dips, np.arange(low, high + 1))
    begin = np.flatnonzero(is_onset)
    if not len(begin):
        return _empty_notes(tuning)
    silent = np.append(np.flatnonzero(path < 0), len(path))
    next_rest = silent[np.searchsorted(silent, begin)]
    end = np.minimum(np.append(begin[1:], len(path)), next_rest)
    keep = (end - begin) * track.hop_s >= MIN_NOTE_S
    begin, end = begin[keep], end[keep]
    spans = list(zip(begin.tolist(), end.tolist(), strict=True))
    return SungNotes(
        onset_s=track.times_s(begin),
        end_s=track.times_s(end),
        pitch=np.clip(path[begin] + low, 0, 127).astype(np.int64),
        sung_pitch=np.array([float(np.median(pitch[a:b])) for a, b in spans]),
        level_db=np.array([float(np.quantile(track.level_db[a:b], 0.8)) for a, b in spans]),
        tuning=tuning,
    )


def _empty_notes(tuning: float) -> SungNotes:
    """Return no notes."""
    empty = np.zeros(0)
    return SungNotes(
        onset_s=empty,
        end_s=empty,
        pitch=empty.astype(np.int64),
        sung_pitch=empty,
        level_db=empty,
        tuning=tuning,
    )


def _sound_log_odds(track: PitchTrack) -> Floats:
    """Return the log-odds `(T,)` that a tone sounds, from level and voicing."""
    level_db = track.level_db
    loud_db, floor_db = np.quantile(level_db, 0.95), np.quantile(level_db, 0.03)
    threshold_db = max(loud_db - 28, min(floor_db + 6, loud_db - 18))
    voicing = np.clip(6 * (track.voiced_prob - 0.35), -2, 2.5)
    return np.clip((level_db - threshold_db) / 3, -5, 2.5) + voicing


def _estimate_tuning(pitch: Floats, is_sounding: Bools) -> float:
    """Return the mean deviation, -0.5 to 0.5 semitones, from the pitches of a piano.

    The circular mean over stationary frames of the pitch averaged over a period of vibrato: raw
    pitch with a wide vibrato is mostly at its extremes.
    """
    half = _VIBRATO_FRAMES // 2
    kernel = np.ones(_VIBRATO_FRAMES) / _VIBRATO_FRAMES
    smooth = np.convolve(np.pad(pitch, half, mode="edge"), kernel, "valid")
    padded = np.pad(smooth, half, mode="edge")
    is_stationary = is_sounding & (np.abs(padded[2 * half :] - padded[: -2 * half]) < 0.4)
    chosen = smooth[is_stationary if is_stationary.any() else is_sounding]
    return float(np.angle(np.exp(2j * np.pi * chosen).sum()) / (2 * np.pi)) if len(chosen) else 0.0


def _dip_evidence(level_db: Floats) -> Floats:
    """Return the evidence for an onset at each frame, `(T,)` in nats, from dips in level.

    A dip is a local minimum; its depth is measured against the lower of the peaks before and
    after it, up to the neighboring minima. The onset is where the level rises most steeply after
    the minimum. There is one for each dip, with the whole of its depth, so that a slow or uneven
    attack is neither several onsets nor, measured in pieces, none.
    """
    padded = np.pad(level_db, _DIP_DISTANCE, mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * _DIP_DISTANCE + 1)
    minima = np.flatnonzero(level_db <= windows.min(1))
    minima = minima[np.diff(minima, prepend=-_DIP_DISTANCE) >= _DIP_DISTANCE]
    slope = np.gradient(level_db)
    evidence = np.zeros(len(level_db))
    edges = [0, *minima.tolist(), len(level_db)]
    for previous, at, following in zip(edges, edges[1:], edges[2:], strict=False):
        begin, end = max(at - _DIP_BEFORE, previous), min(at + _DIP_AFTER, following)
        peak_before, peak_after = level_db[begin : at + 1].max(), level_db[at:end].max()
        depth_db = min(peak_before, peak_after) - level_db[at]
        steepest = at + int(slope[at:end].argmax())
        evidence[steepest] = _DIP_GAIN * max(min(depth_db - _TREMOLO_DB, _MAX_DIP_DB), 0.0)
    return evidence


def _viterbi(pitch: Floats, sound: Floats, dips: Floats, scale: Ints) -> tuple[Ints, Bools]:
    """Return for each frame `(T,)` the index in `scale` `(P,)`, -1 for a rest, and the onsets."""
    T, P = len(pitch), len(scale)
    deviation = pitch[:, None] - scale
    near = np.exp(-0.5 * (deviation / _PITCH_SD) ** 2)
    octave = np.exp(-0.5 * ((np.abs(deviation) - 12) / _PITCH_SD) ** 2)
    likelihood = (1 - _OUTLIER_SHARE - _OCTAVE_ERROR_SHARE) * near
    fit = np.log(likelihood + _OCTAVE_ERROR_SHARE * octave + _OUTLIER_SHARE * 0.3)
    tone = -np.logaddexp(0, -sound)[:, None] + _PITCH_WEIGHT * fit  # (T, P)
    rest = -np.logaddexp(0, sound)
    transition = -_LEAP_COST * np.abs(scale[:, None] - scale[None]) - _NOTE_COST
    np.fill_diagonal(transition, -_REPEAT_COST)
    score, rest_score = tone[0] - _NOTE_COST, float(rest[0])
    origin = np.zeros((T, P), np.int32)  # the note before; P: a rest, -1: the note goes on
    origin[0] = P
    rest_origin = np.full(T, -1)  # the note before a rest; -1: the rest goes on
    for t in range(1, T):
        change = score[:, None] + transition  # (from, to)
        source = change.argmax(0)
        new_score = change[source, np.arange(P)]
        from_rest = rest_score - 0.5 * _NOTE_COST
        source = np.where(from_rest > new_score, P, source)
        new_score = np.maximum(new_score, from_rest) + dips[t]
        goes_on = score >= new_score
        best = int(score.argmax())
        to_rest = score[best] - _REST_COST
        rest_origin[t] = best if to_rest > rest_score else -1
        rest_score = max(rest_score, to_rest) + rest[t]
        origin[t] = np.where(goes_on, -1, source)
        score = np.where(goes_on, score, new_score) + tone[t]
    path, is_onset = np.full(T, -1), np.zeros(T, bool)
    state = int(score.argmax()) if score.max() > rest_score else -1
    for t in range(T - 1, -1, -1):
        path[t] = state
        if state < 0:
            state = int(rest_origin[t])
            continue
        source_state = int(origin[t, state])
        is_onset[t] = source_state >= 0
        if source_state == P:
            state = -1
        elif source_state >= 0:
            state = source_state
    return path, is_onset
