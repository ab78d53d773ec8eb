"""Array types, and index arithmetic for ragged arrays.

The aliases name a dtype; shapes are given where a field or an argument is documented.
"""

from __future__ import annotations

import math
from dataclasses import fields
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


class ArrayEq:
    """Mixin for dataclasses with array fields: equal if all fields that compare are equal."""

    def __eq__(self, other: object) -> bool:
        if type(self) is not type(other):
            return NotImplemented
        names = [each.name for each in fields(self) if each.compare]  # type: ignore[arg-type]
        return all(np.array_equal(getattr(self, n), getattr(other, n)) for n in names)

    __hash__ = None  # type: ignore[assignment]


def freeze_map(owner: Any, *names: str) -> None:
    """Sort a map by tick, and make its int64 columns read-only.

    `names` are those of the columns, ticks first; of several entries at one tick the last applies.
    """
    columns = [np.asarray(getattr(owner, name), dtype=np.int64).reshape(-1) for name in names]
    order = np.argsort(columns[0], kind="stable")
    ticks = columns[0][order]
    last = np.append(np.diff(ticks) != 0, True)[: len(ticks)]
    columns = [column[order][last] for column in columns]
    for name, column in zip(names, columns, strict=True):
        object.__setattr__(owner, name, frozen_ints(column))


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
