"""Windows of notes: slicing and joining."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from musicvae.representation.bars import Bars, cell_index
from musicvae.representation.windows import (
    CARRY,
    WindowNotes,
    WindowSlicer,
    column_index,
    join_windows,
    window_bounds,
)
from musicvae.song import Song
from support.equality import notes_equal
from support.songs import part_on_grid
from support.strategies import songs

Row = tuple[int, ...]


def rows(windows: WindowNotes) -> list[Row]:
    return [tuple(map(int, row)) for row in zip(*vars(windows).values(), strict=True)]


def naive_windows(bars: Bars, first: list[int], stop: list[int]) -> list[Row]:
    """Return the rows of windows, one note after the other."""
    grid, notes = bars.grid, bars.notes
    start = cell_index(grid, notes)
    found = []
    for w, (begin, end) in enumerate(zip(first, stop, strict=True)):
        low, high = int(grid.cell_offsets[begin]), int(grid.cell_offsets[end])
        for i in range(len(notes)):
            on, off = int(start[i]), int(start[i] + notes.duration[i])
            if off <= low or on >= high:
                continue
            carried = on < low
            bar = 0 if carried else int(notes.bar[i]) - begin
            position = CARRY if carried else int(notes.step[i]) + 1
            length = min(off, high) - max(on, low)
            rest = (int(notes.part[i]), int(notes.pitch[i]), length, int(notes.velocity[i]))
            timing = 0 if carried else int(notes.timing[i])
            found.append((w, bar, position, *rest, timing))
    return sorted(found)


@given(songs(), st.integers(1, 5), st.integers(1, 5), st.sampled_from([4, 24]))
def test_windows_match_a_naive_implementation(song: Song, size: int, hop: int, steps: int) -> None:
    bars = Bars.from_song(song).at(steps)
    first, stop = window_bounds(len(bars), size, hop)
    sliced = WindowSlicer(bars.grid, bars.notes).slice(first, stop)
    assert sorted(rows(sliced)) == naive_windows(bars, first.tolist(), stop.tolist())
    assert rows(sliced) == sorted(rows(sliced), key=lambda row: row[:5])


@given(songs(), st.integers(1, 5), st.sampled_from([4, 24]))
def test_slice_and_join_round_trip(song: Song, size: int, steps: int) -> None:
    bars = Bars.from_song(song).at(steps)
    first, stop = window_bounds(len(bars), size, size)
    sliced = WindowSlicer(bars.grid, bars.notes).slice(first, stop)
    notes, dropped = join_windows(sliced, bars.grid, first, stop)
    assert notes_equal(notes, bars.notes)
    assert dropped == 0


@given(songs(), st.integers(-12, 12))
def test_transposition_commutes_with_slicing(song: Song, semitones: int) -> None:
    bars = Bars.from_song(song).at(4)
    first, stop = window_bounds(len(bars), 2, 1)
    moved = replace(bars.notes, pitch=bars.notes.pitch + semitones)
    one = WindowSlicer(bars.grid, moved).slice(first, stop)
    other = WindowSlicer(bars.grid, bars.notes).slice(first, stop)
    assert rows(one) == rows(replace(other, pitch=other.pitch + semitones))


@given(songs())
def test_one_window_equals_the_same_among_many(song: Song) -> None:
    bars = Bars.from_song(song).at(4)
    slicer = WindowSlicer(bars.grid, bars.notes)
    first, stop = window_bounds(len(bars), 3, 2)
    every = slicer.slice(first, stop)
    for w in range(len(first)):
        alone = slicer.slice(first[w : w + 1], stop[w : w + 1])
        assert [row[1:] for row in rows(alone)] == [row[1:] for row in rows(every) if row[0] == w]


def one_long_note(duration: int = 96 * 5) -> Bars:
    """Return bars of 4/4 with one note from the second beat of bar 0 on."""
    song = Song.new([part_on_grid([(24, duration, 60, 64)], 20)], end_ticks=1920 * 6)
    return Bars.from_song(song)


def test_long_note_continues_as_carry_ins() -> None:
    bars = one_long_note()
    first, stop = window_bounds(len(bars), 2, 2)
    sliced = WindowSlicer(bars.grid, bars.notes).slice(first, stop)
    assert sliced.position.tolist() == [25, CARRY, CARRY]
    assert sliced.duration.tolist() == [168, 192, 120]
    assert sliced.bar.tolist() == [0, 0, 0]


def test_orphaned_carry_in_is_dropped() -> None:
    bars = one_long_note()
    first, stop = window_bounds(len(bars), 2, 2)
    sliced = WindowSlicer(bars.grid, bars.notes).slice(first, stop)
    notes, dropped = join_windows(sliced.select(sliced.window > 0), bars.grid, first, stop)
    assert len(notes) == 0
    assert dropped == 1


@pytest.mark.parametrize("change", [{"pitch": 61}, {"part": 1}])
def test_carry_in_extends_only_its_part_and_pitch(change: dict[str, int]) -> None:
    bars = one_long_note(96 * 2)
    first, stop = window_bounds(len(bars), 1, 1)
    sliced = WindowSlicer(bars.grid, bars.notes).slice(first, stop)
    other = {
        name: np.where(sliced.window == 1, v, getattr(sliced, name)) for name, v in change.items()
    }
    notes, dropped = join_windows(replace(sliced, **other), bars.grid, first, stop)
    assert notes.duration.tolist() == [72]
    assert dropped >= 1


def test_notes_outside_the_bars_are_dropped() -> None:
    bars = one_long_note(24)
    first, stop = window_bounds(len(bars), 2, 2)
    one = {
        "window": [2],
        "part": [0],
        "pitch": [60],
        "duration": [1],
        "velocity": [64],
        "timing": [0],
    }
    for bar, position in ((2, 1), (7, 1), (0, 97)):
        notes = WindowNotes.sorted(**one, bar=[bar], position=[position])
        assert len(join_windows(notes, bars.grid, first, stop)[0]) == 0
    long = WindowNotes.sorted(**{**one, "duration": [9999]}, bar=[1], position=[96])
    assert join_windows(long, bars.grid, first, stop)[0].duration.tolist() == [1]


@given(st.integers(0, 40), st.integers(1, 16), st.integers(1, 16))
def test_bounds_cover_all_bars(n_bars: int, size: int, hop: int) -> None:
    first, stop = window_bounds(n_bars, size, hop)
    assert (stop - first <= size).all()
    assert (stop > first).all()
    covered = {bar for f, s in zip(first, stop, strict=True) for bar in range(f, s)}
    assert hop > size or covered == set(range(n_bars))


def test_column_index_numbers_the_items_of_each_row() -> None:
    column, count, keep = column_index(np.array([0, 0, 0, 2, 2]), 4, limit=2)
    assert column.tolist() == [0, 1, 2, 0, 1]
    assert count.tolist() == [2, 0, 2, 0]
    assert keep.tolist() == [True, True, False, True, True]
