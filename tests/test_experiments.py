"""Distances used by the experiments."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.distances import note_distance, onset_cells
from musicvae.song import Part, Song

CELLS = st.lists(st.tuples(st.integers(0, 40), st.integers(40, 60)), max_size=15)


@given(CELLS, CELLS)
def test_note_distance_is_one_minus_f1_of_smoothed_cells(
    one: list[tuple[int, int]], other: list[tuple[int, int]]
) -> None:
    """Against the definition, written out over the whole roll."""
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


def test_note_distance_grows_with_the_shift() -> None:
    note = np.array([[8, 60]])
    by_steps = [note_distance(note, np.array([[8 + n, 60]])) for n in range(4)]
    by_pitch = [note_distance(note, np.array([[8, 60 + n]])) for n in range(4)]
    assert by_steps == by_pitch
    assert by_steps == sorted(by_steps) and by_steps[0] == 0 and by_steps[1] == 0.5
    assert by_steps[3] == 1


def test_onset_cells_are_rounded_and_drums_are_separate() -> None:
    notes = {"onset_ticks": [0, 70], "duration_ticks": [10, 10], "velocity": [80, 80]}
    parts = [Part(pitch=[38, 40], **notes), Part(pitch=[38, 40], is_drum=True, **notes)]
    found = onset_cells(Song.new(parts, ticks_per_quarter=480), 4)
    assert sorted(map(tuple, found.tolist())) == [(0, 38), (0, 294), (1, 40), (1, 296)]
    drums = found[:, 1] >= 256
    assert note_distance(found[drums], found[~drums]) == 1
