"""A small trained model and an irregular song, for tools that keep notes exactly."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from musicvae.song import MeterMap, Part, Song
from support.songs import part_on_grid


def note_rows(part: Part) -> list[tuple[int, ...]]:
    """Return onset, duration, pitch and velocity of each note."""
    names = ("onset_ticks", "duration_ticks", "pitch", "velocity")
    return list(zip(*(getattr(part, name).tolist() for name in names), strict=True))


def irregular_song(seed: int = 0) -> Song:
    """A song off the grid, with a pickup, a change of meter, ties over bar lines, and drums."""
    rng = np.random.default_rng(seed)
    line = [(i * 11 + int(rng.integers(0, 3)), 14, 60 + i % 9, 50 + i % 60) for i in range(60)]
    low = [(i * 96 + 12, 108, 40 + i % 5, 70) for i in range(7)]
    kit = [(i * 24, 6, 35 + i % 2 * 3, 99) for i in range(30)]
    parts = [
        part_on_grid(line, 20, name="Lead"),
        part_on_grid(low, 20, name="Low", program=33),
        part_on_grid(kit, 20, name="Kit", is_drum=True),
    ]
    meter = MeterMap(
        ticks=np.array([0, 480, 480 + 4 * 1920]),
        numerator=np.array([1, 4, 3]),
        denominator=np.array([4, 4, 4]),
    )
    return replace(Song.new(parts, qpm=90), meter=meter)
