"""The three objectives, the roll decoder, and runs trained with them."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from musicvae import MusicVAE
from musicvae.checkpoints import load
from musicvae.cli import main
from musicvae.config.preset import load_preset
from musicvae.data import Shards, WindowDataset, prepare_cached
from musicvae.errors import ConfigError
from musicvae.io import write
from musicvae.networks.layers import QuarterPacking
from musicvae.networks.losses import NATS_PER_BIT, compute_loss_terms
from musicvae.networks.vae import VAE, to_note_rows, with_notes, without_notes
from musicvae.training.augmentation import corrupt_batch
from musicvae.training.sampler import BatchSampler
from musicvae.training.validation import validate
from support.networks import make_batch, tiny_preset
from support.songs import chorale_song, corpus_folder


def make_vae(*settings: str) -> VAE:
    torch.manual_seed(0)
    vae = VAE(load_preset("tiny").with_settings(settings)).eval()
    torch.nn.init.normal_(vae.encoder.out.weight, std=0.3)  # latents that differ
    return vae


def make_windows(vae: VAE):
    return make_batch(
        vae.preset, chorale_song(bars=6), chorale_song(bars=5, pickup=1, meter=(3, 4))
    )


def make_noise(vae: VAE, batch) -> torch.Tensor:
    return torch.randn(len(batch.notes), vae.Z, generator=torch.Generator().manual_seed(1))


# -- formulas -------------------------------------------------------------------------------------


def test_loss_at_beta_one_is_reconstruction_plus_kl() -> None:
    vae = make_vae()
    batch = make_windows(vae)
    noise = make_noise(vae, batch)
    terms, posterior = compute_loss_terms(vae, batch, noise)
    z = posterior.mu + posterior.sigma * noise
    kl = torch.distributions.kl_divergence(
        torch.distributions.Normal(posterior.mu, posterior.sigma),
        torch.distributions.Normal(0.0, 1.0),
    ).sum(1)
    expected = (vae.loss(batch, z).total + kl).mean()
    torch.testing.assert_close(terms.loss(1.0), expected, rtol=1e-4, atol=1e-3)
    assert terms.kl.mean() > 1 and terms.loss(2.0) > terms.loss(1.0)


@pytest.mark.parametrize("name", ["ae", "dae"])
def test_autoencoder_is_deterministic_without_kl(name: str) -> None:
    vae = make_vae(f"training.objective={name}")
    batch = make_windows(vae)
    terms, posterior = compute_loss_terms(vae, batch, make_noise(vae, batch))
    louder, _ = compute_loss_terms(vae, batch, 100 * make_noise(vae, batch))
    assert torch.equal(terms.notes.total, louder.notes.total)
    assert (posterior.sigma == 0).all() and (terms.kl == 0).all()
    assert torch.equal(terms.loss(1.0), vae.loss(batch, posterior.mu).total.mean())
    terms.loss(1.0).backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in vae.parameters())


def test_denoising_encodes_corrupted_notes_and_reconstructs_clean_ones() -> None:
    vae = make_vae("training.objective=dae")
    batch = make_windows(vae)
    corrupted = corrupt_batch(batch, vae.preset, np.random.default_rng(0))
    terms, posterior = compute_loss_terms(vae, batch, make_noise(vae, batch), corrupted)
    assert torch.equal(posterior.mu, vae.encode(corrupted).mu)
    assert not torch.equal(posterior.mu, vae.encode(batch).mu)
    assert torch.equal(terms.notes.total, vae.loss(batch, posterior.mu).total)


# -- the roll -------------------------------------------------------------------------------------


def reference_planes(rows: np.ndarray, vae: VAE, batch) -> np.ndarray:
    """Return onset and sustain planes `(B, 2, steps, R, P)` over unmasked steps, note by note."""
    layout, B = vae.layout, len(batch.notes)
    mask = layout.unmasked_steps(batch).flatten(1).numpy()
    planes = np.zeros((B, 2, int(mask.sum(1).max()), layout.n_parts, layout.n_pitches))
    for window, bar, position, part, pitch, duration, *_ in rows.tolist():
        at = bar * layout.max_bar_steps + max(position - 1, int(batch.lead_steps[window, bar]))
        start = int(mask[window, :at].sum())
        key = pitch - layout.lowest_pitch
        for cell in range(start, start + duration):
            plane = 0 if cell == start and position else 1
            planes[window, plane, cell, part, key] = 1
    return planes


def test_squared_loss_is_the_distance_of_two_rolls() -> None:
    """`||x - x'||^2`, with x written note by note and x' from the decoder."""
    vae = make_vae("model.decoder=roll", "model.loss=squared", "training.objective=ae")
    torch.nn.init.normal_(vae.decoder.out.weight, std=0.3)
    batch = make_windows(vae)
    z = make_noise(vae, batch)
    packing = QuarterPacking.from_batch(batch, vae.layout)
    slices = vae.latent_slices(z)
    planes = vae.decoder.predict_planes(slices, batch, packing).detach()  # (B, L*steps, R, 2, P)
    mask = packing.pack(vae.layout.unmasked_steps(batch)).bool().flatten(1)
    truth = reference_planes(to_note_rows(batch), vae, batch)
    for window in range(len(z)):
        found = planes[window][mask[window]].permute(2, 0, 1, 3).numpy()  # (2, cells, R, P)
        expected = float(((found - truth[window, :, : found.shape[1]]) ** 2).sum())
        assert float(vae.loss(batch, z).total[window].detach()) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("loss", ["squared", "cross-entropy"])
