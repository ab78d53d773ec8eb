"""Small songs that tests know by heart: four voices, a band."""

from __future__ import annotations

import numpy as np

from musicvae.song import KeyMap, MeterMap, Part, Song, TempoMap
from support.strategies import part_on_grid


def line_on_grid(pitches: list[int], cells: int = 24, begin: int = 0, **kind: object) -> Part:
    """A line of notes of one length on the stored grid, one after the other; 0 is a rest."""
    notes = [(begin + i * cells, cells, p, 70 + i % 5) for i, p in enumerate(pitches) if p]
    return part_on_grid(notes, 20, **kind)


def small_chorale(transpose: int = 0, seed: int = 0, bars: int = 8) -> Song:
    """Four voices in quarters, 4/4 after a pickup of a quarter; another piece for each seed."""
    rng = np.random.default_rng(seed)
    scale = np.array([0, 2, 4, 5, 7, 9, 11])
    parts = []
    for name, low in (("Soprano", 67), ("Alto", 60), ("Tenor", 55), ("Bass", 43)):
        steps = np.cumsum(rng.integers(-2, 3, 1 + 4 * bars)) % 7
        pitches = (low + scale[steps] + transpose).tolist()
        parts.append(line_on_grid(pitches, name=name, program=52))
    return Song(
        ticks_per_quarter=480,
        parts=tuple(parts),
        tempo=TempoMap.constant(90),
        meter=MeterMap(
            ticks=np.array([0, 480]), numerator=np.array([1, 4]), denominator=np.array([4, 4])
        ),
        key=KeyMap(ticks=np.array([0]), fifths=np.array([-3]), minor=np.array([1])),
        end_ticks=480 * (1 + 4 * bars),
    )


def small_band() -> Song:
    """Melody, bass and drums, four bars of 4/4, with repeated notes and a tie over a bar line."""
    melody = [(0, 12, 72, 90), (12, 12, 72, 60), (24, 24, 74, 80), (84, 36, 76, 100)]
    bass = [(i * 48, 48, 36 + i % 2 * 7, 75) for i in range(8)]
    kit = [(i * 24, 6, 36 if i % 2 == 0 else 38, 100) for i in range(16)]
    kit += [(i * 12, 6, 42, 60 + i % 3 * 10) for i in range(32)]
    return Song.new(
        [
            part_on_grid(melody, 20, name="Lead", program=80),
            part_on_grid(bass, 20, name="Bass", program=33),
            part_on_grid(kit, 20, name="Kit", is_drum=True),
        ],
        qpm=110,
    )
