"""Priors conditioned on known windows, tied bars, and noised paths."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch

from musicvae.networks.priors import load_prior
from musicvae.networks.priors.conditioning import KnownLatents
from musicvae.networks.priors.flow import FlowPrior
from musicvae.networks.priors.gaussian import LinearGaussianPrior
from musicvae.training.fit_flow import fit_flow
from support.priors import make_conditioning, make_paths, small_prior_preset, two_cluster_latents


def given_of(z: np.ndarray, windows: list[int]) -> KnownLatents:
    """Paths of which these windows are known, one bar each."""
    bars = np.zeros((*z.shape[:2], 1), bool)
    bars[:, windows] = True
    return KnownLatents(z=z.astype(np.float32), bar_mask=bars)


def test_linear_prior_bridges_a_gap_as_a_gaussian_does() -> None:
    """An autoregression with one strong step: what is between two ends lies on the way."""
    rng = np.random.default_rng(0)
    path = np.zeros((400, 9, 2))
    for w in range(1, 9):
        path[:, w] = 0.9 * path[:, w - 1] + 0.3 * rng.standard_normal((400, 2))
    prior, n = LinearGaussianPrior.fit(make_paths(path), 1), 3000
    ends = np.zeros((n, 9, 2))
    ends[:, 3], ends[:, 5] = 1.0, 2.0
    z = prior.sample(make_conditioning(n, 9), rng=rng, known=given_of(ends, [3, 5]))
    np.testing.assert_array_equal(z[:, [3, 5]], ends[:, [3, 5]].astype(np.float32))
    m, a = prior.mean[0, 1], prior.step
    noise = prior.factor[1] @ prior.factor[1].T
    # p(x4 | x3, x5): precision and mean of the product of two Gaussians.
    precision = np.linalg.inv(noise) + a.T @ np.linalg.inv(noise) @ a
    pull = np.linalg.inv(noise) @ a @ (1 - m) + a.T @ np.linalg.inv(noise) @ (2 - m)
    np.testing.assert_allclose(z[:, 4].mean(0), m + np.linalg.solve(precision, pull), atol=0.03)
    np.testing.assert_allclose(np.cov(z[:, 4].T), np.linalg.inv(precision), atol=0.02)
    assert z[:, 2].mean() > 0.5  # and what was before is drawn towards it too


@pytest.fixture(scope="module")
def flow() -> FlowPrior:
    return fit_flow(
        make_paths(two_cluster_latents(400, 6)), small_prior_preset(400, bars=1), steps=400
    )[0]


@pytest.mark.parametrize("known", [[0], [5], [2, 3], [0, 5]])
def test_flow_is_conditioned_on_known_windows_anywhere(flow, known) -> None:
    kinds = np.random.default_rng(1).choice([-1.0, 1.0], (240, 1, 1))
    z = np.broadcast_to(kinds, (240, 6, 16))
    drawn = flow.sample(
        make_conditioning(240, 6), rng=np.random.default_rng(0), known=given_of(z, known)
    )
    np.testing.assert_allclose(drawn[:, known], z[:, known], atol=1e-5)
    others = np.delete(drawn, known, axis=1)
    right = np.sign(others.mean(-1)) == kinds[:, 0]
    assert right.mean() > (0.75 if len(known) == 1 else 0.9)  # chance is .5


def test_older_flow_is_conditioned_by_noising_known_windows(flow) -> None:
    """A checkpoint from before: without `hint` and forms it loads, and fills a hole."""
    tensors = {name: torch.from_numpy(t) for name, t in flow.tensors().items()}
    old = {n: t for n, t in tensors.items() if n not in ("hint.weight", "hinted", "forms")}
    again = load_prior(old)
    assert isinstance(again, FlowPrior) and again.hint is None
    z = np.ones((40, 6, 16))
    drawn = again.sample(
        make_conditioning(40, 6), rng=np.random.default_rng(0), known=given_of(z, [4, 5])
    )
    np.testing.assert_allclose(drawn[:, 4:], 1, atol=1e-5)
    assert np.isfinite(drawn).all()
    assert np.array_equal(again.sample_forms(1, 5, np.random.default_rng(0)), [range(5)])


def test_bars_with_one_label_are_alike_and_recur_exactly_in_long_paths(flow) -> None:
    n, W = 20, 70  # three pieces
    tied = np.tile(np.arange(W), (n, 1))
    tied[:, 4:6] = [0, 1]
    tied[:, 60:62] = [0, 1]
    z = flow.sample(
        make_conditioning(n, W), rng=np.random.default_rng(0), bar_labels=tied[..., None]
    )
    apart = np.abs(z - z[:, :1]).mean((0, 2))
    assert apart[60] == 0 and apart[4] < 0.7 * apart[[2, 3, 5, 7, 9]].mean()


@pytest.mark.parametrize("kind", ["flow", "gaussian"])
def test_larger_amount_is_further_from_the_known_path(flow, kind) -> None:
    z = two_cluster_latents(30, 6).astype(np.float32)
    prior = (
        flow
        if kind == "flow"
        else LinearGaussianPrior.fit(make_paths(two_cluster_latents(400, 6)), 10)
    )
    given = given_of(z, list(range(6)))
    far = [
        np.abs(
            prior.sample(
                make_conditioning(30, 6), rng=np.random.default_rng(0), known=given, amount=amount
            )
            - z
        ).mean()
        for amount in (0.02, 0.3, 0.6, 0.9)
    ]
    assert far[0] < 0.1 and all(a < b for a, b in pairwise(far))
