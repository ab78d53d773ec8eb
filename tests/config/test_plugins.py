"""Encoders, objectives, priors and corruptions of other packages."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import musicvae
from musicvae import MusicVAE
from musicvae.checkpoints import load_tensors
from musicvae.config import plugins
from musicvae.config.preset import load_preset
from musicvae.data.corruption import delete_notes
from musicvae.errors import ConfigError
from musicvae.networks.losses import LossTerms
from musicvae.training import train
from support.songs import chorale_song, corpus_folder

ENCODER = '''
"""An encoder of another package: each slice is a sum of embeddings of its notes."""

import torch
from torch import nn

import musicvae
from musicvae.networks.layers import Layout, NoteIndex


@musicvae.register("encoder", "bag-of-notes")
class BagOfNotes(nn.Module):
    def __init__(self, preset):
        super().__init__()
        config = preset.model
        self.layout = Layout.from_preset(preset)
        self.n_slices = self.layout.n_slices(config)
        self.pitch = nn.Embedding(self.layout.n_parts * self.layout.n_pitches, config.width)
        self.step = nn.Embedding(self.layout.Q * self.layout.steps_per_quarter, config.width)
        self.out = nn.Sequential(
            nn.LayerNorm(config.width),
            nn.Linear(config.width, config.width),
            nn.SiLU(),
            nn.Linear(config.width, 2 * config.latent),
        )

    def forward(self, batch):
        layout, notes = self.layout, NoteIndex.from_batch(batch, self.layout)
        steps = layout.Q * layout.steps_per_quarter
        note = self.pitch(notes.part * layout.n_pitches + notes.pitch) + self.step(notes.step)
        note = torch.tanh(note) * notes.valid[..., None]
        which = notes.step * self.n_slices // steps
        x = note.new_zeros(len(note), self.n_slices, note.shape[-1])
        x = x.scatter_add(1, which[..., None].expand_as(note), note)
        mu, logvar = self.out(x).float().chunk(2, -1)
        real = layout.unmasked_steps(batch).reshape(len(x), self.n_slices, -1).any(-1)
        return mu * real[..., None], (logvar - 3).clamp(-9, 1) * real[..., None]
'''


@pytest.fixture
def installed(tmp_path: Path) -> dict[str, str]:
    """The environment of a process in which a package with the encoder is installed."""
    site = tmp_path / "site"
    (site / "bag-1.0.dist-info").mkdir(parents=True)
    (site / "bag.py").write_text(ENCODER)
    (site / "bag-1.0.dist-info" / "METADATA").write_text("Name: bag\nVersion: 1.0\n")
    (site / "bag-1.0.dist-info" / "entry_points.txt").write_text("[musicvae.plugins]\nbag = bag\n")
    return os.environ | {"PYTHONPATH": f"{site}{os.pathsep}{Path(musicvae.__file__).parents[1]}"}


@pytest.fixture(autouse=True)
def forget(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test registers is forgotten after it."""
    monkeypatch.setattr(plugins, "_registered", {})


