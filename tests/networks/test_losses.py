"""The three objectives, the roll decoder, and what becomes of them in a run."""

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
from musicvae.training.corruption import corrupt_batch
from musicvae.training.sampler import BatchSampler
from musicvae.training.validation import validate
from support.networks import batch_of, tiny
from support.songs import chorale_song, corpus_folder


def model(*settings: str) -> VAE:
    torch.manual_seed(0)
    vae = VAE(load_preset("tiny").with_settings(settings)).eval()
    torch.nn.init.normal_(vae.encoder.out.weight, std=0.3)  # codes that matter
    return vae


def music(vae: VAE):
    return batch_of(vae.preset, chorale_song(bars=6), chorale_song(bars=5, pickup=1, meter=(3, 4)))


def noisy(vae: VAE, batch) -> torch.Tensor:
    return torch.randn(len(batch.notes), vae.Z, generator=torch.Generator().manual_seed(1))


# -- formulas -------------------------------------------------------------------------------------


def test_vae_with_beta_one_is_reconstruction_plus_kl() -> None:
    vae = model()
    batch = music(vae)
    noise = noisy(vae, batch)
    terms, posterior = compute_loss_terms(vae, batch, noise)
    z = posterior.mu + posterior.sigma * noise
    kl = torch.distributions.kl_divergence(
        torch.distributions.Normal(posterior.mu, posterior.sigma),
        torch.distributions.Normal(0.0, 1.0),
    ).sum(1)
    wanted = (vae.loss(batch, z).total + kl).mean()
    torch.testing.assert_close(terms.loss(1.0), wanted, rtol=1e-4, atol=1e-3)
    assert terms.kl.mean() > 1 and terms.loss(2.0) > terms.loss(1.0)


@pytest.mark.parametrize("name", ["ae", "dae"])
def test_an_autoencoder_has_a_point_no_noise_and_no_bits(name: str) -> None:
    vae = model(f"training.objective={name}")
    batch = music(vae)
    terms, posterior = compute_loss_terms(vae, batch, noisy(vae, batch))
    still, _ = compute_loss_terms(vae, batch, 100 * noisy(vae, batch))
    assert torch.equal(terms.notes.total, still.notes.total)
    assert (posterior.sigma == 0).all() and (terms.kl == 0).all()
    assert torch.equal(terms.loss(1.0), vae.loss(batch, posterior.mu).total.mean())
    terms.loss(1.0).backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in vae.parameters())


def test_what_is_heard_decides_the_code_and_what_is_meant_the_loss() -> None:
    vae = model("training.objective=dae")
    batch = music(vae)
    heard = corrupt_batch(batch, vae.preset, np.random.default_rng(0))
    terms, posterior = compute_loss_terms(vae, batch, noisy(vae, batch), heard)
    assert torch.equal(posterior.mu, vae.encode(heard).mu)
    assert not torch.equal(posterior.mu, vae.encode(batch).mu)
    assert torch.equal(terms.notes.total, vae.loss(batch, posterior.mu).total)


# -- the roll -------------------------------------------------------------------------------------


def by_hand(rows: np.ndarray, vae: VAE, batch) -> np.ndarray:
    """Onset and sustain planes `(B, 2, cells, R, P)` over open cells, note after note."""
    lay, B = vae.layout, len(batch.notes)
    open_ = lay.open_steps(batch).flatten(1).numpy()
    planes = np.zeros((B, 2, int(open_.sum(1).max()), lay.parts, lay.pitches))
    for window, bar, position, part, pitch, duration, *_ in rows.tolist():
        at = bar * lay.max_steps + max(position - 1, int(batch.lead[window, bar]))
        start = int(open_[window, :at].sum())
        key = pitch - lay.lowest
        for cell in range(start, start + duration):
            plane = 0 if cell == start and position else 1
            planes[window, plane, cell, part, key] = 1
    return planes


def test_squared_error_is_the_distance_of_two_rolls() -> None:
    """`||x - x'||^2`, with x written note by note and x' as the decoder gives it."""
    vae = model("model.decoder=roll", "model.loss=squared", "training.objective=ae")
    torch.nn.init.normal_(vae.decoder.out.weight, std=0.3)
    batch = music(vae)
    z = noisy(vae, batch)
    packing = QuarterPacking.of(batch, vae.layout)
    said = vae.decoder.planes(vae.latent_slices(z), batch, packing).detach()  # (B, L*steps, R, 2, P)
    open_ = packing.pack(vae.layout.open_steps(batch)).bool().flatten(1)
    truth = by_hand(to_note_rows(batch), vae, batch)
    for window in range(len(z)):
        mine = said[window][open_[window]].permute(2, 0, 1, 3).numpy()  # (2, cells, R, P)
        wanted = float(((mine - truth[window, :, : mine.shape[1]]) ** 2).sum())
        assert float(vae.loss(batch, z).total[window].detach()) == pytest.approx(wanted, rel=1e-4)


