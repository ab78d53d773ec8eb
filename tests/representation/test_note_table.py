"""Tables of notes: states of cells, selection, concatenation."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from musicvae.metrics.reconstruction import (
    hold_baseline_accuracy,
)
from musicvae.representation.note_table import NO_EVENT, NOTE_OFF, NoteTable
from musicvae.representation.windows import CARRY
from support.windows import make_table


def test_voice_states() -> None:
    # A carry-in of one cell, two cells of 60, a rest, and 62 to the end.
    line = make_table([(0, 0, CARRY, 0, 55, 1), (0, 0, 3, 0, 60, 2), (0, 1, 2, 0, 62, 9)])
    expected = [NO_EVENT, NOTE_OFF, 62, NO_EVENT, NOTE_OFF, 64, NO_EVENT, NO_EVENT]
    assert line.states[:, 0].tolist() == expected
    assert hold_baseline_accuracy(line) == 4 / 8


def test_note_cut_by_the_next_has_no_note_off() -> None:
    line = make_table([(0, 0, 1, 0, 60, 8), (0, 0, 3, 0, 60, 1)])
    assert line.stop.tolist() == [2, 3]
    assert line.states[:5, 0].tolist() == [62, NO_EVENT, 62, NOTE_OFF, NO_EVENT]


NOTES = st.lists(
    st.tuples(
        st.integers(0, 2), st.integers(0, 1), st.integers(0, 4), st.integers(0, 2),
        st.integers(60, 63), st.integers(1, 9), st.integers(1, 127), st.integers(-40, 40),
    ),
    max_size=20,
)  # fmt: skip


@given(NOTES)
def test_select_and_concatenate_round_trip(notes: list[tuple[int, ...]]) -> None:
    kinds = ("voice", "chords", "drums")
    whole = make_table(sorted(notes), 3, kinds)
    again = NoteTable.concatenate([whole.select(np.array([w])) for w in range(3)])
    assert np.array_equal(again.rows, whole.rows)
    assert np.array_equal(again.states, whole.states)
    reversed_twice = whole.select(np.array([2, 1, 0])).select(np.array([2, 1, 0]))
    assert np.array_equal(reversed_twice.states, whole.states)
