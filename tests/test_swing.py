"""Swing: ratios, texts, and the way of times there and back."""

from __future__ import annotations

import numpy as np
import pytest

from musicvae.swing import SIXTEENTHS, Swing


@pytest.mark.parametrize(("ratio", "unit"), [(1.0, 2), (1.5, 2), (2.0, 2), (2.0, 4), (3.0, 4)])
def test_straighten_inverts_perform(ratio: float, unit: int) -> None:
    swing = Swing(ratio, unit)
    at = np.linspace(-2, 7, 1000)
    np.testing.assert_allclose(swing.straighten(swing.perform(at)), at, atol=1e-12)
    np.testing.assert_allclose(swing.perform(np.arange(5)), np.arange(5))
    assert (np.diff(swing.perform(at)) > 0).all()


def test_second_notes_of_pairs_are_late() -> None:
    eighths, sixteenths = np.arange(4) / 2, np.arange(4) / 4
    np.testing.assert_allclose(Swing(2.0).perform(eighths), [0, 2 / 3, 1, 5 / 3])
    np.testing.assert_allclose(Swing(3.0, SIXTEENTHS).perform(sixteenths), [0, 3 / 8, 1 / 2, 7 / 8])


def test_text_is_parsed_again() -> None:
    assert str(Swing(2.0)) == "2:1 in eighths"
    for swing in (Swing(2.0), Swing(1.62), Swing(3.0, SIXTEENTHS)):
        assert Swing.parse(str(swing)) == swing
    assert Swing.parse("3:2") == Swing(1.5)
    for wrong in ("", "2", "2:", "1:2", "10:1", "2:1 in halves", "nan:1"):
        with pytest.raises(ValueError, match="swing"):
            Swing.parse(wrong)


def test_swing_between_two() -> None:
    between = Swing.between
    assert between(None, None, 0.3) is None
    same = between(Swing(2.0), Swing(2.0), 0.3)
    assert same is not None and same.ratio == pytest.approx(2.0)
    half = between(Swing(2.0), None, 0.5)
    assert half is not None and half.share == pytest.approx((2 / 3 + 1 / 2) / 2)
    assert between(None, Swing(2.0), 0.0) is None
    other = between(Swing(2.0), Swing(3.0, SIXTEENTHS), 0.75)
    assert other is not None and other.unit == SIXTEENTHS
    assert other.share == pytest.approx(0.25 * 0.5 + 0.75 * 0.75)
