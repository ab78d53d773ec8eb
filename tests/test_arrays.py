"""Index arithmetic for ragged arrays."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from musicvae.arrays import frozen_ints, group_mean, ragged_range


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(-9, 9)), max_size=12))
def test_ragged_range_matches_a_naive_implementation(rows: list[tuple[int, int]]) -> None:
    counts, starts = np.array(rows, np.int64).reshape(-1, 2).T
    expected = [start + i for count, start in rows for i in range(count)]
    assert ragged_range(counts, starts).tolist() == expected
    expected = [i for count, _ in rows for i in range(count)]
    assert ragged_range(counts).tolist() == expected
    assert ragged_range(counts).dtype == np.int64


def test_frozen_ints_are_a_read_only_copy() -> None:
    values = np.array([[1, 2], [3, 4]])
    frozen = frozen_ints(values)
    values[0, 0] = 9
    assert frozen.tolist() == [1, 2, 3, 4]
    with pytest.raises(ValueError, match="read-only"):
        frozen[0] = 1


def test_group_mean_ignores_nan_and_marks_empty_groups() -> None:
    group = np.array([0, 2, 2, 2])
    values = np.array([1.0, 2.0, 4.0, np.nan])
    assert np.array_equal(group_mean(values, group, 3), [1, np.nan, 3], equal_nan=True)
    columns = group_mean(np.stack([values, -values], 1), group, 3)
    assert np.array_equal(columns, [[1, -1], [np.nan, np.nan], [3, -3]], equal_nan=True)
    assert group_mean(np.zeros(0), np.zeros(0, np.int64), 0).shape == (0,)
