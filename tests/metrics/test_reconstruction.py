"""Reconstruction metrics of tables with known answers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from musicvae.arrays import Ints
from musicvae.metrics.reconstruction import (
    drum_errors,
    exact_window_share,
    expressionless,
    hold_baseline_accuracy,
    note_f1,
    reconstruction_metrics,
    repeat_recall,
    step_accuracy,
)
from musicvae.representation.windows import CARRY
from support.windows import make_table

NOTE = st.tuples(
    st.integers(0, 3), st.integers(0, 1), st.integers(0, 16), st.integers(0, 3),
    st.integers(60, 63), st.integers(1, 9), st.integers(1, 127),
)  # fmt: skip
NOTES = st.lists(NOTE, max_size=20)


def rows(notes: list[tuple[int, ...]]) -> Ints:
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
def test_f1_equals_its_definition(
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
def test_f1_of_identical_notes_is_one(notes: list[tuple[int, ...]]) -> None:
    table = rows(notes)
    assert note_f1(table, table, durations=True).f1 == 1.0
    assert exact_window_share(table, table, 4) == 1.0


@pytest.mark.parametrize(
    ("field", "value", "scores"),
    # F1 with parts, without parts, with durations, and the share of exact windows
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
def test_each_field_affects_the_right_scores(
    field: int, value: int, scores: tuple[float, ...]
) -> None:
    actual = rows([(0, 0, 5, 0, 60, 4, 90), (1, 0, 1, 2, 64, 4, 90)])
    wrong = actual.copy()
    wrong[0, field] = value
    found = (
        note_f1(wrong, actual).f1,
        note_f1(wrong, actual, parts=False).f1,
        note_f1(wrong, actual, durations=True).f1,
        exact_window_share(wrong, actual, 3),
    )
    assert found == pytest.approx(scores)


def test_carry_ins_are_ignored() -> None:
    none, carry = rows([]), rows([(0, 0, CARRY, 0, 60, 4, 90)])
    assert note_f1(carry, none).f1 == 1.0
    assert exact_window_share(carry, none, 1) == 1.0


def test_f1_of_empty_tables() -> None:
    some = rows([(0, 0, 1, 0, 60, 4, 90)])
    assert note_f1(rows([]), some) == (0.0, 0.0, 0.0)
    assert exact_window_share(rows([]), some, 2) == 0.5
    assert exact_window_share(rows([]), rows([]), 0) == 1.0


def test_inputs_are_not_modified() -> None:
    table = rows([(0, 0, 1, 0, 60, 4, 90)])
    before = table.copy()
    note_f1(table, table, durations=True)
    assert np.array_equal(table, before)


_NOTE_ROWS = st.lists(
    st.tuples(
        st.integers(0, 2), st.integers(0, 1), st.integers(0, 4), st.integers(0, 2),
        st.integers(60, 63), st.integers(1, 9), st.integers(1, 127), st.integers(-40, 40),
    ),
    max_size=20,
)  # fmt: skip


def test_step_accuracy_of_a_voice() -> None:
    true = make_table([(0, 0, 1, 0, 60, 2), (0, 1, 1, 0, 62, 4)])
    assert step_accuracy(make_table([(0, 0, 1, 0, 61, 2), (0, 1, 1, 0, 62, 4)]), true) == 7 / 8
    assert step_accuracy(make_table([(0, 0, 1, 0, 60, 3), (0, 1, 1, 0, 62, 4)]), true) == 6 / 8
    assert step_accuracy(make_table([]), true) == 5 / 8


def test_step_accuracy_of_chords() -> None:
    kinds = ("chords",)
    true = make_table([(0, 0, 1, 0, 60, 4), (0, 0, 1, 0, 64, 4)], kinds=kinds)
    assert step_accuracy(true, true) == 1
    assert step_accuracy(make_table([(0, 0, 1, 0, 60, 4)], kinds=kinds), true) == 4 / 8
    shorter = make_table([(0, 0, 1, 0, 60, 4), (0, 0, 1, 0, 64, 3)], kinds=kinds)
    assert step_accuracy(shorter, true) == 7 / 8


def test_step_accuracy_ignores_lengths_of_drums() -> None:
    true = make_table([(0, 0, 1, 0, 36, 1), (0, 0, 3, 0, 38, 1)], kinds=("drums",))
    longer = make_table([(0, 0, 1, 0, 36, 4), (0, 0, 3, 0, 38, 1)], kinds=("drums",))
    assert step_accuracy(longer, true) == 1
    assert hold_baseline_accuracy(true) == 6 / 8


def test_step_accuracy_ignores_masked_steps_and_inactive_parts() -> None:
    true = make_table([(0, 0, 3, 0, 60, 2)], kinds=("voice", "voice"))
    pickup = replace(true, lead_steps=np.array([[2, 0]]), steps=np.array([[4, 0]]))
    assert pickup.n_cells == 2 and pickup.states.shape == (2, 2)
    silent = true.present.copy()
    silent[:, :, 1] = False
    target = replace(pickup, present=silent)
    assert step_accuracy(target.with_rows(true.rows[:0]), target) == 1 / 2


@given(_NOTE_ROWS, _NOTE_ROWS)
def test_metrics_are_within_bounds_and_perfect_for_the_target(
    notes: list[tuple[int, ...]], others: list[tuple[int, ...]]
) -> None:
    kinds = ("voice", "chords", "drums")
    true, other = make_table(notes, 3, kinds), make_table(others, 3, kinds)
    before = true.rows.copy()
    for name, score in reconstruction_metrics(true, true).items():
        assert score is None or score == (0 if name.endswith(("error", "ms")) else 1)
    for score in reconstruction_metrics(other, true).values():
        assert score is None or score >= 0
    assert 0 <= hold_baseline_accuracy(true) <= 1
    assert np.array_equal(before, true.rows)


def test_repeat_recall() -> None:
    true = make_table(
        [(0, 0, 1, 0, 60, 1), (0, 0, 2, 0, 60, 1), (0, 0, 3, 0, 62, 1), (0, 1, 1, 0, 62, 1)]
    )
    one_long = make_table([(0, 0, 1, 0, 60, 2), (0, 0, 3, 0, 62, 1), (0, 1, 1, 0, 62, 1)])
    assert repeat_recall(one_long, true) == 1 / 2
    assert repeat_recall(true, true) == 1
    assert repeat_recall(true, make_table([(0, 0, 1, 0, 60, 1), (0, 0, 2, 0, 61, 1)])) is None
    carried = make_table([(0, 0, CARRY, 0, 60, 1), (0, 0, 2, 0, 60, 1)])
    assert repeat_recall(make_table([]), carried) == 0


@pytest.mark.parametrize(
    ("velocity", "f1"), [(80, 1.0), (92, 1.0), (93, 0.0), (68, 1.0), (67, 0.0)]
)
def test_velocity_tolerance_is_a_tenth_of_the_range(velocity: int, f1: float) -> None:
    true, predicted = (
        make_table([(0, 0, 1, 0, 60, 1, 80, 0)]),
        make_table([(0, 0, 1, 0, 60, 1, velocity, 0)]),
    )
    assert note_f1(predicted.rows, true.rows, velocities=True).f1 == f1


def test_drum_errors() -> None:
    kinds = ("drums",)
    true = make_table([(0, 0, 1, 0, 36, 1, 100, 0), (0, 0, 3, 0, 38, 1, 60, 48)], kinds=kinds)
    predicted = make_table([(0, 0, 1, 0, 36, 1, 90, 96), (0, 0, 4, 0, 38, 1, 60, 48)], kinds=kinds)
    errors = drum_errors(predicted, true)
    assert errors.velocity_error == pytest.approx(10 / 127)
    assert errors.timing_error_ms is None  # the only match lies on the grid
    late = make_table([(0, 0, 1, 0, 36, 1, 100, 0), (0, 0, 3, 0, 38, 1, 60, 0)], kinds=kinds)
    # 48 of 960 parts of a quarter that lasts half a second: 25 ms, of one hit of two.
    assert drum_errors(late, true).timing_error_ms == pytest.approx(12.5)
    assert drum_errors(expressionless(true), true).velocity_error == pytest.approx(20 / 127)
    assert drum_errors(make_table([(0, 0, 1, 0, 60, 1)]), true) == (None, None)
