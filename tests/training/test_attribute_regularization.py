"""Attribute regularization of latent dimensions."""

from __future__ import annotations

import csv
import math

import numpy as np
import pytest
import torch

from musicvae import MusicVAE
from musicvae.attributes import window_attributes
from musicvae.config.preset import load_preset
from musicvae.data import WindowDataset
from musicvae.errors import ConfigError
from musicvae.networks.vae import to_note_table
from musicvae.training import train
from musicvae.training.attribute_regularization import (
    ar_vae_loss,
    batch_attributes,
    regularized_dims,
    validate_attributes,
)
from musicvae.training.sampler import BatchSampler
from support.songs import corpus_folder

TINY = load_preset("tiny")
SET = ['training.attributes=["density", "register"]', "training.batch=64"]


def test_loss_of_correct_order_no_order_and_reverse_order() -> None:
    values = torch.tensor([[1.0], [5.0], [3.0]])
    assert ar_vae_loss(values * 100, values) == pytest.approx(0, abs=1e-5)
    # Three of the nine pairs are of a window with itself and have no loss.
    assert ar_vae_loss(values * 0, values) == pytest.approx(6 / 9)
    assert ar_vae_loss(-values * 100, values) == pytest.approx(12 / 9)
    both = ar_vae_loss(torch.cat([values, -values], 1) * 100, values.expand(-1, 2))
    assert both == pytest.approx(12 / 9)


def test_window_without_the_attribute_is_ignored() -> None:
    dimensions = torch.tensor([[0.0], [9.0], [99.0]], requires_grad=True)
    loss = ar_vae_loss(dimensions, torch.tensor([[math.nan], [2.0], [1.0]]))
    assert loss.item() == pytest.approx(4 / 4)  # two of four pairs are in the wrong order
    loss.backward()
    assert dimensions.grad is not None and dimensions.grad[0] == 0
    assert torch.isfinite(dimensions.grad).all()
    assert ar_vae_loss(dimensions, torch.full((3, 1), math.nan)) == 0


def test_dimension_is_the_mean_over_real_slices() -> None:
    mu = torch.tensor([[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], [1.0, 2.0, 3.0, 0.0, 0.0, 0.0]])
    assert regularized_dims(mu, 2, 2).tolist() == [[2.5, 3.5], [1.0, 2.0]]


def test_invalid_attributes_are_refused() -> None:
    for settings, words in (
        (['training.attributes=["densty"]'], "did you mean"),
        (['training.attributes=["velocity"]'], "does not model velocity"),
        (['training.attributes=["density", "range"]', "model.latent=1"], "1 dimensions"),
    ):
        with pytest.raises(ConfigError, match=words):
            validate_attributes(TINY.with_settings(settings))
    with pytest.raises(ConfigError, match="different from each other"):
        TINY.with_settings(['training.attributes=["density", "density"]'])
    with pytest.raises(ConfigError, match="attribute_weight"):
        TINY.with_settings(["training.attribute_weight=0"])
    assert validate_attributes(TINY) == ()


def test_example_has_the_attributes_of_the_clean_batch(tmp_path) -> None:
    corpus_folder(tmp_path / "midi", n=6, bars=6)
    noisy = TINY.with_settings([*SET, "training.objective=dae", "training.batch=8"])
    steps = BatchSampler(
        WindowDataset(tmp_path / "midi", noisy), batch_size=8, seed=0, key_jitter=0.0
    )
    example = steps.example(2)
    assert example.corrupted is not None and example.attributes is not None
    expected = window_attributes(
        to_note_table(example.batch, noisy), noisy.meters, ["density", "register"]
    )
    np.testing.assert_allclose(example.attributes, expected, rtol=1e-6)
    assert batch_attributes(example.batch, TINY) is None


def test_training_orders_windows_by_attribute(tmp_path, monkeypatch) -> None:
    """Rank correlation of a dimension with its attribute, with and without regularization."""
    monkeypatch.setattr("musicvae.training.schedule.N_VALIDATIONS", 2)
    corpus_folder(tmp_path / "midi", n=14, bars=8)
    found = {}
    for name, settings in (("plain", ["training.batch=64"]), ("ordered", SET)):
        preset = TINY.with_settings([*settings, "training.part_dropout=0.5"])
        train(tmp_path / "midi", preset, tmp_path / name, steps=120)
        model = MusicVAE.load(tmp_path / name)
        windows = WindowDataset(tmp_path / "midi", preset)
        batch = windows.batch(np.arange(len(windows)))
        dimension = regularized_dims(
            torch.from_numpy(model.posterior_means(batch)), model.vae.encoder.n_slices, 2
        )
        values = window_attributes(
            to_note_table(batch, preset), preset.meters, ["density", "register"]
        )
        ranks = [x.argsort(0).argsort(0) for x in (dimension.numpy(), values)]
        found[name] = [np.corrcoef(ranks[0][:, i], ranks[1][:, i])[0, 1] for i in range(2)]
    assert min(found["ordered"]) > 0.7 > np.abs(found["plain"]).min()
    rows = list(csv.DictReader((tmp_path / "ordered" / "metrics.csv").read_text().splitlines()))
    assert 0 < float(rows[-1]["train_disorder"]) < 2
    assert "train_disorder" not in (tmp_path / "plain" / "metrics.csv").read_text()
