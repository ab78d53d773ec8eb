"""Simulated piano performances of scores: rubato, asynchrony, pedal and ornaments, without a click.

The file has one constant tempo that has nothing to do with the music. True beats, downbeats and the
position of every note in its bar are known from the score. Songs are split by work.
"""

from __future__ import annotations

import csv
import random
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from experiments.downbeats.known_bars import DATA
from musicvae import io
from musicvae.arrays import Floats, Ints
from musicvae.errors import MusicVAEError
from musicvae.representation.grid import Grid, grid_from_song
from musicvae.song import Part, Song

CORPORA = ("polish-piano", "chopin", "mutopia", "lieder")  # lead sheets have one voice
MAX_BARS = 96  # of a piece that are performed
MIN_NOTES, MAX_NOTES = 60, 4000
MIN_VOICES = 1.25  # notes for each onset: no melodies
_PIANO = re.compile("piano|clavier|harpsichord|klavier", re.IGNORECASE)


@dataclass(frozen=True)
class Score:
    """A piece with known bars."""

    corpus: str
    work: str
    song: Song

    @property
    def split(self) -> str:
        """`train`, `valid` or `test`, by work."""
        return split_of(self.work)


@dataclass(frozen=True, kw_only=True)
class Performance:
    """A performance, and what was played. Times in seconds of the file, positions in quarters."""

    song: Song
    beats_s: Floats
    downbeats_s: Floats
    onset_s: Floats
    """Of each note that is in the score. `(M,)`"""
    position: Floats
    """In its bar. `(M,)`"""
    bar_quarters: Floats
    """Length of that bar. `(M,)`"""
    quarters: Floats
    """Position in the score. `(M,)`"""
    is_compound: np.ndarray
    """Whether the meter of its bar is compound. `(M,)`"""


def split_of(work: str) -> str:
    """Return the split of a work: a tenth for validation, a fifth for the test."""
    place = zlib.crc32(work.encode()) % 10
    return {0: "valid", 1: "test", 2: "test"}.get(place, "train")


def scores(corpus: str, split: str, n: int) -> Iterator[Score]:
    """Yield up to `n` pieces of a split, drawn with a fixed seed, one of each work."""
    files = [(work, path) for work, path in _files(corpus) if split_of(work) == split]
    random.Random(1).shuffle(files)
    found: set[str] = set()
    for work, path in files:
        if len(found) == n:
            return
        if work in found:
            continue
        try:
            song = _keyboard(io.read(path), corpus)
        except MusicVAEError:
            continue
        if _is_usable(song):
            found.add(work)
            yield Score(corpus, work, song)


def _is_usable(song: Song) -> bool:
    """Return whether a piece is long enough, and for two hands."""
    if not MIN_NOTES <= song.n_notes <= MAX_NOTES or len(grid_from_song(song, 24)) < 8:
        return False
    onsets = np.unique(np.concatenate([part.onset_ticks for part in song.parts]))
    return bool(song.n_notes >= MIN_VOICES * len(onsets))


def _files(corpus: str) -> Iterator[tuple[str, Path]]:
    """Yield the work and the path of each file."""
    folder = DATA / corpus
    if corpus == "mutopia":  # pickups of these files are at tick 0: only pieces without one
        with (folder / "index.csv").open(encoding="utf-8") as table:
            for row in csv.DictReader(table):
                known = row["partial"] or "Chopin" in row["piece"]
                if _PIANO.search(row["instrument"]) and not known:
                    yield row["piece"], folder / row["file"]
        return
    suffix = "*.krn" if corpus in ("polish-piano", "chopin") else "*.mxl"
    for path in sorted(folder.rglob(suffix)):
        if corpus == "chopin":
            yield f"chopin {path.stem.split('-')[0]}", path
        elif corpus == "polish-piano" and "chopin" in path.stem:
            continue  # may be a work of the collection of that name
        else:
            yield path.stem, path


