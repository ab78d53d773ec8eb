"""`musicvae evaluate` from end to end, and what it judges with."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result
from matplotlib.image import imread

from musicvae import MusicVAE, Windows
from musicvae.cli import main
from musicvae.config.preset import load_preset
from musicvae.evaluation import evaluate, text
from musicvae.evaluation.window_sets import alike, sample_windows
from musicvae.networks.vae import frame_of, with_notes
from musicvae.training import train
from musicvae.training.validation import free_running, reconstructed, table_of
from support.songs import corpus_folder


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Songs and a tiny model of notes that hear one another."""
    folder = tmp_path_factory.mktemp("work")
    corpus_folder(folder / "midi", n=40, bars=6)
    preset = load_preset("tiny").with_settings(["model.decoder=list"])
    train(folder / "midi", preset, folder / "checkpoints" / "tiny", steps=30)
    return folder


def run(place: Path, *words: object) -> Result:
    name = str(place / "checkpoints" / "tiny")
    return CliRunner().invoke(main, ["evaluate", name, *(str(word) for word in words)])


def finite(value: object) -> bool:
    if isinstance(value, dict):
        return all(finite(each) for each in value.values())
    return not isinstance(value, float) or math.isfinite(value)


def test_one_line_of_json_with_every_figure_and_a_picture(place: Path, tmp_path: Path) -> None:
    picture = tmp_path / "figures.png"
    report = tmp_path / "figures.html"
    options = ("--seed", 1, "--json", "--plot", picture, "--report", report)
    result = run(place, place / "midi", *options)
    assert result.exit_code == 0, result.output
    line, drawn, told = result.stdout.splitlines()
    assert json.loads(drawn)["kind"] == "plot" and json.loads(drawn)["path"] == str(picture)
    assert json.loads(told)["path"] == str(report) and json.loads(told)["songs"] == 4
    page = report.read_text("utf-8")
    assert page.count("<article") == 4 and page.count("<table") >= 3 and "teacher forced" in page
    # A page is sent on: it says nothing of where things lay.
    assert str(place) not in page and "tiny (" in page and ") on midi, seed 1" in page
    found = json.loads(line)
    assert found["schema"] == 1 and found["path"].endswith("model.safetensors")
    assert found["split"] == "test" and found["seed"] == 1 and found["windows"] > 0
    scores = found["reconstruction"]
    assert set(scores) == {"mean", "sampled", "teacher_forced", "hold"}
    assert 0 < scores["mean"]["step_accuracy"] < 1 and scores["mean"]["f1_velocity"] is None
    weighed, compared = found["likelihood"], found["comparison"]
    assert weighed["importance_bound"] <= weighed["negative_elbo"]
    nats = sum(weighed["nats"].values()) + weighed["kl_bits"] * math.log(2)
    assert nats == pytest.approx(weighed["negative_elbo"], rel=1e-4)
    assert compared["auc"]["random"] > 0.8
    assert compared["mean_overlap"]["random"] < compared["mean_overlap"]["train"]
    assert set(compared["oddities"]) == {*compared["auc"], "test"}
    assert finite(weighed) and finite(compared["means"])
    image = imread(picture)
    assert image.shape[1] > 1000 and image[..., :3].std() > 0.05


def test_tables_for_people_and_the_same_seed_the_same_figures(place: Path) -> None:
    words = (place / "midi", "--seed", 2, "--limit", 6, "--n", 8)
    result = run(place, *words)
    assert result.exit_code == 0, result.output
    for said in ("from the mean", "teacher-forced", "negative ELBO", "random notes", "exact steps"):
        assert said in result.stdout
    assert "6 windows of 4 songs" in result.stdout and "8 windows each" in result.stdout
    assert run(place, *words).stdout == result.stdout


def test_a_foreign_folder_is_judged_as_a_whole(place: Path, tmp_path: Path) -> None:
    few = corpus_folder(tmp_path / "few", n=5, bars=4)
    told = run(place, few, "--seed", 1)
    assert told.exit_code == 1 and "too few; judge --split all" in told.stderr
    model = MusicVAE.load(place / "checkpoints" / "tiny", device="cpu")
    found = evaluate(model, few, split="all", seed=1)
    assert found.songs == 5 and found.windows == 10 and found.comparison.windows == 2
    assert "10 windows of 5 songs" in text(found)


def test_a_picture_is_not_overwritten_and_its_kind_is_known_at_once(
    place: Path, tmp_path: Path
) -> None:
    there = tmp_path / "there.png"
    there.write_bytes(b"mine")
    for name, word in ((there, "--force"), (tmp_path / "figures.doc", "no picture format")):
        result = run(place, place / "midi", "--plot", name)
        assert result.exit_code == 1 and word in result.stderr
    assert there.read_bytes() == b"mine"


def test_training_and_evaluation_judge_alike(place: Path) -> None:
    model = MusicVAE.load(place / "checkpoints" / "tiny", device="cpu")
    found = evaluate(model, place / "midi", seed=3)
    windows = Windows(place / "midi", model.preset, split="test", hop=2)
    scores = free_running(model.vae, windows, limit=1024, seed=3)
    for name in ("f1", "step_accuracy", "f1_duration", "perfect"):
        assert scores[name] == found.reconstruction["mean"][name]
    assert scores["kl_bits"] == pytest.approx(found.likelihood["kl_bits"])


def test_who_hears_the_notes_that_it_would_make_makes_them(place: Path) -> None:
    model = MusicVAE.load(place / "checkpoints" / "tiny", device="cpu")
    vae, windows = model.vae, Windows(place / "midi", model.preset, split="train", hop=2)
    with torch.no_grad():
        batch = windows.batch(np.arange(20))
        z = vae.encode(batch).mu
        free = vae.decode(z, frame_of(batch))
        own = vae.teacher_forced(z, with_notes(batch, free))
        true = vae.teacher_forced(z, batch)
    assert torch.equal(own, free) and not torch.equal(true, free)


def test_samples_have_the_frames_of_real_windows(place: Path) -> None:
    model = MusicVAE.load(place / "checkpoints" / "tiny", device="cpu")
    held_out = Windows(place / "midi", model.preset, split="test", hop=2)
    learned = Windows(place / "midi", model.preset, split="train")
    index = np.arange(len(held_out))
    made, real = sample_windows(model, held_out, index, seed=1), table_of(held_out, index)
    assert np.array_equal(made.steps, real.steps) and np.array_equal(made.lead, real.lead)
    assert made.rows[:, 4].min() >= 0 and len(made.rows) > 0
    assert np.array_equal(made.rows, sample_windows(model, held_out, index, seed=1).rows)
    assert not np.array_equal(made.rows, sample_windows(model, held_out, index, seed=2).rows)
    chosen = alike(learned, held_out, index)
    assert np.array_equal(table_of(learned, chosen).steps, real.steps)
    assert np.array_equal(learned.first[chosen] == 0, held_out.first[index] == 0)
    assert (learned.first[chosen] % 2 == 0).all()


def test_a_model_that_makes_nothing_is_judged(place: Path) -> None:
    vae = MusicVAE.load(place / "checkpoints" / "tiny", device="cpu").vae
    with torch.no_grad():
        vae.decoder.onset.bias.fill_(-1e3)
        vae.decoder.carry_onset.bias.fill_(-1e3)
    windows = Windows(place / "midi", vae.preset, split="test", hop=2)
    found = reconstructed(vae, windows)
    assert len(found.mean.rows) == 0
    assert free_running(vae, windows)["f1"] == 0
