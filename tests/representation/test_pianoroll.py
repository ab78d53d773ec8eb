"""Bars as piano rolls, and back."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from musicvae.representation.bars import Bars
from musicvae.representation.pianoroll import ONSET, SUSTAIN, TIMING, VELOCITY, from_roll, to_roll
from musicvae.song import Song
from support.equality import notes_equal
from support.songs import part_on_grid
from support.strategies import songs


@given(songs(), st.sampled_from([1, 4, 24]))
def test_roll_round_trip(song: Song, steps: int) -> None:
    bars = Bars.from_song(song).at(steps)
    roll = to_roll(bars)
    notes, orphans = from_roll(roll, bars.grid)
    clipped = replace(bars.notes, timing=np.clip(bars.notes.timing, -127, 127))
    assert notes_equal(notes, clipped)
    assert steps < 4 or notes_equal(notes, bars.notes)
    assert orphans == 0


@given(songs())
def test_song_to_roll_round_trip(song: Song) -> None:
    bars = Bars.from_song(song)
    notes, _ = from_roll(to_roll(bars), bars.grid)
    assert replace(bars, notes=notes).to_song() == song


@given(songs(max_parts=2))
def test_roll_matches_a_naive_implementation(song: Song) -> None:
    bars = Bars.from_song(song).at(4)
    roll = to_roll(bars)
    grid = bars.grid
    expected = np.zeros_like(roll)
    line = [(b, s) for b in range(len(grid)) for s in range(grid.lead_steps[b], grid.steps[b])]
    for note in zip(*vars(bars.notes).values(), strict=True):
        bar, step, part, pitch, duration, velocity, timing = map(int, note)
        at = line.index((bar, step))
        expected[bar, part, ONSET, step, pitch] = 1
        expected[bar, part, VELOCITY, step, pitch] = velocity
        expected[bar, part, TIMING, step, pitch] = 128 + timing
        for later_bar, later_step in line[at + 1 : at + duration]:
            expected[later_bar, part, SUSTAIN, later_step, pitch] = 1
    assert np.array_equal(roll, expected)


def test_repeated_notes_stay_separate() -> None:
    bars = Bars.from_song(Song.new([part_on_grid([(i * 6, 6, 60, 64) for i in range(16)], 20)])).at(
        4
    )
    roll = to_roll(bars)
    assert roll.shape == (1, 1, 4, 16, 128)
    assert roll[0, 0, ONSET, :, 60].tolist() == [1] * 16
    assert roll[0, 0, SUSTAIN].sum() == 0


@given(songs(max_parts=2), st.integers(0, 255))
def test_masked_steps_are_ignored(song: Song, noise: int) -> None:
    bars = Bars.from_song(song).at(4)
    roll = to_roll(bars)
    masked = ~(
        (np.arange(roll.shape[3]) >= bars.grid.lead_steps[:, None])
        & (np.arange(roll.shape[3]) < bars.grid.steps[:, None])
    )
    noisy = np.where(masked[:, None, None, :, None], np.uint8(noise), roll)
    assert notes_equal(from_roll(noisy, bars.grid)[0], bars.notes)


def test_sustain_without_onset_is_dropped() -> None:
    bars = Bars.from_song(Song.new([part_on_grid([(24, 24, 60, 64)], 20)])).at(4)
    roll = to_roll(bars)
    before = roll.copy()
    roll[0, 0, SUSTAIN, 10:13, 72] = 1
    notes, orphans = from_roll(roll, bars.grid)
    assert orphans == 1
    assert notes_equal(notes, bars.notes)
    assert (to_roll(bars) == before).all()


def test_onset_overrides_sustain() -> None:
    bars = Bars.from_song(
        Song.new([part_on_grid([(i * 24, 24, 60, 64) for i in range(4)], 20)])
    ).at(4)
    roll = to_roll(bars)
    roll[:, :, SUSTAIN, :, 60] = 1  # a model may predict both
    notes, orphans = from_roll(roll, bars.grid)
    assert notes_equal(notes, bars.notes)
    assert orphans == 0


def test_wider_roll_is_padded() -> None:
    bars = Bars.from_song(Song.new([part_on_grid([(0, 24, 60, 64)], 20)])).at(4)
    roll = to_roll(bars, steps=24)
    assert roll.shape[3] == 24
    assert roll[:, :, :, 16:].sum() == 0
