"""Floor 1: tempo, meter and key along a song, in ticks: rows of changes, sorted and frozen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

Ints = NDArray[np.int64]
_T = TypeVar("_T")


def frozen(values: ArrayLike) -> Ints:
    """A copy as a flat int64 array that cannot be changed."""
    array = np.array(values, dtype=np.int64).reshape(-1)
    array.setflags(write=False)
    return array


NO_INTS = frozen([])


def trusted(kind: type[_T], **fields: Any) -> _T:
    """An object of this module without its checks, for fields that are known to pass them.

    Every field has to be given: arrays frozen, int64, sorted, within range. Where songs are read
    by the thousand, checking what a reader has just made sure of is most of the work.
    """
    made = object.__new__(kind)
    vars(made).update(fields)
    return made


class Arrays:
    """Equality for dataclasses whose fields may be arrays."""

    def __eq__(self, other: object) -> bool:
        if type(self) is not type(other):
            return NotImplemented
        mine, theirs = vars(self), vars(other)
        return all(np.array_equal(mine[name], theirs[name]) for name in mine)

    __hash__ = None  # type: ignore[assignment]


@dataclass(frozen=True, kw_only=True, eq=False)
class Tempo(Arrays):
    """The tempo map: from `ticks[i]` on a quarter lasts `us_per_quarter[i]` microseconds."""

    ticks: Ints
    us_per_quarter: Ints

    def __post_init__(self) -> None:
        _freeze_map(self, "ticks", "us_per_quarter")

    @classmethod
    def constant(cls, qpm: float = 120.0) -> Tempo:
        """One tempo throughout, in quarters a minute."""
        return cls(ticks=frozen([0]), us_per_quarter=frozen([round(60e6 / qpm)]))

    @property
    def qpm(self) -> NDArray[np.float64]:
        """Quarters a minute, one for each entry."""
        return 60e6 / self.us_per_quarter

    def seconds(self, ticks: ArrayLike, ticks_per_quarter: int) -> NDArray[np.float64]:
        """Time in seconds of each tick. Shape as given."""
        at = np.asarray(ticks, dtype=np.int64)
        pace = self.us_per_quarter / 1e6 / ticks_per_quarter
        starts = np.concatenate([[0.0], np.cumsum(np.diff(self.ticks) * pace[:-1])])
        i = np.clip(np.searchsorted(self.ticks, at, side="right") - 1, 0, None)
        return np.asarray(starts[i] + (at - self.ticks[i]) * pace[i])


@dataclass(frozen=True, kw_only=True, eq=False)
class Meter(Arrays):
    """The meter map: from `ticks[i]` on bars are `numerator[i]`/`denominator[i]`."""

    ticks: Ints
    numerator: Ints
    denominator: Ints

    def __post_init__(self) -> None:
        _freeze_map(self, "ticks", "numerator", "denominator")

    @classmethod
    def constant(cls, numerator: int = 4, denominator: int = 4) -> Meter:
        """One meter throughout."""
        return cls(
            ticks=frozen([0]), numerator=frozen([numerator]), denominator=frozen([denominator])
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class Key(Arrays):
    """Key signatures: from `ticks[i]` on `fifths[i]` sharps (flats if negative), minor or not."""

    ticks: Ints
    fifths: Ints
    minor: Ints

    def __post_init__(self) -> None:
        _freeze_map(self, "ticks", "fifths", "minor")

    @classmethod
    def none(cls) -> Key:
        """No key signature."""
        return cls(ticks=frozen([]), fifths=frozen([]), minor=frozen([]))


def _freeze_map(owner: Any, *names: str) -> None:
    """Sort a map by tick; of several entries at one tick the last one counts."""
    columns = [np.asarray(getattr(owner, name), dtype=np.int64).reshape(-1) for name in names]
    order = np.argsort(columns[0], kind="stable")
    ticks = columns[0][order]
    last = np.append(np.diff(ticks) != 0, True)[: len(ticks)]
    columns = [column[order][last] for column in columns]
    for name, column in zip(names, columns, strict=True):
        object.__setattr__(owner, name, frozen(column))


def from_zero(entries: Any, default: Any) -> Any:
    """A map that starts at tick 0: the default holds until the first entry."""
    return type(default)(
        **{
            name: np.concatenate([value, getattr(entries, name)])
            for name, value in vars(default).items()
        }
    )
