"""Interpolation of latents."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from musicvae.latent import Latents, lerp, slerp

VECTORS = npst.arrays(
    np.float32, (3, 8), elements=st.floats(-10, 10, width=32, allow_subnormal=False)
)
SHARE = st.floats(0, 1)


@given(VECTORS, VECTORS)
def test_slerp_ends_are_exact(a: Latents, b: Latents) -> None:
    assert np.array_equal(slerp(a, b, 0), a)
    assert np.array_equal(slerp(a, b, 1), b)


@given(VECTORS, VECTORS, SHARE)
def test_batch_equals_single_vectors(a: Latents, b: Latents, t: float) -> None:
    for interpolate in (slerp, lerp):
        rows = [interpolate(one, other, t) for one, other in zip(a, b, strict=True)]
        assert np.allclose(interpolate(a, b, t), rows, atol=1e-5)


@given(VECTORS, VECTORS, SHARE)
def test_slerp_is_finite_and_no_longer_than_the_ends(a: Latents, b: Latents, t: float) -> None:
    made = slerp(a, b, t)
    assert made.dtype == np.float32
    assert np.isfinite(made).all()
    longest = np.maximum(np.linalg.norm(a, axis=-1), np.linalg.norm(b, axis=-1))
    assert (np.linalg.norm(made, axis=-1) <= longest * 1.001 + 1e-4).all()


@given(VECTORS, VECTORS, SHARE)
def test_slerp_is_symmetric(a: Latents, b: Latents, t: float) -> None:
    assert np.allclose(slerp(a, b, t), slerp(b, a, 1 - t), atol=1e-3)


def test_slerp_follows_the_great_circle() -> None:
    a, b = np.array([1, 0], np.float32), np.array([0, 2], np.float32)
    middle = slerp(a, b, 0.5)
    assert np.allclose(middle, 1.5 * np.sqrt(0.5), atol=1e-6)
    assert np.allclose(lerp(a, b, 0.5), [0.5, 1.0])
    angle = [np.arctan2(*slerp(a, b, t)[::-1]) for t in (0.25, 0.5, 0.75)]
    assert np.allclose(angle, np.array([0.25, 0.5, 0.75]) * np.pi / 2, atol=1e-5)


@pytest.mark.parametrize("b", [[1, 0], [-1, 0], [0, 0], [1, 1e-7]])
def test_slerp_of_parallel_opposite_and_zero_vectors_is_lerp(b: list[float]) -> None:
    a, other = np.array([1, 0], np.float32), np.array(b, np.float32)
    assert np.allclose(slerp(a, other, 0.25), lerp(a, other, 0.25), atol=1e-5)


def test_inputs_are_not_modified() -> None:
    a, b = np.ones(4, np.float32), np.arange(4, dtype=np.float32)
    before = a.copy(), b.copy()
    for t in (0.0, 0.3, 1.0):
        slerp(a, b, t)[:] = 9
        lerp(a, b, t)[:] = 9
    assert np.array_equal(a, before[0])
    assert np.array_equal(b, before[1])
