"""Dimensions of the latent that follow attributes while a model learns."""

from __future__ import annotations

import csv
import math

import numpy as np
import pytest
import torch

from musicvae import MusicVAE
from musicvae.attributes import measured
from musicvae.config.preset import load_preset
from musicvae.data import Windows
from musicvae.errors import ConfigError
from musicvae.networks.vae import table_of_batch
from musicvae.training import train
from musicvae.training.attribute_regularization import (
    checked_attributes,
    disorder,
    following,
    values_of,
)
from musicvae.training.sampler import Steps
from support.songs import corpus_folder

TINY = load_preset("tiny")
SET = ['training.attributes=["density", "register"]', "training.batch=64"]


def test_order_costs_nothing_one_place_one_and_the_wrong_order_two() -> None:
    values = torch.tensor([[1.0], [5.0], [3.0]])
    assert disorder(values * 100, values) == pytest.approx(0, abs=1e-5)
    # Of the nine pairs three are of a window with itself, and cost nothing.
    assert disorder(values * 0, values) == pytest.approx(6 / 9)
    assert disorder(-values * 100, values) == pytest.approx(12 / 9)
    both = disorder(torch.cat([values, -values], 1) * 100, values.expand(-1, 2))
    assert both == pytest.approx(12 / 9)


def test_a_window_without_the_attribute_does_not_count() -> None:
    dimensions = torch.tensor([[0.0], [9.0], [99.0]], requires_grad=True)
    loss = disorder(dimensions, torch.tensor([[math.nan], [2.0], [1.0]]))
    assert loss.item() == pytest.approx(4 / 4)  # of four pairs two are in the wrong order
    loss.backward()
    assert dimensions.grad is not None and dimensions.grad[0] == 0
    assert torch.isfinite(dimensions.grad).all()
    assert disorder(dimensions, torch.full((3, 1), math.nan)) == 0


def test_a_dimension_is_the_mean_over_the_slices_that_are_there() -> None:
    mu = torch.tensor([[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], [1.0, 2.0, 3.0, 0.0, 0.0, 0.0]])
    assert following(mu, 2, 2).tolist() == [[2.5, 3.5], [1.0, 2.0]]


def test_what_cannot_be_followed_is_said() -> None:
    for settings, words in (
        (['training.attributes=["densty"]'], "did you mean"),
        (['training.attributes=["velocity"]'], "does not model velocity"),
        (['training.attributes=["density", "range"]', "model.latent=1"], "1 dimensions"),
    ):
        with pytest.raises(ConfigError, match=words):
            checked_attributes(TINY.with_settings(settings))
    with pytest.raises(ConfigError, match="different from each other"):
        TINY.with_settings(['training.attributes=["density", "density"]'])
    with pytest.raises(ConfigError, match="attribute_weight"):
        TINY.with_settings(["training.attribute_weight=0"])
    assert checked_attributes(TINY) == ()


def test_a_lesson_has_the_attributes_of_what_is_meant(tmp_path) -> None:
    corpus_folder(tmp_path / "midi", n=6, bars=6)
    noisy = TINY.with_settings([*SET, "training.objective=dae", "training.batch=8"])
    steps = Steps(Windows(tmp_path / "midi", noisy), batch=8, seed=0, key_jitter=0.0)
    lesson = steps.lesson(2)
    assert lesson.heard is not None and lesson.values is not None
    expected = measured(table_of_batch(lesson.batch, noisy), noisy.meters, ["density", "register"])
    np.testing.assert_allclose(lesson.values, expected, rtol=1e-6)
    assert values_of(lesson.batch, TINY) is None


def test_a_model_learns_to_put_windows_in_order(tmp_path) -> None:
    """The same run with and without: how well one dimension alone tells its attribute."""
    corpus_folder(tmp_path / "midi", n=14, bars=8)
    found = {}
    for name, settings in (("plain", ["training.batch=64"]), ("ordered", SET)):
        preset = TINY.with_settings([*settings, "training.part_dropout=0.5"])
        train(tmp_path / "midi", preset, tmp_path / name, steps=120)
        model = MusicVAE.load(tmp_path / name)
        windows = Windows(tmp_path / "midi", preset)
        batch = windows.batch(np.arange(len(windows)))
        dimension = following(torch.from_numpy(model.means(batch)), model.vae.encoder.slices, 2)
        values = measured(table_of_batch(batch, preset), preset.meters, ["density", "register"])
        ranks = [x.argsort(0).argsort(0) for x in (dimension.numpy(), values)]
        found[name] = [np.corrcoef(ranks[0][:, i], ranks[1][:, i])[0, 1] for i in range(2)]
    assert min(found["ordered"]) > 0.7 > np.abs(found["plain"]).min()
    rows = list(csv.DictReader((tmp_path / "ordered" / "metrics.csv").read_text().splitlines()))
    assert 0 < float(rows[-1]["train_disorder"]) < 2
    assert "train_disorder" not in (tmp_path / "plain" / "metrics.csv").read_text()
