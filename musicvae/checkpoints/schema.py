"""What the header of a checkpoint may say of its training, so that no reader meets anything else.

A checkpoint may come from anywhere. Its preset is checked by `config`, its tensors by
`networks.weights`; this is the rest.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from musicvae.config.size_limits import MAX_QPM
from musicvae.swing import STRAIGHT, Swing

MAX_DEPTH = 8
"""Nesting of provenance."""
MAX_ENTRIES = 100_000
"""Values of provenance, all tables together."""
_KEY = re.compile(r"-?\d{1,2}")
_METER = re.compile(r"[1-9]\d{0,2}/[1-9]\d{0,2}")
_PICKUP = re.compile(r"\d{1,3}(/[1-9]\d{0,2})?")


def check_provenance(data: Any, n_parts: int | None = None) -> dict[str, Any]:
    """Return the provenance of a checkpoint; raise `ValueError` for anything else.

    `n_parts` is the number of slots of its preset.
    """
    if not isinstance(data, dict):
        raise ValueError("provenance that is no table")
    _check_plain(data)
    for name, value in data.items():
        if name in _FIELDS and not _FIELDS[name](value):
            raise ValueError(f"an invalid {name} in its provenance")
    if n_parts is not None and len(data.get("programs", range(n_parts))) != n_parts:
        raise ValueError(f"programs in its provenance that are not those of {n_parts} parts")
    return data


def _check_plain(data: Any) -> None:
    """Raise `ValueError` for deep nesting, many values and integers that no float can hold."""
    level, n_entries = [data], 0
    for _ in range(MAX_DEPTH):
        below: list[Any] = []
        for value in level:
            if isinstance(value, dict):
                below += value.values()
            elif isinstance(value, list):
                below += value
            elif isinstance(value, int) and abs(value) >= 1 << 63:
                raise ValueError("a number too large in its provenance")
        n_entries += len(below)
        if n_entries > MAX_ENTRIES:
            raise ValueError(f"provenance of more than {MAX_ENTRIES:,} values")
        level = below
    if level:
        raise ValueError(f"provenance nested more than {MAX_DEPTH} deep")


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_finite(value: Any) -> bool:
    return _is_number(value) and abs(value) < float("inf")


def _is_figures(value: Any) -> bool:
    return isinstance(value, Mapping) and all(
        _is_figures(each) if isinstance(each, Mapping) else isinstance(each, (int, float, str))
        for each in value.values()
        if each is not None
    )


def _is_held_out(value: Any) -> bool:
    return _is_figures(value) and all(
        _is_number(value[name]) for name in ("f1", "kl_bits") if name in value
    )


def _is_histogram(pattern: re.Pattern[str]) -> Callable[[Any], bool]:
    def check(value: Any) -> bool:
        return (
            isinstance(value, Mapping)
            and all(pattern.fullmatch(key) for key in value)
            and all(_is_finite(count) and count >= 0 for count in value.values())
            and (not value or sum(value.values()) > 0)
        )

    return check


def _is_pickups(value: Any) -> bool:
    is_counts = _is_histogram(_PICKUP)
    return isinstance(value, Mapping) and all(is_counts(counts) for counts in value.values())


def _is_tempos(value: Any) -> bool:
    if not isinstance(value, list) or len(value) != 3 or not all(map(_is_finite, value)):
        return False
    return 1 <= value[0] <= value[1] <= value[2] <= MAX_QPM


def _is_keys(value: Any) -> bool:
    return bool(value) and _is_histogram(_KEY)(value)


def _is_programs(value: Any) -> bool:
    return isinstance(value, list) and all(
        type(program) is int and 0 <= program <= 127 for program in value
    )


def _is_swings(value: Any) -> bool:
    try:
        return _is_histogram(re.compile(".*"))(value) and all(
            name == STRAIGHT or Swing.parse(name) for name in value
        )
    except ValueError:
        return False


def _is_names(value: Any) -> bool:
    return isinstance(value, Mapping) and all(isinstance(each, str) for each in value.values())


def _is_norms(value: Any) -> bool:
    """Whether a value holds a mean and a deviation for each feature, as of `ReferenceStats`."""
    if not isinstance(value, Mapping) or not isinstance(value.get("features", {}), Mapping):
        return False
    pairs = [*value.get("features", {}).values(), value.get("song", [0.0, 1.0])]
    return all(
        isinstance(pair, list) and len(pair) == 2 and all(map(_is_finite, pair)) and pair[1] > 0
        for pair in pairs
    )


_FIELDS: dict[str, Callable[[Any], bool]] = {
    "beta": lambda value: _is_finite(value) and value >= 0,
    "effects": _is_figures,
    "figures": _is_figures,
    "from": _is_names,
    "held_out": _is_held_out,
    "keys": _is_keys,
    "meters": _is_histogram(_METER),
    "minutes": _is_number,
    "norms": _is_norms,
    "pickups": _is_pickups,
    "precision": lambda value: isinstance(value, str),
    "programs": _is_programs,
    "qpm": _is_tempos,
    "songs": _is_number,
    "steps": _is_number,
    "swing": _is_swings,
}
"""Checks of the fields that commands compute with; others are only shown."""
