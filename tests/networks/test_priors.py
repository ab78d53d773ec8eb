"""Priors over paths of latents: what they must find in paths whose law is known."""

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
from musicvae.training.fit_prior import encode_paths, refit_prior
from support.priors import conditioning_of, paths_of, small, two_kinds
from support.songs import corpus_folder


def test_the_linear_prior_recovers_a_known_autoregression() -> None:
    rng = np.random.default_rng(0)
    step = np.array([[0.8, 0.1], [0.0, 0.5]])
    path = np.zeros((300, 12, 2))
    for w in range(1, 12):
        path[:, w] = path[:, w - 1] @ step.T + 0.3 * rng.standard_normal((300, 2))
    key = rng.integers(-6, 6, 300)
    path += key[:, None, None] * np.array([0.4, -0.2])
    prior = LinearGaussianPrior.fit(paths_of(path, key), 1)
    # The ridge of 0.05 shrinks the slower direction; the noise must come out as it was.
    np.testing.assert_allclose(prior.step, step, atol=0.2)
    np.testing.assert_allclose(prior.by_key, [0.4, -0.2], atol=0.03)
    np.testing.assert_allclose(prior.factor[1] @ prior.factor[1].T, 0.09 * np.eye(2), atol=0.02)
    again = load_prior({name: torch.from_numpy(t) for name, t in prior.tensors().items()})
    drawn = [p.sample(conditioning_of(4, 5), rng=np.random.default_rng(1)) for p in (prior, again)]
    assert drawn[0].shape == (4, 5, 2) and np.array_equal(*drawn)


def test_a_flow_knows_two_kinds_of_songs_where_a_gaussian_mixes_them() -> None:
    paths, preset = paths_of(two_kinds(400)), small(300, bars=1)
    flow, losses = fit_flow(paths, preset, steps=300)
    assert np.mean(losses[-20:]) < 0.5 * np.mean(losses[:5])
    linear = LinearGaussianPrior.fit(paths, len(preset.meters) + 1)

    def apart(prior: FlowPrior | LinearGaussianPrior) -> tuple[float, float]:
        """Share of windows near one of the two, and of songs that stay with theirs."""
        z = prior.sample(conditioning_of(200, 4), rng=np.random.default_rng(3)).mean(-1)
        return float((np.abs(np.abs(z) - 1) < 0.35).mean()), float((np.ptp(z, 1) < 1).mean())

    of_flow, of_linear = apart(flow), apart(linear)
    assert of_flow[0] > 0.8 and of_flow[1] > 0.9, of_flow
    assert of_linear[0] < 0.6, of_linear


def test_a_song_longer_than_the_context_goes_on_as_it_began() -> None:
    flow, _ = fit_flow(paths_of(two_kinds(200, 20)), small(200, bars=1), steps=200)
    assert flow.context == 16
    z = flow.sample(conditioning_of(50, 45), rng=np.random.default_rng(0)).mean(-1)
    assert z.shape == (50, 45) and (np.sign(z).std(1) < 0.3).mean() > 0.9


def test_a_flow_is_the_same_again_by_seed_and_from_its_tensors() -> None:
    paths, preset = paths_of(two_kinds(40)), small(6, bars=1)
    one, other = (fit_flow(paths, preset, steps=6)[0] for _ in range(2))
    again = load_prior({name: torch.from_numpy(t) for name, t in one.tensors().items()})
    assert isinstance(again, FlowPrior) and again.context == one.context
    frame = conditioning_of(3, 7)
    drawn = [p.sample(frame, rng=np.random.default_rng(5)) for p in (one, other, again)]
    assert drawn[0].shape == (3, 7, 16)
    assert np.array_equal(drawn[0], drawn[1]) and np.array_equal(drawn[0], drawn[2])
    assert not np.array_equal(drawn[0], one.sample(frame, rng=np.random.default_rng(6)))
    calm = one.sample(frame, temperature=0.5, rng=np.random.default_rng(5))
    assert calm.std() < drawn[0].std()


def test_bars_past_the_end_are_never_heard() -> None:
    """A path drawn with closed bars behind it is the path drawn without them."""
    flow, _ = fit_flow(paths_of(two_kinds(40)), small(30, bars=1), steps=30)
    short, long = conditioning_of(2, 3), conditioning_of(2, 5)
    long.real[:, 3:] = False
    long = replace(long, bars=torch.full((2, 5), 3))
    rng = np.random.default_rng(0)
    noise = torch.from_numpy(rng.standard_normal((2, 5, 16)).astype(np.float32))
    with torch.no_grad():
        whole, cut = (
            integrate(flow, noise[:, :W], frame, SamplingConstraints.of(flow, frame, None, None))
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
    first, path = paths.frame.first.numpy(), paths.path
    goes_on = path[1:] == path[:-1]
    assert (np.diff(first)[goes_on] == preset.grid.bars).all()
    assert len(paths.starts) - 1 == preset.grid.bars * len(windows.sources)
    assert (
        paths.frame.real.sum(-1).numpy() == np.minimum(2, paths.frame.bars.numpy() - first)
    ).all()
    stretch = FlowBatches(paths, 5).draw(50, np.random.default_rng(0))
    inside = stretch.frame.real.any(-1)  # (B, W)
    assert stretch.mu.shape == (50, 5, paths.mu.shape[1])
    assert inside[:, 0].all() and not inside.all()
    gaps = stretch.frame.first.diff(dim=1)[inside[:, 1:]]
    assert (gaps == preset.grid.bars).all()


def test_a_finished_run_samples_from_its_flow(trained) -> None:
    _, path = trained
    model = MusicVAE.load(path)
    assert isinstance(model.prior, FlowPrior)
    for bars in (1, 5, 40):
        songs = model.sample(2, bars=bars, seed=3)
        assert [len(song.parts) for song in songs] == [4, 4]
    before, after = model.sample(2, bars=5, seed=3), MusicVAE.load(path).sample(2, bars=5, seed=3)
    assert before == after


def test_a_prior_is_fitted_anew_and_the_weights_stay(trained, tmp_path) -> None:
    folder, path = trained
    out = refit_prior(
        path, folder, lambda config: replace(config, kind="gaussian"), out=tmp_path / "new"
    )
    old, new = load(path), load(out)
    assert isinstance(MusicVAE.load(out).prior, LinearGaussianPrior)
    assert new.preset.prior.kind == "gaussian" and new.provenance == old.provenance
    for name, tensor in old.tensors_under("model").items():
        assert torch.equal(tensor, new.tensors_under("model")[name])


def test_a_prior_of_another_kind_is_refused(trained, tmp_path) -> None:
    from musicvae.checkpoints import save

    _, path = trained
    found = load(path)
    tensors = {n: t for n, t in found.tensors.items() if not n.startswith("prior.enter")}
    out = save(replace(found, tensors=tensors), tmp_path / "odd.safetensors")
    with pytest.raises(CheckpointError, match="its prior is of another kind"):
        MusicVAE.load(out)
