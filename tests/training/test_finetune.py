"""Fine-tuning: which weights a run starts from, and what it keeps of them."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from click.testing import Result

from musicvae import Song, WindowDataset
from musicvae.checkpoints import file_hash, load
from musicvae.config.preset import load_preset
from musicvae.io import write
from musicvae.training import fine_tuning_preset, train
from support.cli import run
from support.songs import chorale_song
from support.trained import tiny_workplace


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """A folder with MIDI and a finished run."""
    folder = tiny_workplace(tmp_path_factory)
    (folder / "checkpoints" / "tiny").rename(folder / "checkpoints" / "mine")
    return folder


@pytest.fixture
def here(place: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(place)
    return place


def succeeds(*words: str | Path) -> Result:
    result = run(*words)
    assert result.exit_code == 0, result.output
    return result


def fails(status: int, *words: str | Path) -> str:
    result = run(*words)
    assert result.exit_code == status and "Traceback" not in result.output
    return result.stderr.splitlines()[-1]


def test_run_starts_from_given_weights(place: Path, tmp_path: Path) -> None:
    """With a learning rate near zero, they are its result."""
    mine = load(place / "checkpoints" / "mine" / "model.safetensors")
    still = fine_tuning_preset(mine.preset).with_settings(["training.learning_rate=1e-12"])
    result = train(place / "midi", still, tmp_path / "run", steps=2, weights=mine.path)
    found = load(result.model)
    for name, tensor in mine.tensors_under("model").items():
        torch.testing.assert_close(found.tensors_under("model")[name], tensor, atol=1e-6, rtol=0)
    assert mine.path is not None
    assert found.provenance["from"] == {"name": "mine", "hash": file_hash(mine.path)}
    assert found.provenance["beta"] == pytest.approx(mine.provenance["beta"], rel=0.1)
    again = train(place / "midi", still, tmp_path / "run", steps=3, resume=True)
    assert load(again.model).provenance["from"] == found.provenance["from"]


def test_fine_tuning_preset_is_idempotent() -> None:
    preset = load_preset("melody-2bar")
    once = fine_tuning_preset(preset)
    assert once.training.learning_rate < 0.3 * preset.training.learning_rate
    assert once.training.minutes == 2.0 and once.training.warmup_steps < 100
    assert fine_tuning_preset(once) == once
    assert replace(once, training=preset.training) == preset


def test_train_from_a_named_model(here: Path) -> None:
    words = ("train", "midi", "--from", "mine", "--steps", 1)
    result = succeeds(*words, "--name", "named")
    found = load("checkpoints/named/model.safetensors")
    assert found.preset == fine_tuning_preset(load_preset("tiny"))
    assert found.provenance["from"]["name"] == "mine"
    assert "preset" not in result.stderr.splitlines()[0]
    succeeds(*words, "--name", "same", "--preset", "tiny")
    assert "--from mine has preset tiny, not melody-2bar" in fails(
        2, *words, "--preset", "melody-2bar"
    )
    assert fails(1, *words, "--set", "model.width=48", "--name", "wide").endswith(
        "model.safetensors: its weights do not fit preset tiny with these settings; leave out "
        "--set of model, grid and parts"
    )
    assert "a resumed run keeps" in fails(2, *words, "--resume")
    assert fails(1, "train", "midi", "--from", "nobody").startswith(
        "musicvae: nobody: no such checkpoint"
    )


@pytest.fixture
def given(place: Path, shipped: Path) -> Path:
    """Return a shipped model, a copy of the run's."""
    model = place / "checkpoints" / "mine" / "model.safetensors"
    return Path(shutil.copy(model, shipped / "given.safetensors"))


def test_few_songs_fine_tune_the_shipped_model(here: Path, given: Path) -> None:
    result = succeeds("train", "midi", "--preset", "tiny", "--steps", 1, "--name", "few")
    message = "fewer than 500 training windows (71): starting from the shipped given"
    n = WindowDataset("midi", "tiny").counts()["windows"]
    assert message.replace("71", str(n)) in result.stderr
    assert load("checkpoints/few/model.safetensors").provenance["from"]["name"] == "given"
    result = succeeds(
        "train", "midi", "--preset", "tiny", "--steps", 1, "--name", "new", "--from", "scratch"
    )
    assert "fewer than" not in result.stderr
    assert "from" not in load("checkpoints/new/model.safetensors").provenance


def test_best_fitting_shipped_model_without_a_preset(here: Path, given: Path) -> None:
    result = succeeds("train", "midi", "--steps", 1, "--name", "nearest")
    first, second = result.stderr.splitlines()[:2]
    assert first.startswith("preset chorale-") and "the best fit for 100% of the songs" in first
    assert second.endswith("starting from the shipped given, unless --from scratch")
    assert load("checkpoints/nearest/model.safetensors").preset.name == "tiny"


@pytest.mark.parametrize("setting", ["model.width=48", "grid.bars=1"])
def test_other_architecture_starts_from_scratch(here: Path, given: Path, setting: str) -> None:
    name = setting.partition("=")[0]
    words = ("train", "midi", "--preset", "tiny", "--steps", 1, "--name", name, "--set", setting)
    result = succeeds(*words)
    assert (
        "the shipped given has another architecture, so training starts from scratch"
        in result.stderr
    )
    assert "from" not in load(f"checkpoints/{name}/model.safetensors").provenance


def test_enough_songs_start_from_scratch(here: Path, given: Path, tmp_path: Path) -> None:
    for i in range(13):
        write(chorale_song(bars=48, seed=100 + i), tmp_path / "many" / f"{i}.mid")
    words = ("train", tmp_path / "many", "--preset", "tiny", "--steps", 1, "--name", "many")
    assert "fewer than" not in succeeds(*words).stderr
    assert "from" not in load("checkpoints/many/model.safetensors").provenance


def test_few_songs_without_shipped_models(here: Path) -> None:
    result = succeeds("train", "midi", "--preset", "tiny", "--steps", 1, "--name", "alone")
    assert "and no shipped model to start from: expect a poor model" in result.stderr


def test_drums_without_a_drum_preset_fail(
    here: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from support.songs import band_song

    song = band_song()
    write(Song.new(song.parts[4:], end_ticks=song.end_ticks), tmp_path / "drums" / "a.mid")
    monkeypatch.setattr("musicvae.training.finetune.preset_names", lambda: ("tiny",))
    assert fails(1, "train", tmp_path / "drums").endswith(
        "no shipped preset can represent these songs: they hold only drums"
    )
