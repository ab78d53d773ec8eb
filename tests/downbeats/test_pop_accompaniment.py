"""Bar lines of pop accompaniments: files that state 1/4, a late grid, anticipated chords."""

from __future__ import annotations

import numpy as np
import pytest

from musicvae.downbeats import estimate_barlines
from musicvae.representation.grid import grid_from_song
from musicvae.song import MeterMap, Part, Song

TICKS = 480
CHORDS = [(0, (0, 4, 7)), (7, (0, 4, 7)), (9, (0, 3, 7)), (5, (0, 4, 7))]
VERSE, CHORUS = [0, 1, 2, 3], [2, 3, 0, 1]
N_BARS = 32


def piano(anticipation: float, meter: tuple[int, int]) -> Song:
    """Return 32 bars of 4/4, one chord each: a bass with fifths, and chords on the beats.

    `anticipation`: quarters by which every other chord comes early, with its bass.
    """
    rows = []
    for bar in range(N_BARS):
        which = (VERSE if bar // 8 % 2 == 0 else CHORUS)[bar % 4]
        root, tones = CHORDS[which]
        early = anticipation * (bar % 2)
        hits = [(4 * bar - early, 2 + early, [36 + root])]
        hits += [(4 * bar + 2, 2 - anticipation, [43 + root])]
        hits += [(4 * bar - early, 0.9, [60 + (root + t) % 12 for t in tones])]
        hits += [(4 * bar + beat, 0.9 - 0.5 * (beat == 3), [60 + (root + t) % 12 for t in tones])
                 for beat in (1, 2, 3)]  # fmt: skip
        rows += [(at, length, pitch) for at, length, pitches in hits for pitch in pitches]
    onset, length, pitch = (np.array(column) for column in zip(*sorted(rows), strict=True))
    part = Part.empty("PIANO").with_notes(
        np.round(onset * TICKS).astype(int),
        np.round(length * TICKS).astype(int),
        pitch,
        np.full(len(pitch), 80),
    )
    return Song.new([part], qpm=92, meter=meter, end_ticks=4 * N_BARS * TICKS)


def late(song: Song, ticks: int) -> Song:
    parts = [
        part.with_notes(part.onset_ticks + ticks, part.duration_ticks, part.pitch, part.velocity)
        for part in song.parts
    ]
    return Song(
        parts=tuple(parts), tempo=song.tempo, meter=song.meter, key=song.key,
        end_ticks=song.end_ticks + ticks,
    )  # fmt: skip


@pytest.mark.parametrize("anticipation", [0.0, 0.5])
@pytest.mark.parametrize("ticks", [0, 50, 480 + 70, 3 * 480 + 33])
def test_a_stated_quarter_on_a_late_grid_is_no_bar(ticks: int, anticipation: float) -> None:
    """1/4 is a placeholder; the bars are found wherever the grid begins."""
    song = late(piano(anticipation, (1, 4)), ticks)
    assert song.meter == MeterMap.constant(1, 4)
    estimate = estimate_barlines(song)
    assert estimate.grid_estimate.is_metrical
    assert estimate.choice.source == "inferred"
    grid = grid_from_song(estimate.song, 24)
    found = estimate.seconds(grid.start_ticks)
    truth = (4 * np.arange(N_BARS) + ticks / TICKS) * 60 / 92
    hits = np.abs(truth[:, None] - found[None]).min(1) < 0.07
    assert hits.mean() > 0.9
    assert len(found) <= N_BARS + 3
