"""`musicvae evaluate` end to end, and the metrics behind it."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result
from matplotlib.image import imread

from musicvae import MusicVAE, WindowDataset
from musicvae.cli import main
from musicvae.config.preset import load_preset
from musicvae.data import Shards, prepare_cached
from musicvae.errors import DataError
from musicvae.evaluation import evaluate, format_evaluation
from musicvae.evaluation.window_sets import matching_windows, sample_windows
from musicvae.networks.vae import with_notes, without_notes
from musicvae.training import train
from musicvae.training.validation import note_table, reconstruct_windows, validate
from support.songs import corpus_folder


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Songs and a tiny autoregressive model."""
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


def test_json_has_every_figure_and_a_plot_is_drawn(place: Path, tmp_path: Path) -> None:
    picture = tmp_path / "figures.png"
    report = tmp_path / "figures.html"
    options = ("--seed", 1, "--json", "--plot", picture, "--report", report)
    result = run(place, place / "midi", *options)
    assert result.exit_code == 0, result.output
    line, plot_line, report_line = result.stdout.splitlines()
    assert json.loads(plot_line)["kind"] == "plot" and json.loads(plot_line)["path"] == str(picture)
    assert json.loads(report_line)["path"] == str(report) and json.loads(report_line)["songs"] == 4
    page = report.read_text("utf-8")
    assert page.count("<article") == 4 and page.count("<table") >= 3 and "teacher forced" in page
    # A report may be shared: it does not name local folders.
    assert str(place) not in page and "tiny (" in page and ") on midi, seed 1" in page
    found = json.loads(line)
    assert found["schema"] == 1 and found["path"].endswith("model.safetensors")
    assert found["split"] == "test" and found["seed"] == 1 and found["windows"] > 0
    scores = found["reconstruction"]
    assert set(scores) == {"mean", "sampled", "teacher_forced", "hold"}
    assert 0 < scores["mean"]["step_accuracy"] < 1 and scores["mean"]["f1_velocity"] is None
    likelihood, comparison = found["likelihood"], found["comparison"]
    assert likelihood["importance_bound"] <= likelihood["negative_elbo"]
    nats = sum(likelihood["nats"].values()) + likelihood["kl_bits"] * math.log(2)
    assert nats == pytest.approx(likelihood["negative_elbo"], rel=1e-4)
    assert comparison["auc"]["random"] > 0.8
    assert comparison["mean_overlap"]["random"] < comparison["mean_overlap"]["train"]
    assert set(comparison["oddities"]) == {*comparison["auc"], "test"}
    assert finite(likelihood) and finite(comparison["means"])
    image = imread(picture)
    assert image.shape[1] > 1000 and image[..., :3].std() > 0.05


def test_text_tables_are_reproducible_by_seed(place: Path) -> None:
    words = (place / "midi", "--seed", 2, "--limit", 6, "--n", 8)
    result = run(place, *words)
    assert result.exit_code == 0, result.output
    for text in ("from the mean", "teacher-forced", "negative ELBO", "random notes", "exact steps"):
        assert text in result.stdout
    assert "6 windows of 4 songs" in result.stdout and "8 windows each" in result.stdout
    assert run(place, *words).stdout == result.stdout


def test_split_all_evaluates_a_small_folder(place: Path, tmp_path: Path) -> None:
    few = corpus_folder(tmp_path / "few", n=5, bars=4)
    result = run(place, few, "--seed", 1)
    assert (
        result.exit_code == 1
        and "too few songs" in result.stderr
        and "use --split all" in result.stderr
    )
    model = MusicVAE.load(place / "checkpoints" / "tiny", device="cpu")
    found = evaluate(model, few, split="all", seed=1)
    assert found.songs == 5 and found.windows == 10 and found.comparison.windows == 2
    assert "10 windows of 5 songs" in format_evaluation(found)


def test_plot_is_not_overwritten_and_its_format_is_checked_first(
    place: Path, tmp_path: Path
) -> None:
    there = tmp_path / "there.png"
    there.write_bytes(b"mine")
    for name, word in ((there, "--force"), (tmp_path / "figures.doc", "unknown picture format")):
        result = run(place, place / "midi", "--plot", name)
        assert result.exit_code == 1 and word in result.stderr
    assert there.read_bytes() == b"mine"


def test_validation_and_evaluation_agree(place: Path) -> None:
    model = MusicVAE.load(place / "checkpoints" / "tiny", device="cpu")
    found = evaluate(model, place / "midi", seed=3)
    windows = WindowDataset(place / "midi", model.preset, split="test", hop_bars=2)
    scores = validate(model.vae, windows, limit=1024, seed=3)
    for name in ("f1", "step_accuracy", "f1_duration", "perfect"):
        assert scores[name] == found.reconstruction["mean"][name]
    assert scores["kl_bits"] == pytest.approx(found.likelihood["kl_bits"])


def test_teacher_forcing_with_own_notes_equals_free_running(place: Path) -> None:
    model = MusicVAE.load(place / "checkpoints" / "tiny", device="cpu")
    vae, windows = model.vae, WindowDataset(place / "midi", model.preset, split="train", hop_bars=2)
    with torch.no_grad():
        batch = windows.batch(np.arange(20))
        z = vae.encode(batch).mu
        free = vae.decode(z, without_notes(batch))
        own = vae.decode_teacher_forced(z, with_notes(batch, free))
        true = vae.decode_teacher_forced(z, batch)
    assert torch.equal(own, free) and not torch.equal(true, free)