def _keyboard(song: Song, corpus: str) -> Song:
    """Return the first `MAX_BARS` bars of the keyboard parts."""
    parts = [part for part in song.parts if len(part) and not part.is_drum]
    if corpus == "lieder":
        keys = [p for p in parts if p.program < 8 and "voice" not in p.name.lower()]
        parts = keys[-2:] or parts
    grid = grid_from_song(song, 24)
    end = song.end_ticks
    if len(grid) > MAX_BARS:
        end = int(grid.start_ticks[MAX_BARS])
    kept = tuple(part.select(part.onset_ticks < end) for part in parts)
    return Song(
        ticks_per_quarter=song.ticks_per_quarter,
        parts=kept,
        tempo=song.tempo,
        meter=song.meter,
        key=song.key,
        end_ticks=0,
    )


def beats_of(grid: Grid) -> tuple[Floats, Ints]:
    """Return the ticks of all beats, and the bar of each; dotted quarters in compound meters."""
    beats, bars = [], []
    for i in range(len(grid)):
        quarters = beat_quarters(int(grid.numerator[i]), int(grid.denominator[i]))
        beat = grid.ticks_per_quarter * quarters
        start, end = float(grid.start_ticks[i]), float(grid.start_ticks[i] + grid.length_ticks[i])
        if grid.lead_steps[i]:
            start -= grid.lead_steps[i] * grid.ticks_per_quarter / grid.steps_per_quarter
        at = np.arange(start, end - 1e-6, beat)
        at = at[at >= grid.start_ticks[i] - 1e-6]
        beats.append(at)
        bars.append(np.full(len(at), i))
    return np.concatenate([np.zeros(0), *beats]), np.concatenate([np.zeros(0, int), *bars])


def beat_quarters(numerator: int, denominator: int) -> float:
    """Return the length of a beat in quarters."""
    compound = denominator >= 8 and numerator % 3 == 0 and numerator > 3
    return 12 / denominator if compound else 4 / denominator


def perform(score: Score, seed: int = 0) -> Performance:
    """Return a performance of a score, a function of its name and `seed`."""
    rng = np.random.default_rng(zlib.crc32(f"{score.corpus} {score.work} {seed}".encode()))
    song, tpq = score.song, score.song.ticks_per_quarter
    grid = grid_from_song(song, 24)
    columns = ("onset_ticks", "duration_ticks", "pitch", "velocity")
    onset, duration, pitch, velocity = (
        np.concatenate([getattr(p, name) for p in song.parts]) for name in columns
    )
    clock = _Clock.draw(song, grid, rng)
    base = clock.seconds(onset / tpq)
    stop = clock.seconds((onset + duration) / tpq)
    jitter = rng.uniform(0.01, 0.03)
    chords, chord = np.unique(onset, return_inverse=True)
    start = base + jitter * 0.7 * rng.normal(size=len(chords))[chord]
    start = start + jitter * 0.7 * rng.normal(size=len(onset))
    top = np.full(len(chords), -1)
    np.maximum.at(top, chord, pitch)
    melody = (pitch == top[chord]) & (np.bincount(chord)[chord] > 1)
    start = start - melody * rng.uniform(0.02, 0.03)
    start = start + _rolls(chord, pitch, rng)
    length = (stop - base) * np.clip(rng.normal(rng.uniform(0.6, 1.0), 0.1, len(base)), 0.3, 1.2)
    if rng.random() < 0.5:
        length = np.maximum(length, _pedal(clock, grid, onset / tpq, tpq, rng) - base)
    loud = _dynamics(clock, onset / tpq, velocity, melody, rng)
    bar = np.clip(np.searchsorted(grid.start_ticks, onset, side="right") - 1, 0, None)
    lead = grid.lead_steps[bar] * tpq / 24
    position = (onset - grid.start_ticks[bar] + lead) / tpq
    ornaments, length = _ornaments(start, length, pitch, loud, stop - base, melody, rng)
    file_tpq = int(rng.choice([220, 384, 480, 960]))
    qpm = float(rng.choice([60, 100, 120, 120, 120, 120, 140]))
    begin = rng.uniform(0.2, 3.0) - min(float(start.min()), float(base.min()))
    scale = file_tpq * qpm / 60
    table = np.concatenate([np.stack([start, length, pitch, loud]), ornaments], axis=1)
    onset_s, length_s, pitches, velocities = table
    played_part = Part.empty("Piano").with_notes(
        np.maximum(np.round((onset_s + begin) * scale), 0).astype(int),
        np.maximum(np.round(length_s * scale), 1).astype(int),
        pitches.astype(int),
        velocities.astype(int),
    )
    played = Song.new([played_part], qpm=qpm, ticks_per_quarter=file_tpq)
    beats, beat_bar = beats_of(grid)
    last = (onset.max()) / tpq + 1e-6
    beats = beats[beats / tpq <= last]
    first_beats = np.flatnonzero(np.diff(beat_bar[: len(beats)], prepend=-1))
    if len(grid) and grid.lead_steps[0]:
        first_beats = first_beats[beat_bar[first_beats] > 0]
    times = clock.seconds(beats / tpq) + begin
    return Performance(
        song=played,
        beats_s=times,
        downbeats_s=times[first_beats],
        onset_s=(start + begin),
        position=position,
        bar_quarters=((grid.length_ticks[bar] + lead) / tpq),
        quarters=(onset / tpq),
        is_compound=((grid.denominator >= 8) & (grid.numerator % 3 == 0))[bar],
    )