@pytest.mark.parametrize("loss", ["squared", "cross-entropy"])
def test_a_perfect_roll_is_the_notes_themselves(loss: str) -> None:
    """Notes -> planes -> notes, with carry-ins, ties over bar lines and repeated notes."""
    vae = model("model.decoder=roll", f"model.loss={loss}")
    batch = music(vae)
    rows = to_note_rows(batch)
    rows[:, 5] += rows[:, 5] % 3  # some last on; overlaps of one pitch are cut below
    batch = corrupt_batch(with_notes(batch, torch.from_numpy(rows)), vae.preset,
                      np.random.default_rng(0), kind="dropped", amount=0.1)  # fmt: skip
    assert (batch.notes[..., 1] == 0).any()
    packing = QuarterPacking.of(batch, vae.layout)
    planes = vae.decoder.target(batch, packing)
    if loss == "cross-entropy":
        planes = (planes - 0.5) * 20
    found = vae.decoder.notes(planes, without_notes(batch), packing, 0.0, torch.Generator())
    wanted = to_note_rows(batch)
    wanted[:, 6:] = 0  # a roll tells neither velocity nor microtiming
    assert np.array_equal(found.numpy(), wanted)


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
        (["training.objective=ae", "training.corruption=wrong"], "choose dae"),
        (["training.corruption=rust"], "one of auto, none, mixed, wrong"),
        (["training.corruption_amount=1.5"], "0 to 1"),
    ],
)
def test_what_does_not_go_together_is_said(settings: list[str], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        load_preset("tiny").with_settings(settings)


def test_auto_is_a_transcription_for_dae_and_nothing_for_others() -> None:
    noise = {
        name: load_preset("tiny").with_settings([f"training.objective={name}"]).training.noise
        for name in ("ae", "dae", "vae")
    }
    assert noise == {"ae": "none", "dae": "transcription", "vae": "none"}


# -- runs -----------------------------------------------------------------------------------------


def test_what_is_heard_is_a_function_of_seed_and_step_on_any_number_of_ranks(tmp_path) -> None:
    preset = load_preset("tiny").with_settings(["training.corruption=wrong"])
    windows = WindowDataset(Shards(prepare_cached(corpus_folder(tmp_path / "midi", n=6))), preset)
    one = {"batch": 16, "seed": 3, "key_jitter": 0.5}
    lesson = BatchSampler(windows, **one).lesson(4)
    again = BatchSampler(windows, **one, start=2).lesson(4)
    assert torch.equal(lesson.heard.notes, again.heard.notes)
    assert not torch.equal(rows(lesson.heard), rows(lesson.batch))
    assert torch.equal(lesson.batch.notes, BatchSampler(windows, **one).at(4).notes)
    for rank in range(2):
        mine = BatchSampler(windows, **one, rank=rank, world=2).lesson(4)
        assert torch.equal(mine.heard.notes, lesson.heard.notes[rank::2])
        assert torch.equal(mine.batch.notes, lesson.batch.notes[rank::2])
    plain = replace(preset, training=replace(preset.training, corruption="none"))
    assert BatchSampler(WindowDataset(windows_folder(tmp_path), plain), **one).lesson(4).heard is None


def rows(batch) -> torch.Tensor:
    return torch.from_numpy(to_note_rows(batch))


def windows_folder(tmp_path):
    return tmp_path / "midi"


def test_a_dae_run_tells_f1_before_and_after(tmp_path, monkeypatch) -> None:
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
    # What holds of a model holds of this one; bits are not told, since there are none.
    hymn = chorale_song(bars=5)
    encoding = MusicVAE.load("tiny").encode(hymn)
    assert math.isnan(encoding.kl_bits)
    write(hymn, "hymn.mid")
    told = CliRunner().invoke(
        main, ["reconstruct", "hymn.mid", "--checkpoint", "tiny", "--out", "out", "--json"]
    )
    assert told.exit_code == 0 and json.loads(told.stdout)["kl_bits"] is None
    plain = CliRunner().invoke(
        main, ["reconstruct", "hymn.mid", "--checkpoint", "tiny", "--out", "again"]
    )
    assert "bits" not in plain.stdout and "nan" not in plain.stdout
    info = CliRunner().invoke(main, ["info", "tiny"])
    assert "dae, transcription notes 0.3\n" in info.stdout


def test_a_resumed_run_keeps_its_objective() -> None:
    done = CliRunner().invoke(main, ["train", ".", "--resume", "--objective", "ae"])
    assert done.exit_code == 2 and "keeps its preset" in done.stderr


def test_a_vae_may_hear_noise_too_and_then_has_bits_and_both_f1(tmp_path) -> None:
    vae = VAE(tiny().with_settings(["training.corruption=dropped"])).eval()
    windows = WindowDataset(corpus_folder(tmp_path, n=4), vae.preset, split="all")
    scores = validate(vae, windows)
    assert {"kl_bits", "f1_sampled", "f1_denoised"} <= set(scores)
    assert 0.7 < scores["f1_noisy"] < 0.9  # 30% of the notes are missing: 2 * .7 / 1.7
    clean = validate(model(), windows)
    assert "f1_noisy" not in clean and clean["kl_bits"] * NATS_PER_BIT > 1