def test_target_planes_round_trip_to_notes(loss: str) -> None:
    """Notes -> planes -> notes, with carry-ins, ties over bar lines and repeated notes."""
    vae = make_vae("model.decoder=roll", f"model.loss={loss}")
    batch = make_windows(vae)
    rows = to_note_rows(batch)
    rows[:, 5] += rows[:, 5] % 3  # some last on; overlaps of one pitch are cut below
    batch = corrupt_batch(with_notes(batch, torch.from_numpy(rows)), vae.preset,
                      np.random.default_rng(0), kind="deletion", amount=0.1)  # fmt: skip
    assert (batch.notes[..., 1] == 0).any()
    packing = QuarterPacking.from_batch(batch, vae.layout)
    planes = vae.decoder.target_planes(batch, packing)
    if loss == "cross-entropy":
        planes = (planes - 0.5) * 20
    found = vae.decoder.planes_to_rows(
        planes, without_notes(batch), packing, 0.0, torch.Generator()
    )
    expected = to_note_rows(batch)
    expected[:, 6:] = 0  # a roll has neither velocity nor microtiming
    assert np.array_equal(found.numpy(), expected)


# -- usage ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (
            ["model.loss=squared"],
            r"model.loss must be cross-entropy with model.decoder=cells.*roll",
        ),
        (["model.loss=squared", "model.decoder=list"], "with model.decoder=list"),
        (["model.decoder=roll", "model.velocity=true"], "velocity.*false with model.decoder=roll"),
        (["training.objective=gan"], "one of ae, dae, vae"),
        (["training.objective=dae", "training.corruption=none"], "choose ae"),
        (["training.objective=ae", "training.corruption=pitch_substitution"], "choose dae"),
        (["training.corruption=rust"], "one of auto, none, mixed, pitch_substitution"),
        (["training.corruption_amount=1.5"], "0 to 1"),
    ],
)
def test_incompatible_objectives_raise(settings: list[str], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        load_preset("tiny").with_settings(settings)


def test_auto_corruption_is_transcription_for_dae_only() -> None:
    corruption = {
        name: make_vae(f"training.objective={name}").preset.training.effective_corruption
        for name in ("ae", "dae", "vae")
    }
    assert corruption == {"ae": "none", "dae": "transcription", "vae": "none"}


# -- runs -----------------------------------------------------------------------------------------


def test_corruption_depends_only_on_seed_and_step(tmp_path) -> None:
    preset = load_preset("tiny").with_settings(["training.corruption=pitch_substitution"])
    windows = WindowDataset(Shards(prepare_cached(corpus_folder(tmp_path / "midi", n=6))), preset)
    options = {"batch_size": 16, "seed": 3, "key_jitter": 0.5}
    example = BatchSampler(windows, **options).example(4)
    again = BatchSampler(windows, **options, start=2).example(4)
    assert torch.equal(example.corrupted.notes, again.corrupted.notes)
    assert not torch.equal(rows(example.corrupted), rows(example.batch))
    assert torch.equal(example.batch.notes, BatchSampler(windows, **options).batch(4).notes)
    for rank in range(2):
        mine = BatchSampler(windows, **options, rank=rank, world=2).example(4)
        assert torch.equal(mine.corrupted.notes, example.corrupted.notes[rank::2])
        assert torch.equal(mine.batch.notes, example.batch.notes[rank::2])
    clean = replace(preset, training=replace(preset.training, corruption="none"))
    windows = WindowDataset(tmp_path / "midi", clean)
    assert BatchSampler(windows, **options).example(4).corrupted is None


def rows(batch) -> torch.Tensor:
    return torch.from_numpy(to_note_rows(batch))


def test_dae_run_reports_f1_before_and_after_denoising(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    corpus_folder(tmp_path / "midi", n=12, bars=6)
    words = ["train", "midi", "--preset", "tiny", "--objective", "dae", "--steps", "40", "--json"]
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 0, done.stderr
    result = json.loads(done.stdout.splitlines()[-1])["metrics"]
    assert 0.5 < result["valid_f1_noisy"] < 0.95 and result["valid_f1_denoised"] > 0
    assert not {"valid_kl_bits", "valid_f1_sampled", "beta", "train_kl_bits"} & set(result)
    assert " corrupted and " in done.stderr and " bits" not in done.stderr
    written = (tmp_path / "checkpoints" / "tiny" / "metrics.csv").read_text().splitlines()
    assert {"valid_f1_noisy", "valid_f1_denoised"} <= set(written[0].split(","))
    assert load("checkpoints/tiny/model.safetensors").preset.training.objective == "dae"
    # The model works like any other; no bits are reported, since there are none.
    hymn = chorale_song(bars=5)
    encoding = MusicVAE.load("tiny").encode(hymn)
    assert math.isnan(encoding.kl_bits)
    write(hymn, "hymn.mid")
    encoded = CliRunner().invoke(
        main, ["reconstruct", "hymn.mid", "--checkpoint", "tiny", "--out", "out", "--json"]
    )
    assert encoded.exit_code == 0 and json.loads(encoded.stdout)["kl_bits"] is None
    plain = CliRunner().invoke(
        main, ["reconstruct", "hymn.mid", "--checkpoint", "tiny", "--out", "again"]
    )
    assert "bits" not in plain.stdout and "nan" not in plain.stdout
    info = CliRunner().invoke(main, ["info", "tiny"])
    assert "dae, transcription notes 0.3\n" in info.stdout


def test_resumed_run_keeps_its_objective() -> None:
    done = CliRunner().invoke(main, ["train", ".", "--resume", "--objective", "ae"])
    assert done.exit_code == 2 and "keeps its preset" in done.stderr


def test_vae_with_corruption_reports_bits_and_both_f1(tmp_path) -> None:
    vae = VAE(tiny_preset().with_settings(["training.corruption=deletion"])).eval()
    windows = WindowDataset(corpus_folder(tmp_path, n=4), vae.preset, split="all")
    scores = validate(vae, windows)
    assert {"kl_bits", "f1_sampled", "f1_denoised"} <= set(scores)
    assert 0.7 < scores["f1_noisy"] < 0.9  # 30% of the notes are missing: 2 * .7 / 1.7
    clean = validate(make_vae(), windows)
    assert "f1_noisy" not in clean and clean["kl_bits"] * NATS_PER_BIT > 1
