"""Equality of notes and grids, whose arrays have no `==` of their own."""

from __future__ import annotations

from dataclasses import fields

import numpy as np

from musicvae.representation.bars import Notes
from musicvae.representation.grid import Grid


def notes_equal(a: Notes, b: Notes) -> bool:
    """Return whether all columns are equal."""
    return all(np.array_equal(getattr(a, f.name), getattr(b, f.name)) for f in fields(Notes))


def grids_equal(a: Grid, b: Grid) -> bool:
    """Return whether all fields are equal."""
    return all(np.array_equal(getattr(a, f.name), getattr(b, f.name)) for f in fields(Grid))
