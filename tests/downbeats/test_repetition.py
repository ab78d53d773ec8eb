"""Loops and grooves: stated bar lines at which the music repeats are believed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from musicvae.downbeats import estimate_barlines
from musicvae.downbeats.features import NoteFeatures
from musicvae.downbeats.repetition import Repetition
from musicvae.representation.grid import grid_from_song
from musicvae.song import MeterMap, Part, Song

TICKS = 480


def part(rows: list[tuple[float, int]], *, is_drum: bool = False) -> Part:
    """Return a part of (onset in quarters, pitch), each an eighth long."""
    onset, pitch = (np.array(column) for column in zip(*sorted(rows), strict=True))
    ticks = np.round(onset * TICKS).astype(int)
    return Part.empty(is_drum=is_drum).with_notes(ticks, ticks * 0 + 230, pitch, ticks * 0 + 90)


def loop(bar: list[tuple[float, int]], quarters: float, bars: int) -> list[tuple[float, int]]:
    """Return a bar repeated."""
    return [(b * quarters + at, pitch) for b in range(bars) for at, pitch in bar]


def eighths(*pitches: int) -> list[tuple[float, int]]:
    """Return successive eighths."""
    return [(i / 2, pitch) for i, pitch in enumerate(pitches)]


SCALE_RIFF = eighths(60, 62, 64, 65, 67, 69, 71, 72)
SEVEN_EIGHT = eighths(60, 62, 64, 65, 67, 65, 64)
FIVE_FOUR = eighths(40, 52, 40, 47, 50, 40, 43, 45, 47, 50)
SEVEN_FOUR = [
    *[(0.0, 47), (1.0, 54), (1.5, 50), (2.0, 54), (2.5, 47), (3.0, 54)],
    *[(4.0, 50), (5.0, 47), (6.0, 45), (6.5, 54)],
]
RIFFS = {
    (4, 4): SCALE_RIFF,
    (7, 8): SEVEN_EIGHT,
    (7, 4): SEVEN_FOUR,
    (5, 4): FIVE_FOUR,
}


def riff_song(meter: tuple[int, int], bars: int = 16) -> Song:
    """Return a riff of one bar, repeated."""
    quarters = 4 * meter[0] / meter[1]
    end = round(quarters * bars * TICKS)
    return Song.new([part(loop(RIFFS[meter], quarters, bars))], meter=meter, end_ticks=end)


def house() -> Song:
    """Return kicks on the beats, claps, and hats and a bass off the beats."""
    kick, clap = [(at, 36) for at in range(4)], [(1, 39), (3, 39)]
    hat = [(at + 0.5, 46) for at in range(4)]
    roots = [45] * 8 + [48] * 4 + [43] * 4
    bass = [(i + 0.5, roots[i % 16]) for i in range(64)]
    drums = part(loop([*kick, *clap, *hat], 4, 16), is_drum=True)
    return Song.new([drums, part(bass)], end_ticks=64 * TICKS)


@pytest.mark.parametrize("meter", RIFFS)
def test_repeated_riff_keeps_its_stated_bars(meter: tuple[int, int]) -> None:
    song = riff_song(meter)
    estimate = estimate_barlines(song)
    assert estimate.choice.source == "stated"
    assert estimate.is_identity


def test_house_beat_keeps_its_stated_bars() -> None:
    assert estimate_barlines(house()).is_identity


def test_riff_moved_along_chords_keeps_its_stated_bars() -> None:
    moves = [0, 0, 0, 0, 5, 5, 0, 0, 7, 5, 0, 7]
    rows = [(2.5 * 2 * b + at, p + moves[b]) for b in range(12) for at, p in FIVE_FOUR]
    assert estimate_barlines(Song.new([part(rows)], meter=(5, 4))).is_identity


def test_riff_that_begins_within_the_first_bar_keeps_its_stated_bars() -> None:
    rows = [row for row in loop(SEVEN_FOUR, 7, 12) if row[0] >= 6]
    assert estimate_barlines(Song.new([part(rows)], meter=(7, 4))).is_identity


def test_odd_meter_is_kept_without_a_loop() -> None:
    """Software writes 4/4 by default, never 5/4: a melody that does not repeat, either."""
    rng = np.random.default_rng(3)
    rows = [(b * 5 + at, int(rng.integers(57, 76))) for b in range(16) for at in (0, 1.5, 2, 3, 4)]
    song = Song.new([part(rows)], meter=(5, 4))
    assert grid_from_song(estimate_barlines(song).song, 24).numerator.tolist()[:16] == [5] * 16


@pytest.mark.parametrize("wrong", [(1, 4), (1, 8), (4, 4)])
@pytest.mark.parametrize("meter", [(5, 4), (7, 8), (7, 4)])
def test_loop_in_a_file_with_a_wrong_meter_is_corrected(
    meter: tuple[int, int], wrong: tuple[int, int]
) -> None:
    song = riff_song(meter)
    found = estimate_barlines(replace(song, meter=MeterMap.constant(*wrong)))
    assert found.choice.source == "inferred"
    grid, truth = grid_from_song(found.song, 24), grid_from_song(song, 24)
    assert grid.start_ticks.tolist() == truth.start_ticks.tolist()


def notes(rows: list[tuple[float, int]]) -> NoteFeatures:
    """Return notes of one part on cells, from (onset in quarters, pitch)."""
    cell, pitch = (np.array(column) for column in zip(*rows, strict=True))
    n = len(cell)
    cells = np.round(cell * 4).astype(int)
    return NoteFeatures(
        cells, np.ones(n), pitch, np.full(n, 80), np.zeros(n, np.int64), np.zeros(n, bool)
    )


def test_loop_is_found_at_its_length_only() -> None:
    riff = Repetition(notes=notes(loop(FIVE_FOUR, 5, 8)))
    assert riff.exact_bar == 20
    assert [bar for bar in (12, 14, 16, 18, 20, 24, 28) if riff.loops_at(bar)] == [20]
    assert riff.loops_exactly_at(20)


def test_loop_starts_after_a_pickup() -> None:
    pickup = [(0.0, 79), (0.5, 81)]
    later = [(1 + at, pitch) for at, pitch in loop(SCALE_RIFF, 4, 8)]
    riff = Repetition(notes=notes([*pickup, *later]))
    assert riff.first_cell == 0
    assert riff.start(riff.exact_bar) == 4


def test_bars_of_which_one_in_four_differs_are_a_loop() -> None:
    rng = np.random.default_rng(1)
    rows = [
        (4 * b + at, pitch + (int(rng.integers(-7, 8)) if b % 4 == 3 else 0))
        for b in range(16)
        for at, pitch in SCALE_RIFF
    ]
    assert Repetition(notes=notes(rows)).loops_at(16)
    assert not Repetition(notes=notes(rows)).loops_at(12)


def fourths_differ(bar: list[tuple[float, int]], quarters: float) -> list[tuple[float, int]]:
    """Return sixteen bars, of which each fourth one has pitches of its own."""
    rng = np.random.default_rng(4)
    return [
        (quarters * b + at, int(rng.choice([48, 50, 51])) if b % 4 == 3 else pitch)
        for b in range(16)
        for at, pitch in bar
    ]


def test_riff_of_two_pitches_whose_fourth_bars_differ_keeps_its_stated_bars() -> None:
    """Its notes often recur at other lengths, but whole bars do only as stated."""
    rows = fourths_differ(eighths(51, 51, 51, 48, 48, 50), 3)
    riff = Repetition(notes=notes(rows))
    assert riff.loops_at(12)
    assert not any(riff.loops_at(bar) for bar in (16, 20, 28))
    assert estimate_barlines(Song.new([part(rows)], meter=(6, 8))).is_identity


def test_same_bars_are_fewer_where_bars_begin_elsewhere() -> None:
    riff = enumerate(loop(SCALE_RIFF, 4, 16))
    rows = [(at, pitch + 12 * (i % 32 in (24, 31))) for i, (at, pitch) in riff]
    events = Repetition(notes=notes(rows))._whole
    assert events.same_bars(16) == 0.75
    assert events.same_bars(16, 4) < 0.6
    assert events.same_bars(12) < 0.5
    assert not events.has_same_bars(12)


def test_music_that_repeats_after_a_beat_has_no_exact_bar() -> None:
    beats = [(float(at), 36) for at in range(32)]
    assert Repetition(notes=notes(beats)).exact_bar == 0


def test_melody_without_repetition_is_no_loop() -> None:
    rng = np.random.default_rng(2)
    rows = [(i / 2, int(rng.integers(55, 80))) for i in range(160)]
    free = Repetition(notes=notes(rows))
    assert free.exact_bar == 0
    assert not any(free.loops_at(bar) for bar in (12, 14, 16, 20, 24))