def test_samples_keep_the_bars_of_real_windows(place: Path) -> None:
    model = MusicVAE.load(place / "checkpoints" / "tiny", device="cpu")
    held_out = WindowDataset(place / "midi", model.preset, split="test", hop_bars=2)
    train_windows = WindowDataset(place / "midi", model.preset, split="train")
    index = np.arange(len(held_out))
    made, real = sample_windows(model, held_out, index, seed=1), note_table(held_out, index)
    assert np.array_equal(made.steps, real.steps) and np.array_equal(
        made.lead_steps, real.lead_steps
    )
    assert made.rows[:, 4].min() >= 0 and len(made.rows) > 0
    assert np.array_equal(made.rows, sample_windows(model, held_out, index, seed=1).rows)
    assert not np.array_equal(made.rows, sample_windows(model, held_out, index, seed=2).rows)
    chosen = matching_windows(train_windows, held_out, index)
    assert np.array_equal(note_table(train_windows, chosen).steps, real.steps)
    assert np.array_equal(train_windows.first_bar[chosen] == 0, held_out.first_bar[index] == 0)
    assert (train_windows.first_bar[chosen] % 2 == 0).all()


def test_model_without_output_can_be_evaluated(place: Path) -> None:
    vae = MusicVAE.load(place / "checkpoints" / "tiny", device="cpu").vae
    with torch.no_grad():
        vae.decoder.onset.bias.fill_(-1e3)
        vae.decoder.carry_onset.bias.fill_(-1e3)
    windows = WindowDataset(place / "midi", vae.preset, split="test", hop_bars=2)
    found = reconstruct_windows(vae, windows)
    assert len(found.mean.rows) == 0
    assert validate(vae, windows)["f1"] == 0


# -- few songs ------------------------------------------------------------------------------------


def test_one_song_gives_what_can_be_said(place: Path, tmp_path: Path) -> None:
    one = corpus_folder(tmp_path / "one", n=1, bars=4)
    result = run(place, one, "--split", "all", "--seed", 1)
    assert result.exit_code == 0, result.output
    assert "2 windows of 1 song " in result.stdout and "from the mean" in result.stdout
    assert "samples are not compared with songs" in result.stdout
    as_json = run(place, one, "--split", "all", "--seed", 1, "--json")
    found = json.loads(as_json.stdout)
    assert found["comparison"] is None and len(found["notes"]) == 1
    plot = run(place, one, "--split", "all", "--seed", 1, "--plot", tmp_path / "p.png")
    assert plot.exit_code == 1 and "too few songs to compare" in plot.stderr
    assert "from the mean" in plot.stdout
    page = tmp_path / "page.html"
    assert run(place, one, "--split", "all", "--seed", 1, "--report", page).exit_code == 0
    assert "Samples are not compared" in page.read_text("utf-8")


@pytest.mark.parametrize("n", [2, 4])
def test_few_songs_that_are_not_split_are_never_called_held_out(
    place: Path, tmp_path: Path, n: int
) -> None:
    few = corpus_folder(tmp_path / "few", n=n, bars=4)
    result = run(place, few, "--split", "all", "--seed", 1)
    assert result.exit_code == 0, result.output
    assert "held-out" not in result.stdout and "training songs" not in result.stdout


def test_messages_name_the_folder_of_the_songs(place: Path, tmp_path: Path) -> None:
    one = corpus_folder(tmp_path / "mine", n=1, bars=4)
    result = run(place, one, "--seed", 1)
    assert result.exit_code == 1 and "datasets" not in result.stderr
    assert f"{one}: too few songs (1)" in result.stderr
    shards = Shards(prepare_cached(one))
    assert shards.origin == Path(one) and shards.folder != shards.origin
    with pytest.raises(DataError, match=f"{one}: no song of the all split fits"):
        WindowDataset(shards, "groove-2bar", split="all")


def test_songs_of_another_system_are_judged_as_samples_are(place: Path, tmp_path: Path) -> None:
    corpus_folder(tmp_path / "other", n=8, bars=6)
    options = ("--n", 16, "--seed", 1)
    result = run(place, place / "midi", "--samples", tmp_path / "other", *options, "--json")
    assert result.exit_code == 0, result.output
    comparison = json.loads(result.stdout)["comparison"]
    assert set(comparison["overlap"]["given"]) == set(comparison["overlap"]["samples"])
    for figures in ("auc", "mean_overlap", "oddities"):
        assert "given" in comparison[figures] and "samples" in comparison[figures]
    assert comparison["oddities"]["given"]["nearest"] > 0
    text = run(place, place / "midi", "--samples", tmp_path / "other", *options).stdout
    assert "songs of --samples" in text
    alone = run(place, place / "midi", *options, "--json")
    without = json.loads(alone.stdout)["comparison"]
    assert "given" not in without["auc"] and without["auc"]["samples"] == pytest.approx(
        comparison["auc"]["samples"]
    )
    (tmp_path / "none").mkdir()
    empty = run(place, place / "midi", "--samples", tmp_path / "none")
    assert empty.exit_code == 1 and "none: " in empty.stderr
