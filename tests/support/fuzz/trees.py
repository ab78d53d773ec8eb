"""Mutations of plain data, such as JSON: values, types, keys and nesting."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

HOSTILE_NUMBERS = (
    *(0, -1, 1, 2, 7, 127, 128, 255, 256, 65535, 65536, 99_999_999, 2**31 - 1, 2**31, -(2**31)),
    *(2**32, 2**53, 2**63 - 1, 2**63, -(2**63), 2**64, 10**30, 10**400),
    *(0.0, -0.0, 0.5, -1.5, 1e-300, 1e30, 1e300, float("nan"), float("inf"), -float("inf")),
)
_HOSTILE_TEXTS = ("", "x", "../../owned", "/", "a\0b", "\ud800", "\n", "NaN", "1" * 5000, "é" * 9)


DEEP = "@deep"
"""Stands for deeply nested lists until `to_json`."""
_DEPTHS = (100, 900, 50_000)


def to_json(data: Any, rng: np.random.Generator) -> str:
    """Return mutated data as JSON."""
    depth = _DEPTHS[int(rng.integers(len(_DEPTHS)))]
    return json.dumps(data).replace(json.dumps(DEEP), "[" * depth + "]" * depth)


def mutate_tree(data: Any, rng: np.random.Generator) -> Any:
    """Change one place of plain data, in place where it can be; return the data."""
    parent, key = _pick_place(data, rng)
    if parent is None:
        return hostile_value(rng)
    action = rng.random()
    if action < 0.15:
        del parent[key]
    elif action < 0.25 and isinstance(parent, dict):
        parent[f"{key}{'x' * int(rng.integers(0, 3))}"] = hostile_value(rng)
    elif action < 0.3 and isinstance(parent, list):
        parent[:] = parent * int(rng.integers(2, 100))
    elif action < 0.35 and isinstance(parent, list):
        parent.insert(key, parent[int(rng.integers(len(parent)))])
    elif action < 0.4:
        parent[key] = [parent[key]]
    elif action < 0.7 and isinstance(parent[key], (int, float)):
        parent[key] = HOSTILE_NUMBERS[int(rng.integers(len(HOSTILE_NUMBERS)))]
    elif action < 0.8 and isinstance(parent[key], int):
        parent[key] = parent[key] + int(rng.integers(-3, 4))
    else:
        parent[key] = hostile_value(rng)
    return data


def hostile_value(rng: np.random.Generator) -> Any:
    """Return a value that a reader may not expect."""
    kind = int(rng.integers(8))
    if kind < 2:
        return HOSTILE_NUMBERS[int(rng.integers(len(HOSTILE_NUMBERS)))]
    if kind < 4:
        return _HOSTILE_TEXTS[int(rng.integers(len(_HOSTILE_TEXTS)))]
    if kind == 4:
        return (None, True, False)[int(rng.integers(3))]
    if kind == 5:
        return [[], {}, [0], [[]], {"a": 1}, [None] * 1000, [0] * 100_000][int(rng.integers(7))]
    return DEEP


def _pick_place(data: Any, rng: np.random.Generator) -> tuple[Any, Any]:
    """Return a random container inside plain data and one of its keys; (None, None) if none."""
    parent, key, value = None, None, data
    while isinstance(value, (dict, list)) and value:
        keys = list(value) if isinstance(value, dict) else range(len(value))
        parent, key = value, keys[int(rng.integers(len(keys)))]
        value = value[key]
        if rng.random() < 0.15:
            break
    return parent, key
