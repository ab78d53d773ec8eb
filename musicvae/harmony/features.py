"""Features of the notes of each beat for chord estimation.

Beats are those of the meter, but at most a quarter in simple and a dotted quarter in compound
meters. All pitched parts count together. A beat is described by its pitch classes: how long each
sounds, and how much of that is low; with its neighbors, its bar and the song around it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from musicvae.arrays import Bools, Floats, Floats32, Ints, ragged_range
from musicvae.representation.grid import Grid, beat_length, is_compound
from musicvae.song import Song

MAX_SIMPLE_BEAT = 1.0
"""Longest beat of a simple meter, in quarters: chords may change at each quarter of 2/2."""
_NEIGHBORS = (-2, -1, 1, 2)
_LOCAL_BEATS = 16  # to both sides
BASS_SEMITONES = 4.0
"""A note as much above the lowest one of its beat has 1/e of its weight as a bass."""
COVERAGE, BASS = 0, 3
"""Rows of the features by pitch class: what sounds in the beat, and what is low."""
NEARBY = (5, 6, 12)
"""Rows of what sounds in the beats before and after, and in the bar."""
N_SHARED = 8
"""Features that do not depend on the root."""
N_ROTATED = 12 * (3 + 2 * len(_NEIGHBORS) + 4)
"""Features that are rotated to each root."""


@dataclass(frozen=True, kw_only=True)
class Beats:
    """Beats of a song, arrays `(T,)`: first tick, index of the bar, position in it.

    `end_ticks` is the end of the last beat; `strength` is 2 at the start of a bar, 1 in the middle
    of a bar of four or six, else 0.
    """

    start_ticks: Ints
    end_ticks: int
    bar: Ints
    strength: Ints

    def __len__(self) -> int:
        return len(self.start_ticks)

    def first(self, n: int) -> Beats:
        """Return the first `n` beats."""
        if n >= len(self):
            return self
        return Beats(
            start_ticks=self.start_ticks[:n],
            end_ticks=int(self.start_ticks[n]),
            bar=self.bar[:n],
            strength=self.strength[:n],
        )


def find_beats(grid: Grid) -> Beats:
    """Return the beats of all bars; a pickup bar has those of its full meter that it holds."""
    quarters = np.asarray(beat_length(grid.numerator, grid.denominator), np.float64)
    compound = np.asarray(is_compound(grid.numerator, grid.denominator))
    quarters = np.where(compound, quarters, np.minimum(quarters, MAX_SIMPLE_BEAT))
    beat_ticks = np.maximum(quarters * grid.ticks_per_quarter, 1)
    lead = grid.lead_steps * grid.ticks_per_quarter / grid.steps_per_quarter
    first = np.floor(lead / beat_ticks + 1e-6).astype(np.int64)
    stop = np.ceil((lead + grid.length_ticks) / beat_ticks - 1e-6).astype(np.int64)
    counts = np.maximum(stop - first, 1)
    bar = np.repeat(np.arange(len(grid)), counts)
    position = ragged_range(counts, first)
    ticks = grid.start_ticks[bar] + np.maximum(position * beat_ticks[bar] - lead[bar], 0)
    per_bar = np.round((lead + grid.length_ticks) / beat_ticks)[bar]
    is_middle = (per_bar % 2 == 0) & (per_bar >= 4) & (2 * position == per_bar)
    end = grid.start_ticks[-1] + grid.length_ticks[-1] if len(grid) else 0
    return Beats(
        start_ticks=np.round(ticks).astype(np.int64),
        end_ticks=int(end),
        bar=bar,
        strength=np.where(position == 0, 2, is_middle.astype(np.int64)),
    )


@dataclass(frozen=True, kw_only=True)
class BeatNotes:
    """How the notes of each beat sound, arrays `(T, 12)` by pitch class.

    `coverage` is the share of the beat in which a pitch class sounds, at most 1; `weight` the sum
    of its notes, `bass` of the low ones, `onset` that of notes that begin, each in beats.
    `lowest` is the lowest pitch, 128 in silence, and `voices` the mean number of notes. `(T,)`
    """

    coverage: Floats32
    weight: Floats32
    bass: Floats32
    onset: Floats32
    lowest: Ints
    voices: Floats32


def measure_notes(song: Song, beats: Beats) -> BeatNotes:
    """Measure the notes of all parts but drums."""
    parts = [part for part in song.parts if not part.is_drum and len(part)]
    T = len(beats)
    empty = [np.zeros(0, np.int64)]
    onset, duration, pitch = (
        np.concatenate([getattr(part, name) for part in parts] or empty)
        for name in ("onset_ticks", "duration_ticks", "pitch")
    )
    edges = np.append(beats.start_ticks, max(beats.end_ticks, beats.start_ticks[-1] + 1))
    first = np.clip(np.searchsorted(edges, onset, side="right") - 1, 0, T - 1)
    last = np.clip(np.searchsorted(edges, onset + duration, side="left") - 1, first, T - 1)
    counts = last - first + 1
    note, beat = np.repeat(np.arange(len(onset)), counts), ragged_range(counts, first)
    begin = np.maximum(onset[note], edges[beat])
    end = np.minimum(onset[note] + duration[note], edges[beat + 1])
    share = np.maximum(end - begin, 0) / np.diff(edges)[beat]
    lowest = np.full(T, 128, np.int64)
    np.minimum.at(lowest, beat[share > 0], pitch[note][share > 0])
    cell = beat * 12 + pitch[note] % 12
    is_begun = (first[note] == beat) & (onset[note] >= edges[beat])
    height = pitch[note] - lowest[beat]

    def by_class(values: Floats) -> Floats32:
        return np.bincount(cell, values, 12 * T).reshape(T, 12).astype(np.float32)

    weight = by_class(share)
    return BeatNotes(
        coverage=np.minimum(weight, 1),
        weight=weight,
        bass=by_class(share * np.exp(-height / BASS_SEMITONES)),
        onset=by_class(share * is_begun),
        lowest=lowest,
        voices=weight.sum(1),
    )


def _group_means(values: Floats32, group: Ints) -> Floats32:
    """Return, for each row, the mean over the rows of its group."""
    n = int(group[-1]) + 1 if len(group) else 0
    total = np.zeros((n, values.shape[1]), np.float32)
    np.add.at(total, group, values)
    count = np.maximum(np.bincount(group, minlength=n), 1).astype(np.float32)
    return (total / count[:, None])[group]


def _shift(values: Floats32, by: int) -> Floats32:
    """Return the rows `by` later, zeros past the ends."""
    shifted = np.zeros_like(values)
    if by > 0:
        shifted[:-by] = values[by:]
    else:
        shifted[-by:] = values[:by]
    return shifted


def _normalized(values: Floats32) -> Floats32:
    """Return rows that sum to one, or are zero."""
    return values / np.maximum(values.sum(1, keepdims=True), 1e-6)


def beat_features(notes: BeatNotes, beats: Beats) -> tuple[Floats32, Floats32]:
    """Return features by pitch class `(T, N_ROTATED / 12, 12)` and features of all `(T, N_SHARED)`.

    Rotated to a root, the former say which intervals above it sound.
    """
    T = len(beats)
    coverage, bass = notes.coverage, _normalized(notes.bass)
    total = np.concatenate([np.zeros((1, 12)), np.cumsum(notes.weight, 0)])
    stop = np.minimum(np.arange(T) + _LOCAL_BEATS + 1, T)
    start = np.maximum(np.arange(T) - _LOCAL_BEATS, 0)
    local = (total[stop] - total[start]).astype(np.float32)
    song = np.broadcast_to(total[-1:].astype(np.float32), (T, 12))
    rotated = np.stack(
        [
            coverage,
            _normalized(notes.weight),
            _normalized(notes.onset),
            bass,
            *(_shift(coverage, by) for by in _NEIGHBORS),
            *(_shift(bass, by) for by in _NEIGHBORS),
            _group_means(coverage, beats.bar),
            _normalized(local),
            _normalized(song),
        ],
        axis=1,
    )
    is_sounding: Bools = notes.voices > 0
    shared = np.stack(
        [
            is_sounding,
            np.minimum(notes.voices, 6) / 6,
            (notes.coverage > 0.1).sum(1) / 6,
            np.where(is_sounding, (notes.lowest - 48) / 24, 0),
            beats.strength == 2,
            beats.strength == 1,
            np.append(0, is_sounding[:-1]),
            np.full(T, min(float(notes.voices.mean()) if T else 0.0, 6) / 6),
        ],
        axis=1,
    ).astype(np.float32)
    return rotated.astype(np.float32), shared