@dataclass(frozen=True)
class _Clock:
    """Time of each point of a score, in seconds."""

    at: Floats
    time: Floats
    arc: Floats

    def seconds(self, quarters: Floats) -> Floats:
        return np.interp(quarters, self.at, self.time)

    @classmethod
    def draw(cls, song: Song, grid: Grid, rng: np.random.Generator) -> _Clock:
        """Draw a tempo curve: phrase arcs, ritardandi, agogics, pauses, and a slower end."""
        tpq = song.ticks_per_quarter
        end = (grid.start_ticks[-1] + grid.length_ticks[-1]) / tpq
        at = np.arange(0, end + 8, 0.125)
        starts = grid.start_ticks / tpq
        lines = [0.0]
        bar = 0
        while bar < len(starts):
            bar += int(rng.choice([1, 2, 2, 4, 4, 4, 8]))
            lines.append(float(starts[bar]) if bar < len(starts) else float(at[-1]))
        arc = np.zeros(len(at))
        pauses = np.zeros(len(at))
        for first, last in pairwise(lines):
            inside = (at >= first) & (at < last)
            x = (at[inside] - first) / max(last - first, 1e-9)
            peak = rng.uniform(0.35, 0.65)
            curve = 1 - ((x - peak) / np.maximum(peak, 1 - peak)) ** 2
            arc[inside] = rng.uniform(0.5, 1.5) * curve
            if rng.random() < 0.5:
                arc[inside] -= rng.uniform(0.5, 2.0) * np.clip((x - 0.85) / 0.15, 0, 1) ** 2
            if rng.random() < 0.12 and inside.any():
                pauses[np.flatnonzero(inside)[-1]] = rng.uniform(0.1, 0.8)
        beats = np.arange(0, at[-1] + 2, 1.0)
        agogic = np.zeros(len(beats))
        for i in range(1, len(beats)):
            agogic[i] = 0.5 * agogic[i - 1] + rng.normal()
        curve = arc / max(arc.std(), 1e-9) + 0.6 * np.interp(at, beats, agogic)
        total = rng.uniform(0.04, 0.2)
        log_tempo = total * (curve - curve.mean()) / max(curve.std(), 1e-9)
        final = rng.uniform(0.2, 0.8)
        span = float(grid.length_ticks[-1]) / tpq * rng.uniform(0.75, 2)
        log_tempo = log_tempo - final * np.clip((at - end + span) / span, 0, 1) ** 2
        log_tempo = np.clip(log_tempo, -1.2, 0.7)
        scale = float(np.exp(rng.normal(0, 0.15)))
        if (song.tempo.us_per_quarter == 500_000).all():  # no tempo mark
            onset_end = max(part.end_ticks for part in song.parts) / tpq
            onsets = len({int(t) for part in song.parts for t in part.onset_ticks})
            usual = 0.6 * np.sqrt(onsets / max(onset_end - starts[0], 1.0) / 2)
            period = float(np.clip(usual * np.exp(rng.normal(0, 0.3)), 0.3, 1.6))
            scale = 0.5 / period
        ticks = np.round(at * tpq).astype(int)
        us = song.tempo.us_per_quarter[
            np.clip(np.searchsorted(song.tempo.ticks, ticks, side="right") - 1, 0, None)
        ]
        pace = us / 1e6 / scale * np.exp(-log_tempo)
        pace = np.clip(pace, 60 / 300, 60 / 22)
        time = np.concatenate([[0], np.cumsum(pace * 0.125 + pauses)[:-1]])
        return cls(at=at, time=time, arc=arc)


