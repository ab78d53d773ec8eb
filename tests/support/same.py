"""Equality of bars and notes."""

from __future__ import annotations

from dataclasses import fields

import numpy as np

from musicvae.representation.bars import Notes
from musicvae.representation.grid import Grid


def notes_equal(one: Notes, other: Notes) -> bool:
    return all(np.array_equal(getattr(one, f.name), getattr(other, f.name)) for f in fields(Notes))


def grids_equal(one: Grid, other: Grid) -> bool:
    return all(np.array_equal(getattr(one, f.name), getattr(other, f.name)) for f in fields(Grid))
