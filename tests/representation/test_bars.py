from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from musicvae.representation.bars import Bars, cells, places
from musicvae.representation.grid import STORED_STEPS_PER_QUARTER
from musicvae.song import Key, Meter, Song, TempoMap
from support.same import same_grid, same_notes
from support.small_songs import chorale
from support.strategies import part_of, songs


def metered(*changes: tuple[int, int, int], end: int, tpq: int = 480) -> Song:
    """A song with one note a quarter and these (tick, numerator, denominator)."""
    ticks, numerator, denominator = np.array(changes).T
    quarters = [(q * 24, 24, 60, 64) for q in range(end // tpq)]
    return Song(
        ticks_per_quarter=tpq,
        parts=(part_of(quarters, tpq // 24),),
        tempo=TempoMap.constant(),
        meter=Meter(ticks=ticks, numerator=numerator, denominator=denominator),
        key=Key.none(),
        end_ticks=end,
    )


# -- round trips ----------------------------------------------------------------------------------


@given(songs())
def test_song_to_bars_and_back_is_exact(song: Song) -> None:
    bars = Bars.from_song(song)
    assert bars.to_song() == song
    assert (bars.moved, bars.merged) == (0, 0)


@given(songs())
def test_bars_to_song_and_back_is_exact(song: Song) -> None:
    bars = Bars.from_song(song).at(4)
    again = Bars.from_song(bars.to_song(), 4)
    assert same_notes(bars.notes, again.notes)
    assert same_grid(bars.grid, again.grid)


@given(songs(), st.sampled_from([1, 2, 3, 4, 6, 8, 12]))
def test_to_a_finer_grid_and_back_loses_nothing(song: Song, steps: int) -> None:
    coarse = Bars.from_song(song).at(steps)
    again = coarse.at(STORED_STEPS_PER_QUARTER).at(steps)
    assert same_notes(coarse.notes, again.notes)
    assert same_grid(coarse.grid, again.grid)
    assert (again.moved, again.merged) == (coarse.moved, coarse.merged)


@given(songs(), st.sampled_from([1, 3, 4, 24]))
def test_what_comes_off_a_grid_stays_on_it(song: Song, steps: int) -> None:
    quantised = Bars.from_song(song).at(steps).to_song()
    again = Bars.from_song(quantised).at(steps)
    assert again.to_song() == quantised


@given(songs(), st.lists(st.integers(-9, 9), min_size=64, max_size=64))
def test_how_notes_are_played_is_kept_beside_their_cells(song: Song, late: list[int]) -> None:
    """Onsets off the grid come back to within half a 960th of a quarter."""
    tpq = 960
    quarters = [(i * tpq + 40 + late[i % 64], 200, 60, 64) for i in range(8)]
    played = Song(
        ticks_per_quarter=tpq,
        parts=(part_of(quarters, 1),),
        tempo=song.tempo.constant(),
        meter=Meter(ticks=[0], numerator=[4], denominator=[4]),
        key=Key.none(),
        end_ticks=8 * tpq,
    )
    for steps in (24, 4):
        bars = Bars.from_song(played).at(steps)
        cell = 1 if steps == 24 else 0
        assert bars.notes.step.tolist() == [i % 4 * steps + cell for i in range(8)]
        again = bars.to_song()
        assert again.parts[0].onset_ticks.tolist() == played.parts[0].onset_ticks.tolist()


@given(songs(), st.integers(-12, 12))
def test_transposition_commutes(song: Song, semitones: int) -> None:
    moved = replace(song, parts=tuple(replace(p, pitch=p.pitch + semitones) for p in song.parts))
    one, other = Bars.from_song(moved).at(4), Bars.from_song(song).at(4)
    assert same_notes(one.notes, replace(other.notes, pitch=other.notes.pitch + semitones))


@given(songs())
def test_bars_tile_the_song(song: Song) -> None:
    grid = Bars.from_song(song).grid
    ends = grid.start_ticks + grid.length_ticks
    assert (ends[:-1] == grid.start_ticks[1:]).all()
    assert not len(grid) or (grid.start_ticks[0] == 0 and ends[-1] >= song.end_ticks)
    assert (grid.steps >= grid.open_steps).all()
    assert (grid.open_steps >= 1).all()
    assert (grid.lead[1:] == 0).all()


@given(songs())
def test_places_is_the_inverse_of_cells(song: Song) -> None:
    bars = Bars.from_song(song)
    bar, step = places(bars.grid, cells(bars.grid, bars.notes))
    assert np.array_equal(bar, bars.notes.bar)
    assert np.array_equal(step, bars.notes.step)
    assert (bars.notes.step >= bars.grid.lead[bars.notes.bar]).all()
    assert (bars.notes.step < bars.grid.steps[bars.notes.bar]).all()


# -- bar lines ------------------------------------------------------------------------------------


def test_a_pickup_is_right_aligned_in_its_full_meter() -> None:
    bars = Bars.from_song(chorale()).at(4)
    assert bars.grid.lead[:3].tolist() == [12, 0, 0]
    assert bars.grid.steps[:3].tolist() == [16, 16, 16]
    assert bars.grid.numerator[0] == 4
    assert (bars.notes.bar[0], bars.notes.step[0]) == (0, 12)
    assert (bars.notes.bar[4], bars.notes.step[4]) == (1, 0)


@pytest.mark.parametrize(
    ("meter", "cells_of_bar"),
    [((4, 4), 96), ((3, 4), 72), ((5, 8), 60), ((7, 8), 84), ((6, 8), 72), ((3, 2), 144)],
)
def test_a_bar_has_as_many_cells_as_its_meter(meter: tuple[int, int], cells_of_bar: int) -> None:
    grid = Bars.from_song(metered((0, *meter), end=480 * 12)).grid
    assert set(grid.steps.tolist()) == {cells_of_bar}
    assert set(grid.lead.tolist()) == {0}
    assert len(grid) == -(-12 * 24 // cells_of_bar)


def test_a_change_of_meter_begins_a_bar_wherever_it_falls() -> None:
    # 3/4 for two bars and a half, then 6/8 and 7/8.
    song = metered((0, 3, 4), (3600, 6, 8), (3600 + 1440, 7, 8), end=3600 + 1440 + 1680)
    grid = Bars.from_song(song).grid
    assert grid.start_ticks.tolist() == [0, 1440, 2880, 3600, 5040]
    assert grid.steps.tolist() == [72, 72, 36, 72, 84]
    assert grid.lead.tolist() == [0, 0, 0, 0, 0]
    assert grid.numerator.tolist() == [3, 3, 3, 6, 7]


def test_a_short_bar_inside_a_song_is_no_pickup() -> None:
    song = metered((0, 4, 4), (1920, 1, 4), (2400, 4, 4), end=2400 + 1920)
    grid = Bars.from_song(song).grid
    assert grid.lead.tolist() == [0, 0, 0]
    assert grid.steps.tolist() == [96, 24, 96]
    assert grid.numerator.tolist() == [4, 1, 4]


def test_the_last_bar_is_whole() -> None:
    grid = Bars.from_song(metered((0, 4, 4), end=480 * 5)).grid
    assert grid.length_ticks.tolist() == [1920, 1920]


def test_trailing_silence_and_leading_rest_are_bars() -> None:
    late = part_of([(96 * 2, 24, 60, 64)], 20)
    bars = Bars.from_song(Song.new([late], end_ticks=1920 * 5))
    assert len(bars) == 5
    assert bars.notes.bar.tolist() == [2]
    assert bars.to_song().end_ticks == 1920 * 5


def test_a_tie_over_a_bar_line_is_one_long_note() -> None:
    bars = Bars.from_song(Song.new([part_of([(84, 36, 60, 64)], 20)]))
    assert (bars.notes.step.tolist(), bars.notes.duration.tolist()) == ([84], [36])


def test_a_song_without_anything_has_no_bars() -> None:
    bars = Bars.from_song(Song.new())
    assert len(bars) == len(bars.notes) == 0
    assert bars.to_song() == Song.new()
    assert len(bars.at(4)) == 0


# -- quantising -----------------------------------------------------------------------------------


def test_what_is_off_the_grid_moves_to_the_nearest_cell_and_is_counted() -> None:
    ticks = [(7, 480, 60, 64), (13, 470, 62, 64), (40, 20, 64, 64)]
    song = Song.new([part_of(ticks)])
    bars = Bars.from_song(song)
    assert bars.moved == 2
    assert bars.notes.step.tolist() == [0, 1, 2]
    assert bars.notes.duration.tolist() == [24, 23, 1]


def test_notes_that_fall_together_are_merged_and_counted() -> None:
    song = Song.new([part_of([(0, 4, 60, 90), (5, 24, 60, 50), (30, 6, 60, 70)], 1)])
    bars = Bars.from_song(song)
    assert len(bars.notes) == 2
    assert bars.merged == 1


def test_no_note_begins_past_the_end() -> None:
    song = Song.new([part_of([(1915, 5, 60, 64)])])
    bars = Bars.from_song(song)
    assert (bars.notes.bar.tolist(), bars.notes.step.tolist()) == ([0], [95])
    assert bars.notes.duration.tolist() == [1]


def test_short_notes_keep_at_least_a_cell_on_a_coarse_grid() -> None:
    bars = Bars.from_song(Song.new([part_of([(0, 1, 60, 64), (3, 1, 62, 64)], 20)])).at(4)
    assert bars.notes.duration.tolist() == [1, 1]
    assert bars.notes.step.tolist() == [0, 1]


# -- blank ----------------------------------------------------------------------------------------


@given(songs())
def test_blank_bars_have_the_bar_lines_of_the_song_they_copy(song: Song) -> None:
    grid = Bars.from_song(song).grid
    if not len(grid):
        return
    made = Bars.blank(
        song.parts,
        numerator=grid.numerator,
        denominator=grid.denominator,
        length_ticks=grid.length_ticks,
        qpm=np.full(len(grid), 96.0),
        ticks_per_quarter=grid.ticks_per_quarter,
        steps_per_quarter=grid.steps_per_quarter,
    )
    assert np.array_equal(made.grid.length_ticks, grid.length_ticks)
    assert np.array_equal(made.grid.open_steps, grid.open_steps)
    assert len(made.notes) == 0
    assert made.frame.tempo.qpm.tolist() == [96.0]
    assert [part.name for part in made.frame.parts] == [part.name for part in song.parts]
