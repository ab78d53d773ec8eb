"""Floor 10: a song in the plain numbers that a page plays and draws it by."""

from __future__ import annotations

from typing import Any

import numpy as np

from musicvae.plots.layout import drum_lanes, label_parts
from musicvae.representation.bars import Bars
from musicvae.song import Song

NOISE_CUTOFF_HZ = {"Kick": 0, "Snare": 900, "Tom": 400, "Other": 3000, "Hi-hat": 6000, "Cymbal": 4000}
_MIN_SPAN = 12  # semitones that a roll shows at least


def song_json(song: Song, title: str) -> dict[str, Any]:
    """What `player.js` reads: `seconds`; `bars`, when they begin and their numbers, 0 for a pickup;
    `low` and `high` pitch, `low` above `high` where there are only drums; names of drum `lanes`;
    `hisses`, above which frequency in hz oscillators let noise through for each of them, 0 for
    drums that are no noise; `parts` with their notes as (onset ms, length ms, pitch, velocity,
    lane).
    """

    def seconds(ticks: Any) -> Any:
        return np.asarray(song.tempo.seconds(ticks, song.ticks_per_quarter), np.float64)

    named = [entry for entry in label_parts(song) if len(entry[0])]
    drums = {int(p) for part, _ in named if part.is_drum for p in np.unique(part.pitch)}
    lanes, lane_of = drum_lanes(drums)
    pitches = np.concatenate(
        [np.zeros(0, np.int64), *(part.pitch for part, _ in named if not part.is_drum)]
    )
    parts, melodic = [], 0
    for part, name in named:
        start = seconds(part.onset_ticks)
        long = seconds(part.onset_ticks + part.duration_ticks) - start
        rows = lane_of[part.pitch] if part.is_drum else np.zeros(len(part), np.int64)
        ms = (np.round(1000 * each).astype(np.int64) for each in (start, long))
        table = np.stack([*ms, part.pitch, part.velocity, rows], 1)
        parts.append(
            {"name": name, "colour": melodic, "drum": part.is_drum, "notes": table.tolist()}
        )
        melodic += not part.is_drum
    grid = Bars.from_song(song).grid
    first = 0 if len(grid) and grid.lead_steps[0] > 0 else 1
    begins = np.round(seconds(grid.start_ticks), 3).tolist()
    return {
        "title": title,
        "seconds": max(round(song.duration_s, 3), 0.001),
        "bars": [[at, nth] for nth, at in enumerate(begins, start=first)],
        **_pitch_range(pitches),
        "lanes": lanes,
        "hisses": [NOISE_CUTOFF_HZ[name] for name in lanes],
        "parts": parts,
    }


def _pitch_range(pitches: np.ndarray) -> dict[str, int]:
    if not len(pitches):
        return {"low": 1, "high": 0}
    low, high = int(pitches.min()) - 1, int(pitches.max()) + 1
    missing = max(_MIN_SPAN - (high - low), 0)
    return {"low": low - missing // 2, "high": high + missing - missing // 2}
