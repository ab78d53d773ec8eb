"""Personalization: a small VAE over the latents of a few songs as prior."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from musicvae import MusicVAE, WindowDataset
from musicvae.checkpoints import find, load
from musicvae.checkpoints.registry import shipped_folder
from musicvae.cli import main
from musicvae.errors import CheckpointError
from musicvae.networks.priors import load_prior
from musicvae.networks.priors.conditioning import EncodedPaths, PathConditioning
from musicvae.networks.priors.midime import MidiMePrior
from musicvae.training import personalize
from musicvae.training.fit_prior import encode_paths


@pytest.fixture(autouse=True)
def shipped() -> Path:
    """Return the real shipped folder, which other tests hide."""
    return shipped_folder()


def ring(n: int, W: int = 6) -> EncodedPaths:
    """Return paths around a circle in 12 dimensions, 60 degrees per window."""
    rng = np.random.default_rng(0)
    at = rng.uniform(0, 2 * np.pi, (n, 1)) + np.arange(W) * np.pi / 3
    plane = np.linalg.qr(rng.standard_normal((12, 2)))[0]
    z = 2 * np.stack([np.cos(at), np.sin(at)], -1) @ plane.T
    mu = (z + 0.02 * rng.standard_normal(z.shape)).reshape(n * W, 12).astype(np.float32)
    return EncodedPaths(
        mu=mu,
        sigma=np.full_like(mu, 0.05),
        conditioning=conditioning_of(n, W).reshape(n * W),
        path=np.repeat(np.arange(n), W),
    )


def conditioning_of(n: int, W: int) -> PathConditioning:
    ones = torch.ones(n, W, dtype=torch.long)
    return PathConditioning(
        meter=ones[..., None],
        valid=ones[..., None].bool(),
        pickup_share=torch.zeros(n, W, 1),
        part_active=ones[..., None, None].bool(),
        first_bar=torch.arange(W).expand(n, W),
        song_bars=ones * W,
        key=ones * 0,
        chords=torch.full((n, W, 1, 4, 3), -1, dtype=torch.int8),
        traits=torch.zeros(n, W, 1, 4, dtype=torch.int8),
    )


def test_samples_lie_near_the_songs_and_follow_their_dynamics() -> None:
    paths = ring(40)
    prior = MidiMePrior.fit(paths, 2, latent=3, hidden=32, steps=500)
    z = prior.sample(conditioning_of(200, 6), rng=np.random.default_rng(1))
    assert z.shape == (200, 6, 12)
    mu = paths.mu.reshape(40, 6, 12)
    span = np.linalg.svd(paths.mu, full_matrices=False)[2][:2]  # the plane of the circle
    off = np.linalg.norm(z - z @ span.T @ span, axis=-1)
    assert off.mean() < 0.5  # of a circle of radius 2: a normal one of this spread is 2.2 off

    def mean_cosine(path: np.ndarray) -> float:
        a, b = path[:, :-1].reshape(-1, 12), path[:, 1:].reshape(-1, 12)
        along = (a * b).sum(-1) / np.linalg.norm(a, axis=-1) / np.linalg.norm(b, axis=-1)
        return float(along.mean())

    assert mean_cosine(mu) == pytest.approx(0.5, abs=0.02)
    assert mean_cosine(z) > 0.2  # shuffled windows: 0


def test_fit_is_reproducible_and_restored_from_tensors() -> None:
    one, other = (MidiMePrior.fit(ring(8), 2, latent=3, hidden=16, steps=20) for _ in range(2))
    again = load_prior({name: torch.from_numpy(t) for name, t in one.tensors().items()})
    assert isinstance(again, MidiMePrior)
    drawn = [
        p.sample(conditioning_of(2, 4), rng=np.random.default_rng(5)) for p in (one, other, again)
    ]
    assert np.array_equal(drawn[0], drawn[1])
    assert np.array_equal(drawn[0], drawn[2])
    narrow = one.sample(conditioning_of(2, 4), temperature=0.2, rng=np.random.default_rng(5))
    assert narrow.std() < drawn[0].std()


def test_personal_model_samples_nearer_to_the_songs_with_unchanged_weights(
    midi_folder: Path, tmp_path: Path
) -> None:
    path = personalize(midi_folder, "melody-2bar", tmp_path / "mine")
    shipped, mine = load(find("melody-2bar")), load(path)
    weights = shipped.tensors_under("model")
    assert all(torch.equal(weights[name], t) for name, t in mine.tensors_under("model").items())
    assert mine.provenance["finished"]
    assert mine.provenance["from"]["name"] == "melody-2bar"
    assert mine.provenance["songs"] == 10
    before, after = MusicVAE.load("melody-2bar"), MusicVAE.load(path)
    windows = WindowDataset(midi_folder, before.preset, split="all")
    song_latents = encode_paths(before.vae, windows).mu.astype(np.float32)

    def median_distance(model: MusicVAE) -> float:
        """Return the median distance of sampled windows to the nearest window of the songs."""
        batcher, songs = windows.batcher, np.arange(len(windows.inputs))
        longest = songs[windows.batcher.lengths_bars == windows.batcher.lengths_bars.max()]
        z = model.sample_latents(batcher, longest, 1.0, np.random.default_rng(0)).reshape(
            -1, song_latents.shape[1]
        )
        return float(np.median([np.linalg.norm(song_latents - each, axis=1).min() for each in z]))

    assert median_distance(after) < 0.9 * median_distance(before)
    with pytest.raises(CheckpointError, match="holds a run already"):
        personalize(midi_folder, "melody-2bar", tmp_path / "mine")


def test_command_writes_a_run_for_sample(
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
    assert "give a name, not a path" in run.output
