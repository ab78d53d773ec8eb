"""Quantization of songs to bars, and back."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from musicvae.representation.bars import Bars, bar_and_step, cell_index
from musicvae.representation.grid import STORED_STEPS_PER_QUARTER, grid_from_song, header_of
from musicvae.song import KeyMap, MeterMap, Song, TempoMap
from support.equality import grids_equal, notes_equal
from support.songs import part_on_grid, small_chorale
from support.strategies import songs


def metered(*changes: tuple[int, int, int], end: int, tpq: int = 480) -> Song:
    """Return a song with a note per quarter and meter changes (tick, numerator, denominator)."""
    ticks, numerator, denominator = np.array(changes).T
    quarters = [(q * 24, 24, 60, 64) for q in range(end // tpq)]
    return Song(
        ticks_per_quarter=tpq,
        parts=(part_on_grid(quarters, tpq // 24),),
        tempo=TempoMap.constant(),
        meter=MeterMap(ticks=ticks, numerator=numerator, denominator=denominator),
        key=KeyMap.none(),
        end_ticks=end,
    )


# -- round trips ----------------------------------------------------------------------------------


@given(songs())
def test_song_to_bars_round_trip(song: Song) -> None:
    bars = Bars.from_song(song)
    assert bars.to_song() == song
    assert (bars.n_moved, bars.n_merged) == (0, 0)


@given(songs())
def test_bars_to_song_round_trip(song: Song) -> None:
    bars = Bars.from_song(song).at(4)
    again = Bars.from_song(bars.to_song(), 4)
    assert notes_equal(bars.notes, again.notes)
    assert grids_equal(bars.grid, again.grid)


@given(songs(), st.sampled_from([1, 2, 3, 4, 6, 8, 12]))
def test_finer_grid_round_trip(song: Song, steps: int) -> None:
    coarse = Bars.from_song(song).at(steps)
    again = coarse.at(STORED_STEPS_PER_QUARTER).at(steps)
    assert notes_equal(coarse.notes, again.notes)
    assert grids_equal(coarse.grid, again.grid)
    assert (again.n_moved, again.n_merged) == (coarse.n_moved, coarse.n_merged)


@given(songs(), st.sampled_from([1, 3, 4, 24]))
def test_quantization_is_idempotent(song: Song, steps: int) -> None:
    quantized = Bars.from_song(song).at(steps).to_song()
    again = Bars.from_song(quantized).at(steps)
    assert again.to_song() == quantized


@given(songs(), st.lists(st.integers(-9, 9), min_size=64, max_size=64))
def test_microtiming_round_trip(song: Song, offsets: list[int]) -> None:
    """Onsets off the grid are restored to within half a 960th of a quarter."""
    tpq = 960
    quarters = [(i * tpq + 40 + offsets[i % 64], 200, 60, 64) for i in range(8)]
    off_grid = Song(
        ticks_per_quarter=tpq,
        parts=(part_on_grid(quarters, 1),),
        tempo=song.tempo.constant(),
        meter=MeterMap(ticks=[0], numerator=[4], denominator=[4]),
        key=KeyMap.none(),
        end_ticks=8 * tpq,
    )
    for steps in (24, 4):
        bars = Bars.from_song(off_grid).at(steps)
        cell = 1 if steps == 24 else 0
        assert bars.notes.step.tolist() == [i % 4 * steps + cell for i in range(8)]
        again = bars.to_song()
        assert again.parts[0].onset_ticks.tolist() == off_grid.parts[0].onset_ticks.tolist()


@given(songs(), st.integers(-12, 12))
def test_transposition_commutes_with_quantization(song: Song, semitones: int) -> None:
    moved = replace(song, parts=tuple(replace(p, pitch=p.pitch + semitones) for p in song.parts))
    one, other = Bars.from_song(moved).at(4), Bars.from_song(song).at(4)
    assert notes_equal(one.notes, replace(other.notes, pitch=other.notes.pitch + semitones))


@given(songs())
def test_bars_tile_the_song(song: Song) -> None:
    grid = Bars.from_song(song).grid
    ends = grid.start_ticks + grid.length_ticks
    assert (ends[:-1] == grid.start_ticks[1:]).all()
    assert not len(grid) or (grid.start_ticks[0] == 0 and ends[-1] >= song.end_ticks)
    assert (grid.steps >= grid.unmasked_steps).all()
    assert (grid.unmasked_steps >= 1).all()
    assert (grid.lead_steps[1:] == 0).all()


@given(songs())
def test_bar_and_step_inverts_cell_index(song: Song) -> None:
    bars = Bars.from_song(song)
    bar, step = bar_and_step(bars.grid, cell_index(bars.grid, bars.notes))
    assert np.array_equal(bar, bars.notes.bar)
    assert np.array_equal(step, bars.notes.step)
    assert (bars.notes.step >= bars.grid.lead_steps[bars.notes.bar]).all()
    assert (bars.notes.step < bars.grid.steps[bars.notes.bar]).all()


# -- bar lines ------------------------------------------------------------------------------------


def test_pickup_is_right_aligned_in_its_meter() -> None:
    bars = Bars.from_song(small_chorale()).at(4)
    assert bars.grid.lead_steps[:3].tolist() == [12, 0, 0]
    assert bars.grid.steps[:3].tolist() == [16, 16, 16]
    assert bars.grid.numerator[0] == 4
    assert (bars.notes.bar[0], bars.notes.step[0]) == (0, 12)
    assert (bars.notes.bar[4], bars.notes.step[4]) == (1, 0)


@pytest.mark.parametrize(
    ("meter", "steps"),
    [((4, 4), 96), ((3, 4), 72), ((5, 8), 60), ((7, 8), 84), ((6, 8), 72), ((3, 2), 144)],
)
def test_steps_of_a_bar_follow_its_meter(meter: tuple[int, int], steps: int) -> None:
    grid = Bars.from_song(metered((0, *meter), end=480 * 12)).grid
    assert set(grid.steps.tolist()) == {steps}
    assert set(grid.lead_steps.tolist()) == {0}
    assert len(grid) == -(-12 * 24 // steps)


def test_meter_change_begins_a_bar() -> None:
    # 3/4 for two bars and a half, then 6/8 and 7/8.
    song = metered((0, 3, 4), (3600, 6, 8), (3600 + 1440, 7, 8), end=3600 + 1440 + 1680)
    grid = Bars.from_song(song).grid
    assert grid.start_ticks.tolist() == [0, 1440, 2880, 3600, 5040]
    assert grid.steps.tolist() == [72, 72, 36, 72, 84]
    assert grid.lead_steps.tolist() == [0, 0, 0, 0, 0]
    assert grid.numerator.tolist() == [3, 3, 3, 6, 7]


def test_short_bar_inside_a_song_is_no_pickup() -> None:
    song = metered((0, 4, 4), (1920, 1, 4), (2400, 4, 4), end=2400 + 1920)
    grid = Bars.from_song(song).grid
    assert grid.lead_steps.tolist() == [0, 0, 0]
    assert grid.steps.tolist() == [96, 24, 96]
    assert grid.numerator.tolist() == [4, 1, 4]


def test_last_bar_keeps_its_full_length() -> None:
    grid = Bars.from_song(metered((0, 4, 4), end=480 * 5)).grid
    assert grid.length_ticks.tolist() == [1920, 1920]


def test_leading_and_trailing_silence_are_bars() -> None:
    part = part_on_grid([(96 * 2, 24, 60, 64)], 20)
    bars = Bars.from_song(Song.new([part], end_ticks=1920 * 5))
    assert len(bars) == 5
    assert bars.notes.bar.tolist() == [2]
    assert bars.to_song().end_ticks == 1920 * 5


def test_note_across_a_bar_line_stays_one_note() -> None:
    bars = Bars.from_song(Song.new([part_on_grid([(84, 36, 60, 64)], 20)]))
    assert (bars.notes.step.tolist(), bars.notes.duration.tolist()) == ([84], [36])


def test_empty_song_has_no_bars() -> None:
    bars = Bars.from_song(Song.new())
    assert len(bars) == len(bars.notes) == 0
    assert bars.to_song() == Song.new()
    assert len(bars.at(4)) == 0


# -- quantization ---------------------------------------------------------------------------------


def test_off_grid_notes_move_to_the_nearest_cell() -> None:
    ticks = [(7, 480, 60, 64), (13, 470, 62, 64), (40, 20, 64, 64)]
    song = Song.new([part_on_grid(ticks)])
    bars = Bars.from_song(song)
    assert bars.n_moved == 2
    assert bars.notes.step.tolist() == [0, 1, 2]
    assert bars.notes.duration.tolist() == [24, 23, 1]


def test_coinciding_notes_are_merged() -> None:
    song = Song.new([part_on_grid([(0, 4, 60, 90), (5, 24, 60, 50), (30, 6, 60, 70)], 1)])
    bars = Bars.from_song(song)
    assert len(bars.notes) == 2
    assert bars.n_merged == 1


def test_no_note_begins_after_the_end() -> None:
    song = Song.new([part_on_grid([(1915, 5, 60, 64)])])
    bars = Bars.from_song(song)
    assert (bars.notes.bar.tolist(), bars.notes.step.tolist()) == ([0], [95])
    assert bars.notes.duration.tolist() == [1]


def test_durations_are_at_least_one_cell() -> None:
    bars = Bars.from_song(Song.new([part_on_grid([(0, 1, 60, 64), (3, 1, 62, 64)], 20)])).at(4)
    assert bars.notes.duration.tolist() == [1, 1]
    assert bars.notes.step.tolist() == [0, 1]


# -- empty ----------------------------------------------------------------------------------------


@given(songs())
def test_empty_bars_reproduce_the_bar_lines_of_a_song(song: Song) -> None:
    grid = Bars.from_song(song).grid
    if not len(grid):
        return
    made = Bars.empty(
        song.parts,
        numerator=grid.numerator,
        denominator=grid.denominator,
        length_ticks=grid.length_ticks,
        qpm=np.full(len(grid), 96.0),
        ticks_per_quarter=grid.ticks_per_quarter,
        steps_per_quarter=grid.steps_per_quarter,
    )
    assert np.array_equal(made.grid.length_ticks, grid.length_ticks)
    assert np.array_equal(made.grid.unmasked_steps, grid.unmasked_steps)
    assert len(made.notes) == 0
    assert made.header.tempo.qpm.tolist() == [96.0]
    assert [part.name for part in made.header.parts] == [part.name for part in song.parts]


# -- the end of played songs ----------------------------------------------------------------------


def two_bars_and(onset: int, duration: int) -> Song:
    """Return two bars of quarters and one more note, in ticks."""
    notes = [(480 * i, 240, 60, 64) for i in range(8)]
    return Song.new([part_on_grid([*notes, (onset, duration, 62, 64)], 1)])


@pytest.mark.parametrize(
    ("onset", "duration", "n_bars"),
    [
        (3723, 132, 2),  # the last sixteenth, played late
        (3829, 55, 2),  # a downbeat after the end, played early
        (3720, 120, 2),
        (3720, 140, 3),  # a note on the grid that lasts into the third bar
        (3723, 240, 3),  # more than a sixteenth into it
        (3847, 10, 3),  # begins in it
    ],
)
def test_played_notes_that_ring_on_make_no_bar(onset: int, duration: int, n_bars: int) -> None:
    song = two_bars_and(onset, duration)
    bars = Bars.from_song(song)
    assert len(bars) == n_bars
    assert len(grid_from_song(bars.header, 4)) == len(grid_from_song(header_of(song), 4)) == n_bars
    again = bars.at(4).at(STORED_STEPS_PER_QUARTER).to_song().parts[0]
    assert abs(int(again.onset_ticks[-1]) - onset) <= 60  # half a step of a sixteenth
    assert len(Bars.from_song(bars.to_song())) == n_bars
