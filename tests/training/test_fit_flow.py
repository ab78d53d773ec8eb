"""Windows and bars that are known while a prior is fitted."""

from __future__ import annotations

import numpy as np

from musicvae.training.fit_flow import sample_known_windows
from musicvae.training.fit_prior import sample_known_bars


def test_known_windows_are_prefixes_surroundings_and_none() -> None:
    length = np.full(4000, 8)
    length[:2000] = 3
    known, hinted = sample_known_windows(length, 8, np.random.default_rng(0))
    assert known.shape == (4000, 8) and not (known & hinted).any()
    for of, n in ((known[:2000], 3), (known[2000:], 8)):
        inside = of[:, :n]
        assert 0.3 < (~inside.any(1)).mean() < 0.6  # often nothing is known
        assert (inside.all(1)).mean() < 0.15  # rarely everything
        assert (inside[:, 0] & inside[:, -1] & ~inside.all(1)).mean() > 0.05  # gaps


def test_known_bars_are_a_proper_part_of_each_window() -> None:
    real = np.ones((3000, 4), bool)
    real[:1000, 1:] = False
    real[1000:2000, 3:] = False
    kept = sample_known_bars(real, np.random.default_rng(0))
    assert not kept[:1000].any() and not (kept & ~real).any()
    n = kept[1000:].sum(1)
    assert n.min() == 1 and (n < real[1000:].sum(1)).all()
    assert kept[1000:, 0].mean() > 0.3 and (~kept[1000:, 0]).mean() > 0.3
