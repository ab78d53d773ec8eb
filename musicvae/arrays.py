"""Array types, and index arithmetic for ragged arrays.

The aliases name a dtype; shapes are given where a field or an argument is documented.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Floats32 = NDArray[np.float32]
Bools = NDArray[np.bool_]


def frozen_ints(values: ArrayLike) -> Ints:
    """Return a flat, read-only int64 copy of `values`."""
    array = np.array(values, dtype=np.int64).reshape(-1)
    array.setflags(write=False)
    return array


def ragged_range(counts: NDArray[Any], starts: NDArray[Any] | int = 0) -> Ints:
    """Return the ranges `starts[i] .. starts[i] + counts[i]` one after the other.

    `counts` is `(M,)` of non-negative integers; the result is `(counts.sum(),)`. Indexing row `i`
    of a ragged array needs such ranges, `np.repeat(np.arange(M), counts)` gives the row numbers.
    """
    ends = np.cumsum(counts, dtype=np.int64)
    total = int(ends[-1]) if len(ends) else 0
    return np.arange(total) + np.repeat(starts - (ends - counts), counts)


def group_mean(values: NDArray[Any], group: Ints, n_groups: int) -> Floats:
    """Return the mean of the finite values in each group, nan where there are none.

    `values` is `(M,)` or `(M, A)`, `group` `(M,)`; the result is `(n_groups,)` or `(n_groups, A)`.
    """
    width = math.prod(values.shape[1:])
    index = (group[:, None] * width + np.arange(width)).ravel()
    known = np.isfinite(values)
    count = np.bincount(index, known.ravel(), n_groups * width)
    total = np.bincount(index, np.where(known, values, 0).ravel(), n_groups * width)
    mean = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    return mean.reshape(n_groups, *values.shape[1:])
