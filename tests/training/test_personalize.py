"""A trained model made one's own: a small VAE over the latents of few songs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from musicvae import MusicVAE, Windows
from musicvae.checkpoints import find, load
from musicvae.checkpoints.registry import shipped_folder
from musicvae.cli import main
from musicvae.errors import CheckpointError
from musicvae.networks.priors import prior_of
from musicvae.networks.priors.conditioning import PathFrame, Paths
from musicvae.networks.priors.midime import SmallPrior
from musicvae.training import personalise
from musicvae.training.fit_prior import encoded


@pytest.fixture(autouse=True)
def shipped() -> Path:
    """Unlike elsewhere, what ships is there."""
    return shipped_folder()


def ring(n: int, W: int = 6) -> Paths:
    """Paths that go round a circle in 12 dimensions, 60 degrees a window."""
    rng = np.random.default_rng(0)
    at = rng.uniform(0, 2 * np.pi, (n, 1)) + np.arange(W) * np.pi / 3
    plane = np.linalg.qr(rng.standard_normal((12, 2)))[0]
    z = 2 * np.stack([np.cos(at), np.sin(at)], -1) @ plane.T
    mu = (z + 0.02 * rng.standard_normal(z.shape)).reshape(n * W, 12).astype(np.float32)
    return Paths(
        mu=mu,
        sigma=np.full_like(mu, 0.05),
        frame=frame_of(n, W).reshape(n * W),
        path=np.repeat(np.arange(n), W),
    )


def frame_of(n: int, W: int) -> PathFrame:
    ones = torch.ones(n, W, dtype=torch.long)
    return PathFrame(
        meter=ones[..., None],
        real=ones[..., None].bool(),
        lead=torch.zeros(n, W, 1),
        present=ones[..., None, None].bool(),
        first=torch.arange(W).expand(n, W),
        bars=ones * W,
        key=ones * 0,
    )


def test_a_small_vae_draws_where_the_songs_lie_and_goes_on_as_they_do() -> None:
    paths = ring(40)
    small = SmallPrior.fit(paths, 2, latent=3, hidden=32, steps=500)
    z = small.sample(frame_of(200, 6), rng=np.random.default_rng(1))
    assert z.shape == (200, 6, 12)
    mu = paths.mu.reshape(40, 6, 12)
    span = np.linalg.svd(paths.mu, full_matrices=False)[2][:2]  # the plane of the circle
    off = np.linalg.norm(z - z @ span.T @ span, axis=-1)
    assert off.mean() < 0.5  # of a circle of radius 2: a normal one of this spread is 2.2 off

    def turn(path: np.ndarray) -> float:
        a, b = path[:, :-1].reshape(-1, 12), path[:, 1:].reshape(-1, 12)
        along = (a * b).sum(-1) / np.linalg.norm(a, axis=-1) / np.linalg.norm(b, axis=-1)
        return float(along.mean())

    assert turn(mu) == pytest.approx(0.5, abs=0.02)
    assert turn(z) > 0.2  # shuffled windows: 0


def test_it_is_the_same_again_by_seed_and_from_its_tensors() -> None:
    one, other = (SmallPrior.fit(ring(8), 2, latent=3, hidden=16, steps=20) for _ in range(2))
    again = prior_of({name: torch.from_numpy(t) for name, t in one.tensors().items()})
    assert isinstance(again, SmallPrior)
    drawn = [p.sample(frame_of(2, 4), rng=np.random.default_rng(5)) for p in (one, other, again)]
    assert np.array_equal(drawn[0], drawn[1])
    assert np.array_equal(drawn[0], drawn[2])
    calm = one.sample(frame_of(2, 4), temperature=0.2, rng=np.random.default_rng(5))
    assert calm.std() < drawn[0].std()


def test_a_personal_model_samples_nearer_to_the_songs_and_is_else_the_same(
    midi_folder: Path, tmp_path: Path
) -> None:
    path = personalise(midi_folder, "melody-2bar", tmp_path / "mine")
    shipped, mine = load(find("melody-2bar")), load(path)
    weights = shipped.under("model")
    assert all(torch.equal(weights[name], t) for name, t in mine.under("model").items())
    assert mine.provenance["finished"]
    assert mine.provenance["from"]["name"] == "melody-2bar"
    assert mine.provenance["songs"] == 10
    before, after = MusicVAE.load("melody-2bar"), MusicVAE.load(path)
    windows = Windows(midi_folder, before.preset, split="all")
    home = encoded(before.vae, windows).mu.astype(np.float32)

    def away(model: MusicVAE) -> float:
        """Median distance of drawn windows to the nearest of the songs'."""
        cutter, songs = windows.cutter, np.arange(len(windows.sources))
        longest = songs[windows.cutter.lengths == windows.cutter.lengths.max()]
        z = model.paths(cutter, longest, 1.0, np.random.default_rng(0)).reshape(-1, home.shape[1])
        return float(np.median([np.linalg.norm(home - each, axis=1).min() for each in z]))

    assert away(after) < 0.9 * away(before)
    with pytest.raises(CheckpointError, match="holds a run already"):
        personalise(midi_folder, "melody-2bar", tmp_path / "mine")


def test_the_command_writes_a_run_that_sample_finds(
    midi_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run = CliRunner().invoke(
        main, ["personalise", str(midi_folder), "--from", "melody-2bar", "--name", "mine"]
    )
    assert run.exit_code == 0, run.output
    assert (tmp_path / "checkpoints" / "mine" / "model.safetensors").exists()
    run = CliRunner().invoke(
        main, ["sample", "--checkpoint", "mine", "--n", "1", "--out", "songs", "--seed", "1"]
    )
    assert run.exit_code == 0, run.output
    assert len(list((tmp_path / "songs").glob("*.mid"))) == 1
    run = CliRunner().invoke(main, ["personalise", str(midi_folder), "--name", "a/b"])
    assert run.exit_code == 2
    assert "plain name" in run.output
