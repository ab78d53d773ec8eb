"""Performances of small songs, as recorded from a digital piano without a click."""

from __future__ import annotations

import numpy as np

from musicvae.song import Part, Song


def waltz(bars: int = 24) -> Song:
    """Return a waltz for piano: bass, chords after it, and a melody in quarters and eighths."""
    rows: list[tuple[float, float, int, int]] = []
    for bar in range(bars):
        root = (48, 53, 55, 48)[bar % 4]
        at = bar * 3.0
        rows.append((at, 1, root - 12, 76))
        rows += [(at + beat, 0.8, root + tone, 60) for beat in (1, 2) for tone in (4, 7, 12)]
        tune = ((72, 0, 2), (76, 2, 1)) if bar % 2 else ((79, 0, 1), (77, 1, 0.5), (76, 1.5, 0.5))
        rows += [(at + start, length, pitch + bar % 3, 88) for pitch, start, length in tune]
    onset, length, pitch, velocity = np.array(rows).T
    notes = (onset * 480, length * 480, pitch, velocity)
    part = Part.empty("Piano").with_notes(*(column.astype(int) for column in notes))
    return Song.new([part], qpm=132, meter=(3, 4))


def played_freely(
    song: Song, seed: int, *, rubato: float = 0.12, jitter_s: float = 0.01, period_s: float = 0.5
) -> Song:
    """Return a song played with rubato (SD of the log tempo), in a file of 120 qpm.

    Onsets deviate by `jitter_s`; a quarter lasts `period_s` on average.
    """
    rng = np.random.default_rng(seed)
    tpq = song.ticks_per_quarter
    at = np.arange(0, song.end_ticks / tpq + 4, 0.25)
    sway = sum(
        np.sin(2 * np.pi * (at / period + rng.random())) for period in (6.0, 12.0, 24.0, 31.0)
    )
    pace = period_s * np.exp(rubato * np.asarray(sway) / np.sqrt(2))
    time = 0.7 + np.concatenate([[0.0], np.cumsum(pace[:-1] * 0.25)])
    parts = []
    for part in song.parts:
        start = np.interp(part.onset_ticks / tpq, at, time)
        stop = np.interp((part.onset_ticks + part.duration_ticks) / tpq, at, time)
        start = start + rng.normal(0, jitter_s, len(part))
        ticks = np.round(start * 960).astype(int)
        length = np.maximum(np.round((stop - start) * 960).astype(int), 1)
        parts.append(part.with_notes(ticks, length, part.pitch, part.velocity))
    return Song.new(parts, qpm=120, ticks_per_quarter=480)
