"""Meters: lengths of bars and beats."""

from __future__ import annotations

import numpy as np
import pytest

from musicvae.representation.grid import beat_length, is_compound, meter_of_length


@pytest.mark.parametrize(
    ("numerator", "denominator", "beat", "compound"),
    [(4, 4, 1.0, False), (3, 4, 1.0, False), (2, 2, 2.0, False), (6, 8, 1.5, True),
     (3, 8, 1.5, True), (12, 8, 1.5, True), (5, 8, 0.5, False), (6, 16, 0.75, True)],
)  # fmt: skip
def test_beat_length(numerator: int, denominator: int, beat: float, compound: bool) -> None:
    assert beat_length(numerator, denominator) == beat
    assert is_compound(numerator, denominator) is compound
    assert beat_length(np.array([numerator]), np.array([denominator])).tolist() == [beat]


@pytest.mark.parametrize(
    ("ticks", "meter"), [(1920, (4, 4)), (1440, (3, 4)), (240, (1, 8)), (1680, (7, 8))]
)
def test_meter_of_length(ticks: int, meter: tuple[int, int]) -> None:
    assert meter_of_length(ticks, 480) == meter
