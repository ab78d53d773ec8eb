"""Floor 3: a pitch track -> notes, by the likeliest path through notes and rests.

Each frame sounds one note of the scale of semitones, in the singer's own tuning, or none. A note
costs so much that vibrato, a glide's passing tones and a scoop are cheaper heard as part of their
notes; an onset costs less where the sound gives way and comes back. The path is found exactly, by
the Viterbi algorithm over (frame, semitone), as in Mauch and others' Tony (2015), though with no
states for attacks: a glide is divided in its middle.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from musicvae.io.transcription.pitch import Frames
from musicvae.song import Ints

Reals = NDArray[np.float64]

SHORTEST_S = 0.05  # a note shorter than this is none
_SPREAD = 0.45  # semitones around a note's pitch: vibrato, drift, an unsteady voice
_OCTAVE = 0.02  # share of frames that are heard an octave off
_FREE = 0.06  # share of frames, in glides above all, whose pitch says nothing
_TRUST = 0.5  # of a frame's pitch: neighbours hear much of the same sound
_NOTE, _AGAIN, _REST = 7.0, 4.0, 2.5  # nats for another note, the same one again, a rest
_LEAP = 0.06  # nats a semitone
_DIP = 1.5  # nats for each decibel of a dip, beyond what a tremolo has
_TURN = 17  # frames of a vibrato's turn
_TREMOLO_DB, _DEEPEST_DB = 3.5, 12.0


@dataclass(frozen=True, kw_only=True, eq=False)
class SungNotes:
    """Notes of one voice; arrays `(M,)`: seconds, MIDI pitch, loudness in decibels; and by how many
    semitones the voice is sharp.
    """

    onset_s: Reals
    stop_s: Reals
    pitch: Ints
    sung: Reals
    """The pitch that was sung, in semitones of the voice's own tuning."""
    level_db: Reals
    tuning: float

    def __len__(self) -> int:
        return len(self.pitch)


def notes_of(frames: Frames) -> SungNotes:
    """The notes in a pitch track."""
    sound = _sounding(frames)
    steady = sound > 1
    tuning = _tuning(frames.pitch, steady)
    pitch = frames.pitch - tuning
    heard = pitch[steady]
    if len(heard) < 5:
        return _none(tuning)
    low, high = int(np.floor(np.quantile(heard, 0.01))) - 1, int(np.quantile(heard, 0.99)) + 2
    dips = np.maximum(_dips(frames.level_db), _dips(frames.bright_db))
    path, new = _best_path(pitch, sound, dips, np.arange(low, high + 1))
    begin = np.flatnonzero(new)
    if not len(begin):
        return _none(tuning)
    silent = np.append(np.flatnonzero(path < 0), len(path))
    rest = silent[np.searchsorted(silent, begin)]
    stop = np.minimum(np.append(begin[1:], len(path)), rest)
    keep = (stop - begin) * frames.hop_s >= SHORTEST_S
    begin, stop = begin[keep], stop[keep]
    spans = list(zip(begin.tolist(), stop.tolist(), strict=True))
    level = [float(np.quantile(frames.level_db[a:b], 0.8)) for a, b in spans]
    return SungNotes(
        onset_s=frames.at(begin),
        stop_s=frames.at(stop),
        pitch=np.clip(path[begin] + low, 0, 127).astype(np.int64),
        sung=np.array([float(np.median(pitch[a:b])) for a, b in spans]),
        level_db=np.array(level),
        tuning=tuning,
    )


def _none(tuning: float) -> SungNotes:
    nothing = np.zeros(0)
    return SungNotes(
        onset_s=nothing,
        stop_s=nothing,
        pitch=nothing.astype(np.int64),
        sung=nothing,
        level_db=nothing,
        tuning=tuning,
    )


def _sounding(frames: Frames) -> Reals:
    """Log-odds that a tone sounds in each frame, by how loud and how much like a tone it is."""
    level = frames.level_db
    loud, floor = np.quantile(level, 0.95), np.quantile(level, 0.03)
    least = max(loud - 28, min(floor + 6, loud - 18))
    tone = np.clip(6 * (frames.voiced - 0.35), -2, 2.5)
    return np.clip((level - least) / 3, -5, 2.5) + tone


