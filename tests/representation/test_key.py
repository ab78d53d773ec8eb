"""Keys: names and the circle of fifths."""

from __future__ import annotations

import numpy as np
import pytest

from musicvae.representation.key import (
    MAJOR_SCALE,
    estimate_diatonic_key,
    pitch_name,
    tonic_name,
    transpose_fifths,
)


@pytest.mark.parametrize("key", range(-6, 6))
def test_scale_is_in_its_own_key(key: int) -> None:
    pitch = 60 + key + np.array(MAJOR_SCALE)
    assert estimate_diatonic_key(pitch) == key
    assert estimate_diatonic_key(pitch, np.arange(1, 8)) == key


@pytest.mark.parametrize(
    ("semitones", "fifths"), [(0, 0), (7, 1), (5, -1), (2, 2), (-2, -2), (6, -6), (-5, 1), (12, 0)]
)
def test_transposition_of_c_major(semitones: int, fifths: int) -> None:
    assert transpose_fifths(0, semitones) == fifths
    assert transpose_fifths(np.array([0, 1]), semitones)[0] == fifths


@pytest.mark.parametrize(
    ("fifths", "minor", "name"),
    [(0, False, "C"), (0, True, "A"), (-3, True, "C"), (7, False, "C#"), (7, True, "A#"),
     (-7, False, "Cb"), (-7, True, "Ab"), (3, False, "A"), (3, True, "F#")],
)  # fmt: skip
def test_tonic_name(fifths: int, minor: bool, name: str) -> None:
    assert tonic_name(fifths, minor) == name


def test_pitch_name() -> None:
    assert [pitch_name(pitch) for pitch in (21, 60, 61, 70)] == ["A0", "C4", "C#4", "Bb4"]
