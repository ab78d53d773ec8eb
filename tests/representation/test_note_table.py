"""What a table of notes says of cells, against hand-made windows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from musicvae.metrics.reconstruction import (
    drum_errors,
    flat,
    hold_accuracy,
    judged,
    note_f1,
    repeats_kept,
    step_accuracy,
)
from musicvae.representation.note_table import NO_EVENT, NOTE_OFF, Table
from musicvae.representation.windows import CARRY
from support.windows import table


def test_a_voice_is_told_in_onsets_ends_and_nothing() -> None:
    # Two cells of 60, a rest, 62 to the end; the note before the window ends after one cell.
    line = table([(0, 0, CARRY, 0, 55, 1), (0, 0, 3, 0, 60, 2), (0, 1, 2, 0, 62, 9)])
    expected = [NO_EVENT, NOTE_OFF, 62, NO_EVENT, NOTE_OFF, 64, NO_EVENT, NO_EVENT]
    assert line.states[:, 0].tolist() == expected
    assert hold_accuracy(line) == 4 / 8


def test_a_note_that_is_cut_by_the_next_has_no_end_of_its_own() -> None:
    line = table([(0, 0, 1, 0, 60, 8), (0, 0, 3, 0, 60, 1)])
    assert line.stop.tolist() == [2, 3]
    assert line.states[:5, 0].tolist() == [62, NO_EVENT, 62, NOTE_OFF, NO_EVENT]


def test_a_wrong_step_counts_once_and_a_wrong_length_twice() -> None:
    true = table([(0, 0, 1, 0, 60, 2), (0, 1, 1, 0, 62, 4)])
    assert step_accuracy(table([(0, 0, 1, 0, 61, 2), (0, 1, 1, 0, 62, 4)]), true) == 7 / 8
    assert step_accuracy(table([(0, 0, 1, 0, 60, 3), (0, 1, 1, 0, 62, 4)]), true) == 6 / 8
    assert step_accuracy(table([]), true) == 5 / 8


def test_of_chords_the_whole_set_counts_and_what_goes_on() -> None:
    kinds = ("chords",)
    true = table([(0, 0, 1, 0, 60, 4), (0, 0, 1, 0, 64, 4)], kinds=kinds)
    assert step_accuracy(true, true) == 1
    assert step_accuracy(table([(0, 0, 1, 0, 60, 4)], kinds=kinds), true) == 4 / 8
    shorter = table([(0, 0, 1, 0, 60, 4), (0, 0, 1, 0, 64, 3)], kinds=kinds)
    assert step_accuracy(shorter, true) == 7 / 8


def test_hits_have_no_length() -> None:
    true = table([(0, 0, 1, 0, 36, 1), (0, 0, 3, 0, 38, 1)], kinds=("drums",))
    longer = table([(0, 0, 1, 0, 36, 4), (0, 0, 3, 0, 38, 1)], kinds=("drums",))
    assert step_accuracy(longer, true) == 1
    assert hold_accuracy(true) == 6 / 8


def test_cells_that_are_not_there_and_parts_that_are_silent_do_not_count() -> None:
    true = table([(0, 0, 3, 0, 60, 2)], kinds=("voice", "voice"))
    pickup = replace(true, lead=np.array([[2, 0]]), steps=np.array([[4, 0]]))
    assert pickup.n_cells == 2 and pickup.states.shape == (2, 2)
    silent = true.present.copy()
    silent[:, :, 1] = False
    told = replace(pickup, present=silent)
    assert step_accuracy(told.with_rows(true.rows[:0]), told) == 1 / 2


NOTES = st.lists(
    st.tuples(
        st.integers(0, 2), st.integers(0, 1), st.integers(0, 4), st.integers(0, 2),
        st.integers(60, 63), st.integers(1, 9), st.integers(1, 127), st.integers(-40, 40),
    ),
    max_size=20,
)  # fmt: skip


@given(NOTES, NOTES)
def test_scores_are_shares_and_one_for_what_is_right(
    notes: list[tuple[int, ...]], others: list[tuple[int, ...]]
) -> None:
    kinds = ("voice", "chords", "drums")
    true, other = table(notes, 3, kinds), table(others, 3, kinds)
    before = true.rows.copy()
    for name, score in judged(true, true).items():
        assert score is None or score == (0 if name.endswith(("error", "ms")) else 1)
    for score in judged(other, true).values():
        assert score is None or score >= 0
    assert 0 <= hold_accuracy(true) <= 1
    assert np.array_equal(before, true.rows)


@given(NOTES)
def test_windows_taken_and_put_together_are_the_same(notes: list[tuple[int, ...]]) -> None:
    kinds = ("voice", "chords", "drums")
    whole = table(sorted(notes), 3, kinds)
    again = Table.concatenate([whole.take(np.array([w])) for w in range(3)])
    assert np.array_equal(again.rows, whole.rows)
    assert np.array_equal(again.states, whole.states)
    turned = whole.take(np.array([2, 1, 0])).take(np.array([2, 1, 0]))
    assert np.array_equal(turned.states, whole.states)


def test_repeated_notes_survive_as_onsets_or_not() -> None:
    true = table(
        [(0, 0, 1, 0, 60, 1), (0, 0, 2, 0, 60, 1), (0, 0, 3, 0, 62, 1), (0, 1, 1, 0, 62, 1)]
    )
    one_long = table([(0, 0, 1, 0, 60, 2), (0, 0, 3, 0, 62, 1), (0, 1, 1, 0, 62, 1)])
    assert repeats_kept(one_long, true) == 1 / 2
    assert repeats_kept(true, true) == 1
    assert repeats_kept(true, table([(0, 0, 1, 0, 60, 1), (0, 0, 2, 0, 61, 1)])) is None
    carried = table([(0, 0, CARRY, 0, 60, 1), (0, 0, 2, 0, 60, 1)])
    assert repeats_kept(table([]), carried) == 0


@pytest.mark.parametrize(
    ("velocity", "f1"), [(80, 1.0), (92, 1.0), (93, 0.0), (68, 1.0), (67, 0.0)]
)
def test_a_velocity_may_be_off_by_a_tenth_of_the_range(velocity: int, f1: float) -> None:
    true, played = table([(0, 0, 1, 0, 60, 1, 80, 0)]), table([(0, 0, 1, 0, 60, 1, velocity, 0)])
    assert note_f1(played.rows, true.rows, velocities=True).f1 == f1


def test_errors_of_hits_are_in_shares_and_milliseconds() -> None:
    kinds = ("drums",)
    true = table([(0, 0, 1, 0, 36, 1, 100, 0), (0, 0, 3, 0, 38, 1, 60, 48)], kinds=kinds)
    made = table([(0, 0, 1, 0, 36, 1, 90, 96), (0, 0, 4, 0, 38, 1, 60, 48)], kinds=kinds)
    errors = drum_errors(made, true)
    assert errors.velocity_error == pytest.approx(10 / 127)
    assert errors.timing_error_ms is None  # the one that was found lies on the grid
    late = table([(0, 0, 1, 0, 36, 1, 100, 0), (0, 0, 3, 0, 38, 1, 60, 0)], kinds=kinds)
    # 48 of 960 parts of a quarter that lasts half a second: 25 ms, of one hit of two.
    assert drum_errors(late, true).timing_error_ms == pytest.approx(12.5)
    assert drum_errors(flat(true), true).velocity_error == pytest.approx(20 / 127)
    assert drum_errors(table([(0, 0, 1, 0, 60, 1)]), true) == (None, None)
