"""Precision, devices, accumulated gradients, and runs of several processes."""

from __future__ import annotations

import csv
import os
import subprocess
import sys

import numpy as np
import pytest
import torch

from musicvae import MusicVAE
from musicvae.checkpoints import MODEL_FILE, STATE_FILE, load_tensors
from musicvae.config.preset import load_preset
from musicvae.data import WindowDataset
from musicvae.errors import ConfigError
from musicvae.networks.devices import autocast, compile_blocks, pick_precision
from musicvae.networks.losses import compute_loss_terms, deterministic_noise
from musicvae.networks.vae import VAE
from musicvae.training import train
from musicvae.training.distributed import (
    broadcast_choice,
    process_group_scope,
    processes_and_nodes,
    rank,
)
from musicvae.training.sampler import BatchSampler
from support.songs import corpus_folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return corpus_folder(tmp_path_factory.mktemp("midi"), n=12, bars=6)


@pytest.fixture
def preset():
    return load_preset("tiny")


@pytest.fixture
def single_process(monkeypatch):
    """Remove the environment variables of a distributed run."""
    for name in ("RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "TORCHELASTIC_RUN_ID"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


@pytest.mark.parametrize("decoder", ["cells", "list"])
@pytest.mark.parametrize("precision", ["bf16-mixed", "16-mixed"])
def test_half_precision_losses_match_full_precision(folder, preset, decoder, precision) -> None:
    """Within 2% for the notes and for the KL; both are float32 in any precision."""
    preset = preset.with_settings([f"model.decoder={decoder}"])
    torch.manual_seed(0)
    vae, batch = VAE(preset), WindowDataset(folder, preset).batch(range(24))
    noise = deterministic_noise(0, 0, (24, vae.Z))
    full, _ = compute_loss_terms(vae, batch, noise)
    with autocast(torch.device("cpu"), precision):
        half, posterior = compute_loss_terms(vae, batch, noise)
    assert posterior.mu.dtype == half.kl.dtype == half.notes.total.dtype == torch.float32
    assert not torch.equal(half.notes.total, full.notes.total)
    torch.testing.assert_close(half.notes.total, full.notes.total, rtol=0.02, atol=0.05)
    torch.testing.assert_close(half.kl, full.kl, rtol=0.02, atol=0.05)


def test_pick_precision() -> None:
    assert pick_precision("32-true", "cpu") == "32-true"
    assert pick_precision("auto", "cpu") in ("32-true", "bf16-mixed")
    with pytest.raises(
        ConfigError, match=r"16-mixed: .* the device is cpu; use bf16-mixed"
    ) as refused:
        pick_precision("16-mixed", "cpu")
    assert "\n" not in str(refused.value)


def test_checkpoint_of_half_precision_run_loads_in_float32(folder, preset, tmp_path) -> None:
    run = tmp_path / "run"
    train(folder, preset, run, steps=3, device="cpu", precision="bf16-mixed")
    for name in (MODEL_FILE, STATE_FILE):
        tensors, header = load_tensors(run / name)
        assert {t.dtype for t in tensors.values()} <= {torch.float32, torch.int64, torch.uint8}
        assert "cpu" not in str(header)  # no trace of the device
    model = MusicVAE.load(run / MODEL_FILE, device="cpu")
    assert model.provenance["precision"] == "bf16-mixed"
    assert all(p.dtype == torch.float32 for p in model.vae.parameters())
    assert len(model.sample(2, bars=2)) == 2
    again = train(folder, preset, run, steps=5, resume=True, device="cpu", precision="32-true")
    assert again.steps == 5


def test_microbatches_partition_the_batch(folder, preset) -> None:
    windows = WindowDataset(folder, preset)
    kwargs = {"seed": 3, "key_jitter": 0.5}
    whole = BatchSampler(windows, batch_size=16, **kwargs).batch(2)
    pieces = BatchSampler(windows, batch_size=8, accumulate=2, rank=1, world=2, **kwargs)
    for micro in range(2):
        assert torch.equal(pieces.batch(2, micro).key, whole.key[2 * micro + 1 :: 4])
    row = iter(pieces)
    for step, micro in ((0, 0), (0, 1), (1, 0)):
        assert torch.equal(next(row).batch.notes, pieces.batch(step, micro).notes)


def curve(run) -> np.ndarray:
    """Return the losses of a run at each validation."""
    rows = list(csv.DictReader((run / "metrics.csv").read_text().splitlines()))
    names = ("step", "train_loss", "train_kl_bits", "beta", "valid_loss", "valid_kl_bits")
    return np.array([[float(row[name]) for name in names] for row in rows])


def test_accumulated_gradients_equal_a_larger_batch(folder, preset, tmp_path) -> None:
    kwargs = {"steps": 8, "device": "cpu", "precision": "32-true"}
    train(folder, preset, tmp_path / "whole", **kwargs)
    micro = preset.with_settings(["training.batch=4", "training.accumulate=4"])
    result = train(folder, micro, tmp_path / "micro", **kwargs)
    assert result.steps == 8
    whole, parts = curve(tmp_path / "whole"), curve(tmp_path / "micro")
    np.testing.assert_allclose(parts, whole, rtol=1e-3)


def test_accumulating_run_resumes_exactly(folder, preset, tmp_path) -> None:
    import signal

    def stop(module) -> None:
        if module.schedule.step == 3:
            signal.raise_signal(signal.SIGINT)

    micro = preset.with_settings(["training.batch=8", "training.accumulate=2"])
    train(folder, micro, tmp_path / "whole", steps=6)
    parted = train(folder, micro, tmp_path / "parted", steps=6, on_step=stop)
    assert parted.interrupted and parted.steps == 3
    train(folder, micro, tmp_path / "parted", steps=6, resume=True)
    one, other = (load_tensors(tmp_path / n / STATE_FILE)[0] for n in ("whole", "parted"))
    assert one.keys() == other.keys() and all(torch.equal(one[n], other[n]) for n in one)


def test_compile_failure_is_reported_in_one_line(preset, monkeypatch) -> None:
    def broken(*args: object, **kwargs: object) -> object:
        raise RuntimeError("No working C++ compiler found\nand a long story")

    monkeypatch.setattr(torch, "compile", broken)
    vae = VAE(preset)
    assert compile_blocks(vae, "cpu") == "No working C++ compiler found"


def test_rank_and_process_counts(single_process) -> None:
    assert rank() == 0 and processes_and_nodes(2) == (2, 1)
    single_process.setenv("LOCAL_RANK", "1")
    assert rank() == 1
    for name, value in (("RANK", "5"), ("LOCAL_WORLD_SIZE", "4"), ("WORLD_SIZE", "8")):
        single_process.setenv(name, value)
    single_process.setenv("TORCHELASTIC_RUN_ID", "x")
    assert rank() == 5 and processes_and_nodes(1) == (4, 2)


def test_first_process_chooses_and_environment_is_restored(single_process) -> None:
    before = dict(os.environ)
    with process_group_scope():
        assert broadcast_choice(lambda: "mine") == "mine"
        os.environ["LOCAL_RANK"] = "1"  # as Lightning sets it for the process that it starts
        assert broadcast_choice(lambda: "other") == "mine"
        os.environ["MASTER_PORT"] = "1234"
    assert dict(os.environ) == before


@pytest.mark.slow
def test_two_processes_train_like_one(folder, tmp_path, single_process) -> None:
    """Two gloo processes of half the batch each, started by Lightning and by torchrun: the same
    losses as one within 0.1%, and output and files from the first process only.
    """
    learn = ["-m", "musicvae", "train", str(folder), "--preset", "tiny", "--steps", "12"]
    learn += ["--device", "cpu", "--precision", "32-true", "--from", "scratch", "--json"]
    torchrun = ["-m", "torch.distributed.run", "--nproc-per-node", "2"]
    commands = {
        "one": learn,
        "lightning": [*learn, "--devices", "2"],
        "torchrun": [*torchrun, *learn],
    }
    for name, command in commands.items():
        (tmp_path / name).mkdir()
        done = subprocess.run(
            [sys.executable, *command],
            cwd=tmp_path / name,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert done.stderr.count("done after 12 steps") == 1
        assert done.stdout.count('"kind": "trained"') == 1
        assert [p.name for p in (tmp_path / name / "checkpoints").iterdir()] == ["tiny"]
    curves = {name: curve(tmp_path / name / "checkpoints" / "tiny") for name in commands}
    assert len(curves["one"]) == 12
    for name in ("lightning", "torchrun"):
        np.testing.assert_allclose(curves[name], curves["one"], rtol=1e-3)