def _rolls(chord: Ints, pitch: Ints, rng: np.random.Generator) -> Floats:
    """Return the delays of rolled chords."""
    late = np.zeros(len(pitch))
    share = rng.choice([0.0, 0.0, 0.03, 0.15])
    order = np.lexsort((pitch, chord))
    edges = np.flatnonzero(np.diff(chord[order], prepend=-1, append=-2))
    for a, b in pairwise(edges):
        if b - a >= 3 and rng.random() < share:
            late[order[a:b]] = np.arange(b - a) * rng.uniform(0.02, 0.05)
            late[order[a:b]] -= late[order[a:b]].mean()
    return late


def _pedal(
    clock: _Clock, grid: Grid, quarters: Floats, tpq: int, rng: np.random.Generator
) -> Floats:
    """Return when the pedal lets each note go, in seconds: at the next half bar or beat."""
    beats = beats_of(grid)[0] / tpq
    changes = beats[:: int(rng.choice([1, 2, 3, 4]))]
    next_change = np.searchsorted(changes, quarters + 0.05)
    ends = np.append(changes, clock.at[-1])[np.minimum(next_change, len(changes))]
    return clock.seconds(ends) + rng.normal(0.05, 0.03, len(quarters))


def _dynamics(
    clock: _Clock, quarters: Floats, velocity: Ints, melody: np.ndarray, rng: np.random.Generator
) -> Ints:
    arc = np.interp(quarters, clock.at, clock.arc)
    bow = 8 * (arc - arc.mean()) / max(arc.std(), 1e-9)
    accent = rng.uniform(0, 5) * (np.abs(quarters - np.round(quarters)) < 0.01)
    loud = 0.5 * velocity + 28 + bow + 10 * melody + accent
    return np.clip(np.round(loud + rng.normal(0, 6, len(quarters))), 15, 120).astype(int)


def _ornaments(
    start: Floats,
    length: Floats,
    pitch: Ints,
    loud: Ints,
    value_s: Floats,
    melody: np.ndarray,
    rng: np.random.Generator,
) -> tuple[np.ndarray, Floats]:
    """Return added notes (onset, length, pitch, velocity) `(4, n)`, and the lengths of all others.

    Grace notes before some notes of the melody, and trills on long ones.
    """
    share = rng.choice([0.0, 0.01, 0.02, 0.05])
    added: list[tuple[float, ...]] = []
    length = length.copy()
    for i in np.flatnonzero(melody):
        if rng.random() >= share:
            continue
        step = int(rng.choice([1, 2]))
        if value_s[i] > 0.5 and rng.random() < 0.3:
            pace = rng.uniform(0.06, 0.1)
            for k in range(1, int(value_s[i] * 0.9 / pace)):
                at = start[i] + k * pace + rng.normal(0, 0.006)
                added.append((at, pace, pitch[i] + step * (k % 2), max(loud[i] - 8, 1)))
            length[i] = pace
        else:
            n = int(rng.choice([1, 1, 2, 3]))
            pace = rng.uniform(0.05, 0.09)
            for k in range(n):
                at = start[i] - (n - k) * pace
                added.append((at, pace, pitch[i] + step * (-1) ** k, max(loud[i] - 8, 1)))
    return np.array(added).reshape(-1, 4).T, length
