"""Chords of a song that states none, from its notes: a chord map, with confidence and reasons.

Beats are heard one by one by a small network (`network.py`), and the likeliest sequence of chords
is found under a Markov model (`decoding.py`). Drums are not heard.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from musicvae.arrays import Floats, Ints
from musicvae.chords import NO_CHORD, QUALITIES, Chord, ChordMap
from musicvae.chords.spelling import MAX_FIFTHS, MIN_FIFTHS, format_name, spell
from musicvae.harmony.decoding import decode
from musicvae.harmony.features import (
    BASS_SEMITONES,
    BeatNotes,
    Beats,
    beat_features,
    find_beats,
    measure_notes,
)
from musicvae.harmony.network import (
    ESTIMATED,
    N_STATES,
    STATE_QUALITY,
    Weights,
    load_weights,
    predict,
)
from musicvae.representation.grid import STORED_STEPS_PER_QUARTER, Grid, grid_from_song
from musicvae.representation.key import estimate_fifths, transpose_fifths
from musicvae.song import Song

MAX_BEATS = 20_000
"""Beats that are analyzed of a song, about three hours."""
# A song with fewer notes at a time is a melody, or chords broken in one low voice, which are sure.
_MIN_VOICES = 1.3
_MAX_BROKEN_PITCH, _MIN_BROKEN_CONFIDENCE = 55, 0.7
_MIN_BASS_SHARE = 0.45  # of what is low in a chord, for a chord tone to be its bass
_MIN_FOREIGN_BASS_SHARE = 0.75  # the same for other notes
_LEADING_FIFTHS = 4  # diminished chords are leading chords, spelled with sharps rather than flats


ChordSource = Literal["stated", "found", "guess", "none"]


@dataclass(frozen=True, kw_only=True)
class ChordEstimate:
    """Chords of a song, with a confidence for each `(M,)` and the reasons in words.

    `source` says where they are from: `stated` by the song, which has confidence 1 and no reasons;
    `found` in its notes; a `guess` from a melody alone, to which many chords would fit; or `none`.
    """

    chords: ChordMap
    source: ChordSource
    confidence: Floats
    reasons: tuple[str, ...]

    @property
    def is_weak(self) -> bool:
        """Whether nothing but a melody speaks for the chords."""
        return self.source == "guess"


def stated_or_found_chords(song: Song, *, grid: Grid | None = None) -> ChordEstimate:
    """Return the chords that a song states, else those that `estimate_chords` finds."""
    if not len(song.chords):
        return estimate_chords(song, grid=grid)
    chords = song.chords.simplified()
    return ChordEstimate(
        chords=chords,
        source="stated",
        confidence=np.ones(len(chords)),
        reasons=("",) * len(chords),
    )


def with_chords(song: Song) -> Song:
    """Return a song with the chords that it states or, unless they are a guess, those found."""
    estimate = stated_or_found_chords(song)
    return song if estimate.is_weak else replace(song, chords=estimate.chords)


def estimate_chords(
    song: Song, weights: Weights | None = None, *, grid: Grid | None = None
) -> ChordEstimate:
    """Estimate the chords of a song on the beats of its meter map, the first `MAX_BEATS` at most.

    `weights` are those of the network, by default the shipped ones; `grid` holds the bars of the
    song if they are known. A song without pitched notes has no chords at all: its map is empty.
    """
    grid = grid_from_song(song, STORED_STEPS_PER_QUARTER) if grid is None else grid
    if not len(grid) or not any(len(part) and not part.is_drum for part in song.parts):
        return ChordEstimate(
            chords=ChordMap.none(), source="none", confidence=np.zeros(0), reasons=()
        )
    weights = load_weights() if weights is None else weights
    all_beats = find_beats(grid)
    beats = all_beats.first(MAX_BEATS)
    notes = measure_notes(song, beats)
    log_probs = predict(*beat_features(notes, beats), weights)
    state, posterior = decode(log_probs, beats.strength, weights)
    estimate = _estimate_from_states(song, beats, notes, state, posterior)
    return estimate if beats is all_beats else _with_unknown_end(estimate, beats.end_ticks)


def _with_unknown_end(estimate: ChordEstimate, tick: int) -> ChordEstimate:
    """Return an estimate with no chord from a tick on."""
    known = estimate.chords
    entries = [*zip(known.ticks.tolist(), known.chords, strict=True), (tick, NO_CHORD)]
    return replace(
        estimate,
        chords=ChordMap.from_chords(entries),
        confidence=np.append(estimate.confidence, 0.0),
        reasons=(*estimate.reasons, f"only the first {MAX_BEATS:,} beats are analyzed"),
    )


def _estimate_from_states(
    song: Song, beats: Beats, notes: BeatNotes, state: Ints, posterior: Floats
) -> ChordEstimate:
    """Return the chords of runs of equal states, with their basses."""
    first = np.flatnonzero(np.append(True, state[1:] != state[:-1]))
    length = np.diff(np.append(first, len(state)))
    lowest = np.repeat(np.minimum.reduceat(notes.lowest, first), length)
    is_near = np.exp(-(notes.lowest - lowest) / BASS_SEMITONES)
    bass = np.add.reduceat(notes.bass * is_near[:, None], first)
    weight = np.add.reduceat(notes.weight, first)
    is_weak = _is_melody_alone(notes, posterior)
    key = _key_fifths(song, beats.start_ticks[first], weight.sum(0))
    chords = ChordMap.from_chords(
        (int(tick), _spelled(value, low, int(fifths), with_bass=not is_weak))
        for tick, value, low, fifths in zip(
            beats.start_ticks[first], state[first].tolist(), bass, key, strict=True
        )
    )
    share = (weight * chords.pitch_classes()).sum(1) / np.maximum(weight.sum(1), 1e-9)
    reasons = [
        _reason(chord, each, is_weak=is_weak)
        for chord, each in zip(chords.chords, share.tolist(), strict=True)
    ]
    return ChordEstimate(
        chords=chords,
        source="guess" if is_weak else "found",
        confidence=np.add.reduceat(posterior, first) / length,
        reasons=tuple(reasons),
    )


def _is_melody_alone(notes: BeatNotes, posterior: Floats) -> bool:
    """Return whether there is one voice, and it does not break chords."""
    is_sounding = notes.voices > 0
    if not is_sounding.any() or notes.voices[is_sounding].mean() >= _MIN_VOICES:
        return False
    is_low = np.median(notes.lowest[is_sounding]) < _MAX_BROKEN_PITCH
    return not (is_low and posterior[is_sounding].mean() >= _MIN_BROKEN_CONFIDENCE)


def _key_fifths(song: Song, ticks: Ints, weight: Floats) -> Ints:
    """Return the fifths of the key at each tick: the one stated, else the one of all notes."""
    if not len(song.key.ticks):
        return np.full(len(ticks), estimate_fifths(np.arange(12), weight))
    at = np.clip(np.searchsorted(song.key.ticks, ticks, side="right") - 1, 0, None)
    return song.key.fifths[at]


def _spelled(state: int, bass: Floats, key_fifths: int, *, with_bass: bool) -> Chord:
    """Return the chord of a state, spelled near a key, over the lowest notes."""
    if state == N_STATES - 1:
        return NO_CHORD
    root_class, kind = divmod(state, len(ESTIMATED))
    quality = int(STATE_QUALITY[kind])
    intervals = QUALITIES[quality].intervals
    is_leading = 6 in intervals and 3 in intervals
    root = spell(root_class, key_fifths + _LEADING_FIFTHS * is_leading)
    above = (np.arange(12) - root_class) % 12
    lowest = int(bass.argmax())
    share = float(bass[lowest] / max(bass.sum(), 1e-9))
    interval = int(above[lowest])
    needed = _MIN_BASS_SHARE if interval in intervals else _MIN_FOREIGN_BASS_SHARE
    fifths = root + transpose_fifths(0, interval)
    if not with_bass or share < needed or not MIN_FIFTHS <= fifths <= MAX_FIFTHS:
        fifths = root
    return Chord(root, quality, fifths)


def _reason(chord: Chord, share: float, *, is_weak: bool) -> str:
    """Say what speaks for a chord: the share of what sounds that belongs to it, and its bass."""
    if not chord.quality:
        return "silence, or no chord fits"
    text = f"{share:.0%} of what sounds are its notes"
    if chord.bass != chord.root:
        text += f", {format_name(chord.bass)} is lowest"
    return f"{text}; a melody alone" if is_weak else text
