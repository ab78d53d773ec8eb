"""Priors over paths of latents, fitted to paths of known distributions."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from musicvae.checkpoints import load
from musicvae.config.preset import load_preset
from musicvae.data import Shards, WindowDataset, prepare_cached
from musicvae.errors import CheckpointError
from musicvae.model import MusicVAE
from musicvae.networks.priors import load_prior
from musicvae.networks.priors.flow import FlowPrior
from musicvae.networks.priors.flow_sampler import SamplingConstraints, integrate
from musicvae.networks.priors.gaussian import LinearGaussianPrior
from musicvae.networks.vae import VAE
from musicvae.training import train
from musicvae.training.fit_flow import FlowBatches, fit_flow
from musicvae.training.fit_prior import encode_paths
from support.priors import make_conditioning, make_paths, small_prior_preset, two_cluster_latents
from support.songs import corpus_folder


def test_linear_prior_recovers_an_autoregression() -> None:
    rng = np.random.default_rng(0)
    step = np.array([[0.8, 0.1], [0.0, 0.5]])
    path = np.zeros((300, 12, 2))
    for w in range(1, 12):
        path[:, w] = path[:, w - 1] @ step.T + 0.3 * rng.standard_normal((300, 2))
    key = rng.integers(-6, 6, 300)
    path += key[:, None, None] * np.array([0.4, -0.2])
    prior = LinearGaussianPrior.fit(make_paths(path, key), 1)
    # The ridge of 0.05 shrinks the slower direction; the noise is recovered.
    np.testing.assert_allclose(prior.step, step, atol=0.2)
    np.testing.assert_allclose(prior.by_key, [0.4, -0.2], atol=0.03)
    np.testing.assert_allclose(prior.factor[1] @ prior.factor[1].T, 0.09 * np.eye(2), atol=0.02)
    again = load_prior({name: torch.from_numpy(t) for name, t in prior.tensors().items()})
    drawn = [
        p.sample(make_conditioning(4, 5), rng=np.random.default_rng(1)) for p in (prior, again)
    ]
    assert drawn[0].shape == (4, 5, 2) and np.array_equal(*drawn)


def test_flow_separates_two_kinds_of_songs_and_gaussian_does_not() -> None:
    paths, preset = make_paths(two_cluster_latents(400)), small_prior_preset(300, bars=1)
    flow, losses = fit_flow(paths, preset, steps=300)
    assert np.mean(losses[-20:]) < 0.5 * np.mean(losses[:5])
    linear = LinearGaussianPrior.fit(paths, len(preset.meters) + 1)

    def separation(prior: FlowPrior | LinearGaussianPrior) -> tuple[float, float]:
        """Return the share of windows near one of the kinds, and of songs that stay with theirs."""
        z = prior.sample(make_conditioning(200, 4), rng=np.random.default_rng(3)).mean(-1)
        return float((np.abs(np.abs(z) - 1) < 0.35).mean()), float((np.ptp(z, 1) < 1).mean())

    of_flow, of_linear = separation(flow), separation(linear)
    assert of_flow[0] > 0.8 and of_flow[1] > 0.9, of_flow
    assert of_linear[0] < 0.6, of_linear


def test_song_longer_than_the_context_keeps_its_kind() -> None:
    flow, _ = fit_flow(
        make_paths(two_cluster_latents(200, 20)), small_prior_preset(200, bars=1), steps=200
    )
    assert flow.context == 16
    z = flow.sample(make_conditioning(50, 45), rng=np.random.default_rng(0)).mean(-1)
    assert z.shape == (50, 45) and (np.sign(z).std(1) < 0.3).mean() > 0.9


def test_flow_is_reproduced_by_seed_and_from_its_tensors() -> None:
    paths, preset = make_paths(two_cluster_latents(40)), small_prior_preset(6, bars=1)
    one, other = (fit_flow(paths, preset, steps=6)[0] for _ in range(2))
    again = load_prior({name: torch.from_numpy(t) for name, t in one.tensors().items()})
    assert isinstance(again, FlowPrior) and again.context == one.context
    frame = make_conditioning(3, 7)
    drawn = [p.sample(frame, rng=np.random.default_rng(5)) for p in (one, other, again)]
    assert drawn[0].shape == (3, 7, 16)
    assert np.array_equal(drawn[0], drawn[1]) and np.array_equal(drawn[0], drawn[2])
    assert not np.array_equal(drawn[0], one.sample(frame, rng=np.random.default_rng(6)))
    calm = one.sample(frame, temperature=0.5, rng=np.random.default_rng(5))
    assert calm.std() < drawn[0].std()


def test_bars_past_the_end_are_never_read() -> None:
    """A path with masked bars after it is sampled as without them."""
    flow, _ = fit_flow(
        make_paths(two_cluster_latents(40)), small_prior_preset(30, bars=1), steps=30
    )
    short, long = make_conditioning(2, 3), make_conditioning(2, 5)
    long.valid[:, 3:] = False
    long = replace(long, song_bars=torch.full((2, 5), 3))
    rng = np.random.default_rng(0)
    noise = torch.from_numpy(rng.standard_normal((2, 5, 16)).astype(np.float32))
    with torch.no_grad():
        whole, cut = (
            integrate(flow, noise[:, :W], frame, SamplingConstraints.build(flow, frame, None, None))
            for W, frame in ((5, long), (3, short))
        )
    torch.testing.assert_close(whole[:, :3], cut, rtol=1e-4, atol=1e-5)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = corpus_folder(tmp_path_factory.mktemp("midi"), n=8, bars=7)
    out = tmp_path_factory.mktemp("run")
    return folder, train(folder, load_preset("tiny"), out, steps=12).model


def test_encoded_paths_follow_their_songs(trained) -> None:
    folder, _ = trained
    preset = load_preset("tiny")
    windows = WindowDataset(Shards(prepare_cached(folder)), preset)
    paths = encode_paths(VAE(preset).eval(), windows)
    assert len(paths) == len(windows)
    first, path = paths.conditioning.first_bar.numpy(), paths.path
    continues = path[1:] == path[:-1]
    assert (np.diff(first)[continues] == preset.grid.bars).all()
    assert len(paths.path_starts) - 1 == preset.grid.bars * len(windows.inputs)
    n_bars = np.minimum(2, paths.conditioning.song_bars.numpy() - first)
    assert (paths.conditioning.valid.sum(-1).numpy() == n_bars).all()
    stretch = FlowBatches(paths, 5).draw(50, np.random.default_rng(0))
    inside = stretch.conditioning.valid.any(-1)  # (B, W)
    assert stretch.mu.shape == (50, 5, paths.mu.shape[1])
    assert inside[:, 0].all() and not inside.all()
    gaps = stretch.conditioning.first_bar.diff(dim=1)[inside[:, 1:]]
    assert (gaps == preset.grid.bars).all()


def test_finished_run_samples_from_its_flow(trained) -> None:
    _, path = trained
    model = MusicVAE.load(path)
    assert isinstance(model.prior, FlowPrior)
    for bars in (1, 5, 40):
        songs = model.sample(2, bars=bars, seed=3)
        assert [len(song.parts) for song in songs] == [4, 4]
    before, after = model.sample(2, bars=5, seed=3), MusicVAE.load(path).sample(2, bars=5, seed=3)
    assert before == after


def test_unknown_kind_of_prior_is_rejected(trained, tmp_path) -> None:
    from musicvae.checkpoints import save

    _, path = trained
    found = load(path)
    tensors = {n: t for n, t in found.tensors.items() if not n.startswith("prior.enter")}
    out = save(replace(found, tensors=tensors), tmp_path / "odd.safetensors")
    with pytest.raises(CheckpointError, match="its prior is of another kind"):
        MusicVAE.load(out)


def test_paths_sampled_in_chunks_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    prior, paths = LinearGaussianPrior.standard_normal(3, 10), []
    for size in (2**24, 1):
        monkeypatch.setattr("musicvae.networks.priors.gaussian.MAX_FACTOR_ELEMENTS", size)
        paths.append(prior.sample(make_conditioning(5, 4), rng=np.random.default_rng(0)))
    assert np.array_equal(*paths)