def _tuning(pitch: Reals, steady: NDArray[np.bool_]) -> float:
    """By how much, -0.5 to 0.5 semitones, pitches lie above those of a piano: their mean phase.

    Of means over a vibrato's turn, where they stay: a deep vibrato is most of the time at its ends.
    """
    half = _TURN // 2
    smooth = np.convolve(np.pad(pitch, half, mode="edge"), np.ones(_TURN) / _TURN, "valid")
    around = np.pad(smooth, half, mode="edge")
    still = steady & (np.abs(around[2 * half :] - around[: -2 * half]) < 0.4)
    chosen = smooth[still if still.any() else steady]
    return float(np.angle(np.exp(2j * np.pi * chosen).sum()) / (2 * np.pi)) if len(chosen) else 0.0


def _dips(level_db: Reals) -> Reals:
    """Nats that speak for an onset at each frame: the sound was louder before and is again soon."""
    wide = 12
    padded = np.pad(level_db, wide, mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * wide + 1)  # (T, 25)
    bottom = windows[:, wide - 5 : wide + 1].min(1)
    before, after = windows[:, :wide].max(1), windows[:, wide : wide + 8].max(1)
    depth = np.minimum(before, after) - bottom
    # Where the rise is steepest.
    slope = windows[:, wide + 1] - windows[:, wide - 1]
    around = np.lib.stride_tricks.sliding_window_view(np.pad(slope, 3, mode="edge"), 7)
    steepest = (slope >= around.max(1)) & (slope > 0)
    return np.where(steepest, np.clip(depth - _TREMOLO_DB, 0, _DEEPEST_DB), 0.0) * _DIP


def _best_path(
    pitch: Reals, sound: Reals, dips: Reals, scale: Ints
) -> tuple[Ints, NDArray[np.bool_]]:
    """For each frame `(T,)` the index in `scale` `(P,)` of what sounds, -1 for none, and whether a
    note begins there.
    """
    T, P = len(pitch), len(scale)
    off = pitch[:, None] - scale
    near = np.exp(-0.5 * (off / _SPREAD) ** 2)
    octave = np.exp(-0.5 * ((np.abs(off) - 12) / _SPREAD) ** 2)
    fit = np.log((1 - _FREE - _OCTAVE) * near + _OCTAVE * octave + _FREE * 0.3)
    tone = -np.logaddexp(0, -sound)[:, None] + _TRUST * fit  # (T, P)
    rest = -np.logaddexp(0, sound)
    leap = -_LEAP * np.abs(scale[:, None] - scale[None]) - _NOTE
    np.fill_diagonal(leap, -_AGAIN)
    score, silent = tone[0] - _NOTE, float(rest[0])
    came = np.zeros((T, P), np.int32)  # from which note; P: rest, -1: goes on
    came[0] = P
    ended = np.full(T, -1)  # the note before a rest, -1: rests on
    for t in range(1, T):
        change = score[:, None] + leap  # (from, to)
        source = change.argmax(0)
        fresh = change[source, np.arange(P)]
        from_rest = silent - 0.5 * _NOTE
        source = np.where(from_rest > fresh, P, source)
        fresh = np.maximum(fresh, from_rest) + dips[t]
        on = score >= fresh
        last = int(score.argmax())
        to_rest = score[last] - _REST
        ended[t] = last if to_rest > silent else -1
        silent = max(silent, to_rest) + rest[t]
        came[t] = np.where(on, -1, source)
        score = np.where(on, score, fresh) + tone[t]
    path, new = np.full(T, -1), np.zeros(T, bool)
    here = int(score.argmax()) if score.max() > silent else -1
    for t in range(T - 1, -1, -1):
        path[t] = here
        if here < 0:
            here = int(ended[t])
            continue
        origin = int(came[t, here])
        new[t] = origin >= 0
        here = here if origin < 0 else -1 if origin == P else origin
    return path, new
