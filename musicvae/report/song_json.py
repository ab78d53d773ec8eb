"""JSON of a song for `player.js`, which plays and draws it."""

from __future__ import annotations

from typing import Any

import numpy as np

from musicvae.chords import format_symbol
from musicvae.plots.layout import drum_lanes, label_parts
from musicvae.representation.bars import Bars
from musicvae.representation.performance import performed
from musicvae.song import Song

NOISE_CUTOFF_HZ = {
    "Kick": 0,
    "Snare": 900,
    "Tom": 400,
    "Other": 3000,
    "Hi-hat": 6000,
    "Cymbal": 4000,
}
"""Cutoff of the high-pass filter on the noise of each drum lane, 0 for drums without noise."""
_MIN_SPAN = 12  # semitones


def song_json(song: Song, title: str) -> dict[str, Any]:
    """Return the data that `player.js` reads.

    `seconds`: duration. `bars`: (start in seconds, number, 0 for a pickup). `low`, `high`: pitch
    range, `low` above `high` if there are only drums. `chords`: (start in seconds, symbol).
    `lanes`: names of the drum lanes. `noise_cutoff_hz`: one value of `NOISE_CUTOFF_HZ` for each
    lane. `parts`: `name`, `color` (index in the palette), `drum` and `notes` as (onset ms,
    duration ms, pitch, velocity, lane).
    """

    def seconds(ticks: Any) -> Any:
        return np.asarray(song.tempo.seconds(ticks, song.ticks_per_quarter), np.float64)

    song = performed(song)
    labeled = [entry for entry in label_parts(song) if len(entry[0])]
    drums = {int(p) for part, _ in labeled if part.is_drum for p in np.unique(part.pitch)}
    lanes, lane_by_pitch = drum_lanes(drums)
    pitches = np.concatenate(
        [np.zeros(0, np.int64), *(part.pitch for part, _ in labeled if not part.is_drum)]
    )
    parts, n_melodic = [], 0
    for part, name in labeled:
        start = seconds(part.onset_ticks)
        duration = seconds(part.onset_ticks + part.duration_ticks) - start
        note_lanes = lane_by_pitch[part.pitch] if part.is_drum else np.zeros(len(part), np.int64)
        ms = (np.round(1000 * each).astype(np.int64) for each in (start, duration))
        table = np.stack([*ms, part.pitch, part.velocity, note_lanes], 1)
        parts.append(
            {"name": name, "color": n_melodic, "drum": part.is_drum, "notes": table.tolist()}
        )
        n_melodic += not part.is_drum
    grid = Bars.from_song(song).grid
    first = 0 if len(grid) and grid.lead_steps[0] > 0 else 1
    starts = np.round(seconds(grid.start_ticks), 3).tolist()
    return {
        "title": title,
        "seconds": max(round(song.duration_s, 3), 0.001),
        "bars": [[at, nth] for nth, at in enumerate(starts, start=first)],
        "chords": [
            [at, symbol]
            for at, symbol in zip(
                np.round(seconds(song.chords.ticks), 3).tolist(),
                song.chords.labels(format_symbol),
                strict=True,
            )
        ],
        **_pitch_range(pitches),
        "lanes": lanes,
        "noise_cutoff_hz": [NOISE_CUTOFF_HZ[name] for name in lanes],
        "parts": parts,
    }


def _pitch_range(pitches: np.ndarray) -> dict[str, int]:
    """Return the pitch range with a margin, empty if there are no pitches."""
    if not len(pitches):
        return {"low": 1, "high": 0}
    low, high = int(pitches.min()) - 1, int(pitches.max()) + 1
    missing = max(_MIN_SPAN - (high - low), 0)
    return {"low": low - missing // 2, "high": high + missing - missing // 2}
