from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from musicvae.arrays import Ints
from musicvae.metrics.reconstruction import exact_window_share, note_f1
from musicvae.representation.windows import CARRY

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
