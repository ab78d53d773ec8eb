from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from musicvae.metrics.reconstruction import (
    Rows,
    note_cells,
    note_distance,
    note_f1,
    windows_perfect,
)
from musicvae.representation.windows import CARRY
from musicvae.song import Part, Song

NOTE = st.tuples(
    st.integers(0, 3), st.integers(0, 1), st.integers(0, 16), st.integers(0, 3),
    st.integers(60, 63), st.integers(1, 9), st.integers(1, 127),
)  # fmt: skip
NOTES = st.lists(NOTE, max_size=20)


def rows(notes: list[tuple[int, ...]]) -> Rows:
    return np.array(notes, np.int64).reshape(-1, 7)


def by_hand(
    predicted: list[tuple[int, ...]], actual: list[tuple[int, ...]], fields: tuple[int, ...]
) -> float:
    one, other = (
        {tuple(note[f] for f in fields) for note in notes if note[2] != CARRY}
        for notes in (predicted, actual)
    )
    return 1.0 if not one and not other else 2 * len(one & other) / (len(one) + len(other))


@given(NOTES, NOTES)
def test_f1_is_what_its_words_say(
    predicted: list[tuple[int, ...]], actual: list[tuple[int, ...]]
) -> None:
    a, b = rows(predicted), rows(actual)
    assert note_f1(a, b).f1 == pytest.approx(by_hand(predicted, actual, (0, 1, 2, 3, 4)))
    assert note_f1(a, b, parts=False).f1 == pytest.approx(by_hand(predicted, actual, (0, 1, 2, 4)))
    assert note_f1(a, b, durations=True).f1 == pytest.approx(
        by_hand(predicted, actual, (0, 1, 2, 3, 4, 5))
    )
    assert note_f1(a, b).precision == pytest.approx(note_f1(b, a).recall)


@given(NOTES)
def test_a_song_is_like_itself(notes: list[tuple[int, ...]]) -> None:
    table = rows(notes)
    assert note_f1(table, table, durations=True).f1 == 1.0
    assert windows_perfect(table, table, 4) == 1.0


@pytest.mark.parametrize(
    ("field", "value", "scores"),
    # F1 with parts, without parts, with durations, and the share of perfect windows
    [
        (0, 2, (0.5, 0.5, 0.5, 1 / 3)),
        (1, 1, (0.5, 0.5, 0.5, 2 / 3)),
        (2, 6, (0.5, 0.5, 0.5, 2 / 3)),
        (3, 1, (0.5, 1.0, 0.5, 2 / 3)),
        (4, 61, (0.5, 0.5, 0.5, 2 / 3)),
        (5, 8, (1.0, 1.0, 0.5, 2 / 3)),
        (6, 1, (1.0, 1.0, 1.0, 1.0)),
    ],
)
def test_each_field_counts_where_it_should(
    field: int, value: int, scores: tuple[float, ...]
) -> None:
    actual = rows([(0, 0, 5, 0, 60, 4, 90), (1, 0, 1, 2, 64, 4, 90)])
    wrong = actual.copy()
    wrong[0, field] = value
    found = (
        note_f1(wrong, actual).f1,
        note_f1(wrong, actual, parts=False).f1,
        note_f1(wrong, actual, durations=True).f1,
        windows_perfect(wrong, actual, 3),
    )
    assert found == pytest.approx(scores)


def test_carry_ins_do_not_count() -> None:
    none, carry = rows([]), rows([(0, 0, CARRY, 0, 60, 4, 90)])
    assert note_f1(carry, none).f1 == 1.0
    assert windows_perfect(carry, none, 1) == 1.0


def test_nothing_against_something_scores_nothing() -> None:
    some = rows([(0, 0, 1, 0, 60, 4, 90)])
    assert note_f1(rows([]), some) == (0.0, 0.0, 0.0)
    assert windows_perfect(rows([]), some, 2) == 0.5
    assert windows_perfect(rows([]), rows([]), 0) == 1.0


def test_tables_are_left_alone() -> None:
    table = rows([(0, 0, 1, 0, 60, 4, 90)])
    before = table.copy()
    note_f1(table, table, durations=True)
    assert np.array_equal(table, before)


CELLS = st.lists(st.tuples(st.integers(0, 40), st.integers(40, 60)), max_size=15)


@given(CELLS, CELLS)
def test_distance_is_one_minus_f1_of_smoothed_cells(
    one: list[tuple[int, int]], other: list[tuple[int, int]]
) -> None:
    """As its words say, written out over the whole roll."""
    rolls = []
    for cells in (one, other):
        roll = np.zeros((43, 64))
        for step, pitch in cells:
            for s, p in ((s, p) for s in (-1, 0, 1) for p in (-1, 0, 1)):
                roll[step + s + 1, pitch + p] += 0.5 ** (abs(s) + abs(p))
        rolls.append(roll)
    total = rolls[0].sum() + rolls[1].sum()
    wanted = 1 - 2 * np.minimum(*rolls).sum() / total if total else 0.0
    a, b = (np.array(cells, np.int64).reshape(-1, 2) for cells in (one, other))
    assert note_distance(a, b) == pytest.approx(wanted) == note_distance(b, a)
    assert note_distance(a, a) == pytest.approx(0)


def test_distance_grows_with_how_far_a_note_is_moved() -> None:
    note = np.array([[8, 60]])
    by_steps = [note_distance(note, np.array([[8 + n, 60]])) for n in range(4)]
    by_pitch = [note_distance(note, np.array([[8, 60 + n]])) for n in range(4)]
    assert by_steps == by_pitch
    assert by_steps == sorted(by_steps) and by_steps[0] == 0 and by_steps[1] == 0.5
    assert by_steps[3] == 1


def test_cells_are_the_nearest_and_drums_are_apart() -> None:
    notes = {"onset_ticks": [0, 70], "duration_ticks": [10, 10], "velocity": [80, 80]}
    parts = [Part(pitch=[38, 40], **notes), Part(pitch=[38, 40], is_drum=True, **notes)]
    found = note_cells(Song.new(parts, ticks_per_quarter=480), 4)
    assert sorted(map(tuple, found.tolist())) == [(0, 38), (0, 294), (1, 40), (1, 296)]
    drums = found[:, 1] >= 256
    assert note_distance(found[drums], found[~drums]) == 1