def command(environment: dict[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    code = [sys.executable, "-m", "musicvae", *words]
    return subprocess.run(code, env=environment, capture_output=True, text=True, check=False)


def test_encoder_of_another_package_is_trained_saved_and_loaded(
    installed, tmp_path, monkeypatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert len(ENCODER.strip().splitlines()) <= 40
    corpus_folder(tmp_path / "midi", n=10, bars=4)
    words = ("--preset", "tiny", "--set", "model.encoder=bag-of-notes", "--steps", "3")
    for line in (
        ("train", "midi", *words, "--name", "mine"),
        ("info", "mine"),
        ("reconstruct", "midi/song-00.mid", "--checkpoint", "mine", "--out", "out"),
        ("sample", "--n", "1", "--bars", "2", "--checkpoint", "mine", "--out", "out"),
    ):
        done = command(installed, *line)
        assert done.returncode == 0, done.stderr
    assert len(list(Path("out").glob("*.mid"))) == 2
    without = command(dict(os.environ), "info", "mine")
    assert without.returncode == 1 and "Traceback" not in without.stderr
    assert "model.encoder must be one of linear, recurrent, or that of a plug-in" in without.stderr


def test_module_named_by_the_environment_is_loaded(installed, tmp_path) -> None:
    environment = installed | {"MUSICVAE_PLUGINS": "bag, nowhere"}
    done = command(environment, "train", ".", "--preset", "tiny", "--set", "model.encoder=other")
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert "plug-in nowhere: cannot be loaded (ModuleNotFoundError" in done.stderr


def test_objective_corruption_and_prior_of_other_packages(tmp_path) -> None:
    corpus_folder(tmp_path / "midi", n=10, bars=4)
    calls = []

    @musicvae.register("objective", "half-kl")
    def half_kl(vae, batch, noise, encoder_input=None):
        calls.append(encoder_input is not None)
        posterior = vae.encode(batch if encoder_input is None else encoder_input)
        notes = vae.loss(batch, posterior.sample(noise))
        return LossTerms(notes, 0.5 * posterior.kl().sum(1)), posterior

    @musicvae.register("corruption", "thinning")
    def thinning(rows, grid, amount, rng):
        return delete_notes(rows, grid, 0.5 * amount, rng)

    @musicvae.register("prior", "mean-and-deviation")
    class Diagonal:
        def __init__(self, mean, std):
            self.mean, self.std = mean, std

        @classmethod
        def fit(cls, paths, preset):
            mu = paths.mu.astype(np.float32)
            return cls(mu.mean(0), mu.std(0))

        @classmethod
        def from_tensors(cls, tensors):
            return cls(tensors["mean"].numpy(), tensors["std"].numpy())

        def tensors(self):
            return {"mean": self.mean, "std": self.std}

        def sample(self, conditioning, *, temperature=1.0, rng, **others):
            shape = (*conditioning.valid.shape[:2], len(self.mean))
            noise = rng.standard_normal(shape).astype(np.float32)
            return self.mean + temperature * self.std * noise

    settings = ["training.objective=half-kl", "training.corruption=thinning"]
    preset = load_preset("tiny").with_settings([*settings, "prior.kind=mean-and-deviation"])
    result = train(tmp_path / "midi", preset, tmp_path / "run", steps=3)
    assert calls[-3:] == [True] * 3  # steps; the pace was measured before
    assert "prior.mean-and-deviation::mean" in load_tensors(result.model)[0]
    model = MusicVAE.load(result.model)
    assert isinstance(model.prior, Diagonal)
    assert len(model.sample(2, bars=4)) == 2
    assert model.reconstruct(chorale_song(bars=4)).duration_s > 0


def test_decoder_of_another_package(tmp_path) -> None:
    from musicvae.networks.cell_decoder import CellDecoder

    @musicvae.register("decoder", "mine")
    class Mine(CellDecoder):
        pass

    corpus_folder(tmp_path / "midi", n=10, bars=4)
    preset = load_preset("tiny").with_settings(["model.decoder=mine"])
    model = MusicVAE.load(train(tmp_path / "midi", preset, tmp_path / "run", steps=2).model)
    assert isinstance(model.vae.decoder, Mine)


def test_invalid_plugins_are_errors() -> None:
    for kind, name in (("layer", "a"), ("encoder", ""), ("encoder", "Two words")):
        with pytest.raises(ConfigError, match="plug-in"):
            musicvae.register(kind, name)
    musicvae.register("encoder", "one")(torch.nn.Linear)
    musicvae.register("encoder", "one")(torch.nn.Linear)  # its module was imported again
    with pytest.raises(ConfigError, match="registered already"):
        musicvae.register("encoder", "one")(torch.nn.Conv1d)
    with pytest.raises(ConfigError, match=r"encoder 'two': no such plug-in"):
        plugins.plugin("encoder", "two")
    for setting in ("model.encoder=two", "prior.kind=two", "training.corruption=two"):
        with pytest.raises(ConfigError, match="or that of a plug-in which is installed"):
            load_preset("tiny").with_settings([setting])


def test_lightning_callbacks_and_loggers_pass_through(tmp_path, monkeypatch) -> None:
    import pytorch_lightning as pl
    from pytorch_lightning.loggers import CSVLogger

    class Counter(pl.Callback):
        steps = 0

        def on_train_batch_end(self, trainer, module, outputs, batch, batch_idx) -> None:
            self.steps += 1

    corpus_folder(tmp_path / "midi", n=10, bars=4)
    counter, preset = Counter(), load_preset("tiny")
    loggers = [CSVLogger(tmp_path / "logs", name="", version="a")]
    train(tmp_path / "midi", preset, tmp_path / "a", steps=3, callbacks=[counter], logger=loggers)
    assert counter.steps == 3 and list((tmp_path / "logs").rglob("*.csv"))
    train(tmp_path / "midi", preset, tmp_path / "b", steps=2, logger="csv")
    assert "valid_f1" in (tmp_path / "b" / "csv" / "metrics.csv").read_text()
    assert not (tmp_path / "b" / "tensorboard").exists()
    monkeypatch.setattr("musicvae.config.training.find_spec", lambda name: None)
    for logger, message in (("wand", "not one of"), ("wandb", "not installed")):
        with pytest.raises(ConfigError, match=f"--logger {logger}: {message}"):
            train(tmp_path / "midi", preset, tmp_path / "c", steps=1, logger=logger)
