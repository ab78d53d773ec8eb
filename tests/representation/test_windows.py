from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from musicvae.representation.bars import Bars, cells
from musicvae.representation.windows import CARRY, Cutter, WindowNotes, join, padded, window_bounds
from musicvae.song import Song
from support.same import same_notes
from support.strategies import part_of, songs

Row = tuple[int, ...]


def rows(windows: WindowNotes) -> list[Row]:
    return [tuple(map(int, row)) for row in zip(*vars(windows).values(), strict=True)]


def by_hand(bars: Bars, first: list[int], stop: list[int]) -> list[Row]:
    """Windows in the plainest words."""
    grid, notes = bars.grid, bars.notes
    start = cells(grid, notes)
    found = []
    for w, (begin, end) in enumerate(zip(first, stop, strict=True)):
        low, high = int(grid.base[begin]), int(grid.base[end])
        for i in range(len(notes)):
            on, off = int(start[i]), int(start[i] + notes.duration[i])
            if off <= low or on >= high:
                continue
            carried = on < low
            bar = 0 if carried else int(notes.bar[i]) - begin
            position = CARRY if carried else int(notes.step[i]) + 1
            length = min(off, high) - max(on, low)
            rest = (int(notes.part[i]), int(notes.pitch[i]), length, int(notes.velocity[i]))
            late = 0 if carried else int(notes.timing[i])
            found.append((w, bar, position, *rest, late))
    return sorted(found)


@given(songs(), st.integers(1, 5), st.integers(1, 5), st.sampled_from([4, 24]))
def test_windows_hold_what_sounds_in_them(song: Song, size: int, hop: int, steps: int) -> None:
    bars = Bars.from_song(song).at(steps)
    first, stop = window_bounds(len(bars), size, hop)
    cut = Cutter(bars.grid, bars.notes).cut(first, stop)
    assert sorted(rows(cut)) == by_hand(bars, first.tolist(), stop.tolist())
    assert rows(cut) == sorted(rows(cut), key=lambda row: row[:5])


@given(songs(), st.integers(1, 5), st.sampled_from([4, 24]))
def test_joining_undoes_cutting(song: Song, size: int, steps: int) -> None:
    bars = Bars.from_song(song).at(steps)
    first, stop = window_bounds(len(bars), size, size)
    cut = Cutter(bars.grid, bars.notes).cut(first, stop)
    notes, dropped = join(cut, bars.grid, first, stop)
    assert same_notes(notes, bars.notes)
    assert dropped == 0


@given(songs(), st.integers(-12, 12))
def test_transposition_commutes(song: Song, semitones: int) -> None:
    bars = Bars.from_song(song).at(4)
    first, stop = window_bounds(len(bars), 2, 1)
    moved = replace(bars.notes, pitch=bars.notes.pitch + semitones)
    one = Cutter(bars.grid, moved).cut(first, stop)
    other = Cutter(bars.grid, bars.notes).cut(first, stop)
    assert rows(one) == rows(replace(other, pitch=other.pitch + semitones))


@given(songs())
def test_one_window_alone_is_as_among_many(song: Song) -> None:
    bars = Bars.from_song(song).at(4)
    cutter = Cutter(bars.grid, bars.notes)
    first, stop = window_bounds(len(bars), 3, 2)
    every = cutter.cut(first, stop)
    for w in range(len(first)):
        alone = cutter.cut(first[w : w + 1], stop[w : w + 1])
        assert [row[1:] for row in rows(alone)] == [row[1:] for row in rows(every) if row[0] == w]


def held(duration: int = 96 * 5) -> Bars:
    """One note that sounds from the second beat of bar 0 on, in 4/4."""
    song = Song.new([part_of([(24, duration, 60, 64)], 20)], end_ticks=1920 * 6)
    return Bars.from_song(song)


def test_a_note_longer_than_a_window_comes_back_as_carry_ins() -> None:
    bars = held()
    first, stop = window_bounds(len(bars), 2, 2)
    cut = Cutter(bars.grid, bars.notes).cut(first, stop)
    assert cut.position.tolist() == [25, CARRY, CARRY]
    assert cut.duration.tolist() == [168, 192, 120]
    assert cut.bar.tolist() == [0, 0, 0]


def test_a_carry_in_with_nothing_to_extend_is_dropped_and_counted() -> None:
    bars = held()
    first, stop = window_bounds(len(bars), 2, 2)
    cut = Cutter(bars.grid, bars.notes).cut(first, stop)
    notes, dropped = join(cut.take(cut.window > 0), bars.grid, first, stop)
    assert len(notes) == 0
    assert dropped == 1


@pytest.mark.parametrize("change", [{"pitch": 61}, {"part": 1}])
def test_a_carry_in_extends_only_its_own_line(change: dict[str, int]) -> None:
    bars = held(96 * 2)
    first, stop = window_bounds(len(bars), 1, 1)
    cut = Cutter(bars.grid, bars.notes).cut(first, stop)
    other = {name: np.where(cut.window == 1, v, getattr(cut, name)) for name, v in change.items()}
    notes, dropped = join(replace(cut, **other), bars.grid, first, stop)
    assert notes.duration.tolist() == [72]
    assert dropped >= 1


def test_what_a_model_invents_past_its_bars_is_left_out() -> None:
    bars = held(24)
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
        made = WindowNotes.sorted(**one, bar=[bar], position=[position])
        assert len(join(made, bars.grid, first, stop)[0]) == 0
    long = WindowNotes.sorted(**{**one, "duration": [9999]}, bar=[1], position=[96])
    assert join(long, bars.grid, first, stop)[0].duration.tolist() == [1]


@given(st.integers(0, 40), st.integers(1, 16), st.integers(1, 16))
def test_bounds_cover_all_bars(n_bars: int, size: int, hop: int) -> None:
    first, stop = window_bounds(n_bars, size, hop)
    assert (stop - first <= size).all()
    assert (stop > first).all()
    covered = {bar for f, s in zip(first, stop, strict=True) for bar in range(f, s)}
    assert hop > size or covered == set(range(n_bars))


def test_padded_numbers_the_items_of_each_row() -> None:
    column, count, keep = padded(np.array([0, 0, 0, 2, 2]), 4, limit=2)
    assert column.tolist() == [0, 1, 2, 0, 1]
    assert count.tolist() == [2, 0, 2, 0]
    assert keep.tolist() == [True, True, False, True, True]
