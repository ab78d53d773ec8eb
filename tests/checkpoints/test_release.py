"""A run becomes a checkpoint that ships; few songs go on from one."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result
from musicvae.checkpoints.release import LARGEST_BYTES, Origin, card, flatten_figures, ship

from musicvae import MusicVAE, Song, WindowDataset
from musicvae.checkpoints import Checkpoint, file_hash, load, read_header, save
from musicvae.checkpoints.compression import compress, decompress, n_bytes, to_half
from musicvae.cli import main
from musicvae.config.preset import load_preset
from musicvae.errors import CheckpointError
from musicvae.io import write
from musicvae.metrics.reconstruction import note_f1
from musicvae.networks.vae import VAE, to_note_rows, without_notes
from musicvae.training import fine_tuning_preset, train
from support.songs import chorale_song
from support.trained import tiny_workplace

ROOT = Path(__file__).parents[2]
ORIGIN = Origin(data="made up hymns", licence="CC0", credits="nobody", machine="two cores")


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """MIDI, and a run that has come to its end."""
    folder = tiny_workplace(tmp_path_factory)
    (folder / "checkpoints" / "tiny").rename(folder / "checkpoints" / "mine")
    return folder


@pytest.fixture
def here(place: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(place)
    return place


# -- half precision -------------------------------------------------------------------------------


def test_what_is_shipped_reconstructs_the_same(place: Path, tmp_path: Path) -> None:
    run = place / "checkpoints" / "mine"
    shipped = ship(run, tmp_path / "mine.safetensors", ORIGIN)
    real = [tensor for tensor in shipped.tensors.values() if tensor.is_floating_point()]
    assert {tensor.dtype for tensor in real} == {torch.float16}
    before, after = load(run / "model.safetensors"), load(tmp_path / "mine.safetensors")
    assert after.preset == before.preset and before.tensors.keys() == after.tensors.keys()
    assert all(after.tensors[name].dtype == t.dtype for name, t in before.tensors.items())
    size = [path.stat().st_size for path in (before.path, after.path) if path]
    assert size[1] < 0.6 * size[0]
    windows = WindowDataset(place / "midi", before.preset, split="all", hop_bars=2)
    batch = windows.batch(range(len(windows)))
    rows = []
    for checkpoint in (before, after):
        vae = VAE(checkpoint.preset)
        vae.load_state_dict(checkpoint.tensors_under("model"))
        with torch.no_grad():
            rows.append(vae.eval().decode(vae.encode(batch).mu, without_notes(batch)).numpy())
    truth = to_note_rows(batch)
    scores = [note_f1(found, truth).f1 for found in rows]
    assert len(rows[0]) > 100 and scores[0] > 0
    assert note_f1(rows[1], rows[0]).f1 > 0.98  # few of so poor a model's decisions are ties
    assert abs(scores[0] - scores[1]) <= 5e-3


def test_the_prior_of_what_is_shipped_draws_the_same_songs(place: Path, tmp_path: Path) -> None:
    shipped = ship(place / "checkpoints" / "mine", tmp_path / "mine.safetensors", ORIGIN)
    before = MusicVAE.load(place / "checkpoints" / "mine" / "model.safetensors")
    after = MusicVAE.load(tmp_path / "mine.safetensors")
    assert before.prior is not None and after.prior is not None and shipped.tensors_under("prior")
    for name, tensor in before.prior.tensors().items():
        np.testing.assert_allclose(
            after.prior.tensors()[name], tensor, atol=1e-3 * np.abs(tensor).max()
        )
    assert [song.n_notes > 0 for song in after.sample(2, bars=4, seed=1)] == [True, True]


def test_numbers_that_half_precision_would_lose_stay() -> None:
    for lost in (torch.tensor([1.0, 7e4]), torch.tensor([1e-7, 3e-8]), torch.tensor([torch.nan])):
        assert to_half(lost).dtype == torch.float32
    assert to_half(torch.tensor([3, 4])).dtype == torch.int64
    assert to_half(torch.tensor([1.0, 1e-9])).dtype == torch.float16
    assert to_half(torch.zeros(3)).dtype == torch.float16


def test_triangles_are_stored_without_their_zeros() -> None:
    whole = torch.randn(3, 5, 5).half().float()
    given = {"full": whole, "half": whole.tril(), "one": torch.ones(1, 1)}
    small = compress(given, 10**6)
    assert {name: tuple(tensor.shape) for name, tensor in small.items()} == {
        "full": (3, 5, 5), "half.lower": (3, 15), "one": (1, 1)
    }  # fmt: skip
    again = decompress(small)
    assert again.keys() == given.keys()
    assert all(torch.equal(again[name], tensor) for name, tensor in given.items())


def test_only_what_would_not_fit_is_stored_in_bytes() -> None:
    torch.manual_seed(0)
    given = {
        "model.large": torch.randn(40, 50), "model.small": torch.randn(20, 50),
        "prior.a": torch.randn(10, 50), "prior.root": torch.randn(2, 30, 30).tril(),
        "model.zero": torch.zeros(3, 4), "model.bias": torch.randn(50),
    }  # fmt: skip
    halves = n_bytes(compress(given, 10**6))
    small = compress(given, halves - 1500)
    assert {name for name, tensor in small.items() if tensor.dtype == torch.int8} == {
        "prior.a.bytes", "prior.root.lower.bytes", "model.large.bytes"
    }  # fmt: skip
    assert n_bytes(small) < halves - 1500
    again = decompress(small)
    assert again.keys() == given.keys()
    for name, tensor in given.items():
        torch.testing.assert_close(again[name], tensor, atol=0.02, rtol=0)
    least = compress(given, 0)
    assert least["model.bias"].dtype == torch.float16  # no matrix
    assert torch.equal(decompress(least)["model.zero"], given["model.zero"])


def test_a_prior_over_512_dimensions_fits_in(tmp_path: Path) -> None:
    settings = ["grid.bars=4", "model.latent=128", "model.decoder=cells"]
    preset = load_preset("chorale-2bar").with_settings(settings)
    Z, meters = VAE(preset).Z, len(preset.meters) + 1
    assert Z == 512
    shapes = {"mean": (meters, 3, Z), "by_key": (Z,), "step": (Z, Z), "factor": (3, Z, Z)}
    tensors = {f"model.{name}": tensor for name, tensor in VAE(preset).state_dict().items()}
    tensors |= {f"prior.{name}": torch.randn(shape) for name, shape in shapes.items()}
    tensors["prior.factor"] = tensors["prior.factor"].tril()
    made = Checkpoint(preset=preset, tensors=tensors, provenance={"finished": True})
    shipped = ship(save(made, tmp_path / "a.safetensors"), tmp_path / "b.safetensors", ORIGIN)
    assert shipped.path is not None and shipped.path.stat().st_size < 0.95 * LARGEST_BYTES
    prior = MusicVAE.load(shipped.path).prior
    assert prior is not None
    np.testing.assert_allclose(prior.factor, tensors["prior.factor"], atol=2e-3)


def test_too_large_or_unfinished_runs_do_not_ship(place: Path, tmp_path: Path) -> None:
    kept = load(place / "checkpoints" / "mine" / "model.safetensors")
    whole = {**kept.tensors, "prior.step": torch.randn(4100, 2000)}
    path = save(replace(kept, tensors=whole), tmp_path / "large.safetensors")
    with pytest.raises(CheckpointError, match=r"too large: 8\.\d MB where 8 MB may ship"):
        ship(path, tmp_path / "x.safetensors", ORIGIN)
    half_way = replace(kept, provenance={**kept.provenance, "finished": False})
    path = save(half_way, tmp_path / "half.safetensors")
    with pytest.raises(CheckpointError, match="not come to its end; go on with --resume"):
        ship(path, tmp_path / "x.safetensors", ORIGIN)
    assert not (tmp_path / "x.safetensors").exists()


def test_nothing_tells_where_it_was_made(tmp_path: Path) -> None:
    known = {
        "finished": True, "source": "midi", "list": ["/home/a/b.mid"], "songs": 3,
        "from": {"name": "~/models/folk", "hash": "00"}, "other": "C:\\music\\x.mid",
    }  # fmt: skip
    made = Checkpoint(preset=load_preset("tiny"), tensors={}, provenance=known)
    ship(save(made, tmp_path / "a.safetensors"), tmp_path / "b.safetensors", ORIGIN)
    found = read_header(tmp_path / "b.safetensors")["provenance"]
    assert found == {
        "finished": True, "list": ["b.mid"], "songs": 3, "from": {"name": "folk", "hash": "00"},
        "other": "x.mid", "data": "made up hymns", "licence": "CC0", "credits": "nobody",
        "machine": "two cores", "seed": 0,
    }  # fmt: skip


def test_the_card_says_what_people_should_know(place: Path, tmp_path: Path) -> None:
    figures = {"f1": 0.912345, "kl bits": 58.2}
    shipped = ship(place / "checkpoints" / "mine", tmp_path / "hymns.safetensors", ORIGIN, figures)
    words = card(shipped, "hymns")
    for row in (
        "# hymns\n",
        "| learned from | made up hymns: ",
        "| licence of the music | CC0 |",
        "| credits | nobody |",
        ", 60 steps on two cores |",
        "| parts | Soprano (voice), Alto (voice), Tenor (voice), Bass (voice) |",
        "| f1 | 0.9123 |",
        "| kl bits | 58.2 |",
        "held out for validation",
        "musicvae sample --checkpoint hymns ",
    ):
        assert row in words
    assert "limits" not in words


def test_figures_are_the_numbers_with_their_names() -> None:
    found = {"a": 1, "mean": {"f1": 0.5, "by_part": {"x_y": 2.0}}, "name": "no", "ok": True}
    assert dict(flatten_figures(found)) == {"a": 1, "mean f1": 0.5, "mean by part x y": 2.0}


def test_the_script_writes_both_files_and_checks_them(place: Path, tmp_path: Path) -> None:
    (tmp_path / "figures.json").write_text(
        '{"schema": 1, "kind": "evaluation", "path": "x", "reconstruction": {"f1": 0.9}, '
        '"comparison": {"overlap": {"samples": {"pitch": 0.8}}}}\n'
    )
    words = ["checkpoints/mine", "hymns", "--data-name", "made up hymns", "--licence", "CC0"]
    words += ["--figures", str(tmp_path / "figures.json"), "--check", "midi"]
    command = [sys.executable, str(ROOT / "scripts" / "release.py"), *words, "--out", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=place, check=True)
    assert "hymns.safetensors: 0." in done.stdout and " before, " in done.stdout
    assert "| reconstruction f1 | 0.9 |" in (tmp_path / "hymns.md").read_text("utf-8")
    header = read_header(tmp_path / "hymns.safetensors")
    assert header["provenance"]["figures"] == {"reconstruction f1": 0.9}
    again = subprocess.run(command, capture_output=True, text=True, cwd=place)
    assert again.returncode == 1 and "say --force to overwrite it" in again.stderr


# -- going on from trained weights ----------------------------------------------------------------


def run(*words: str | Path) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words])


def succeeds(*words: str | Path) -> Result:
    result = run(*words)
    assert result.exit_code == 0, result.output
    return result


def refused(status: int, *words: str | Path) -> str:
    result = run(*words)
    assert result.exit_code == status and "Traceback" not in result.output
    return result.stderr.splitlines()[-1]


def test_a_run_begins_with_the_weights_it_goes_on_from(place: Path, tmp_path: Path) -> None:
    """With a learning rate of nothing they are what comes out of it."""
    mine = load(place / "checkpoints" / "mine" / "model.safetensors")
    still = fine_tuning_preset(mine.preset).with_settings(["training.learning_rate=1e-12"])
    result = train(place / "midi", still, tmp_path / "run", steps=2, weights=mine.path)
    made = load(result.model)
    for name, tensor in mine.tensors_under("model").items():
        torch.testing.assert_close(made.tensors_under("model")[name], tensor, atol=1e-6, rtol=0)
    assert mine.path is not None
    assert made.provenance["from"] == {"name": "mine", "hash": file_hash(mine.path)}
    assert made.provenance["beta"] == pytest.approx(mine.provenance["beta"], rel=0.1)
    again = train(place / "midi", still, tmp_path / "run", steps=3, resume=True)
    assert load(again.model).provenance["from"] == made.provenance["from"]


def test_fine_tuning_is_slow_and_short_and_stays_so() -> None:
    preset = load_preset("melody-2bar")
    once = fine_tuning_preset(preset)
    assert once.training.learning_rate < 0.3 * preset.training.learning_rate
    assert once.training.minutes == 2.0 and once.training.warmup_steps < 100
    assert fine_tuning_preset(once) == once
    assert replace(once, training=preset.training) == preset


def test_train_from_a_named_model(here: Path) -> None:
    words = ("train", "midi", "--from", "mine", "--steps", 1)
    result = succeeds(*words, "--name", "named")
    made = load("checkpoints/named/model.safetensors")
    assert made.preset == fine_tuning_preset(load_preset("tiny"))
    assert made.provenance["from"]["name"] == "mine"
    assert "preset" not in result.stderr.splitlines()[0]
    succeeds(*words, "--name", "same", "--preset", "tiny")
    assert "--from mine is of preset tiny, not melody-2bar" in refused(
        2, *words, "--preset", "melody-2bar"
    )
    assert refused(1, *words, "--set", "model.width=48", "--name", "wide").endswith(
        "model.safetensors: its weights do not fit preset tiny with these settings; leave out --set of "
        "model, grid and parts"
    )
    assert "a resumed run keeps" in refused(2, *words, "--resume")
    assert refused(1, "train", "midi", "--from", "nobody").startswith(
        "musicvae: nobody: no such checkpoint"
    )


@pytest.fixture
def given(place: Path, shipped: Path) -> Path:
    """A shipped model."""
    return ship(place / "checkpoints" / "mine", shipped / "given.safetensors", ORIGIN).path


def test_few_songs_go_on_from_what_is_shipped(here: Path, given: Path) -> None:
    result = succeeds("train", "midi", "--preset", "tiny", "--steps", 1, "--name", "few")
    told = "fewer than 500 windows to learn from (71): going on from the shipped given"
    n = WindowDataset("midi", "tiny").counts()["windows"]
    assert told.replace("71", str(n)) in result.stderr
    assert load("checkpoints/few/model.safetensors").provenance["from"]["name"] == "given"
    result = succeeds(
        "train", "midi", "--preset", "tiny", "--steps", 1, "--name", "new", "--from", "scratch"
    )
    assert "fewer than" not in result.stderr
    assert "from" not in load("checkpoints/new/model.safetensors").provenance


def test_without_a_preset_the_shipped_model_that_fits_best(here: Path, given: Path) -> None:
    result = succeeds("train", "midi", "--steps", 1, "--name", "nearest")
    first, second = result.stderr.splitlines()[:2]
    assert first.startswith("preset chorale-") and "suits 100% of the songs best" in first
    assert second.endswith("going on from the shipped given, unless --from scratch")
    assert load("checkpoints/nearest/model.safetensors").preset.name == "tiny"


@pytest.mark.parametrize("setting", ["model.width=48", "grid.bars=1"])
def test_another_network_begins_from_scratch(here: Path, given: Path, setting: str) -> None:
    name = setting.partition("=")[0]
    words = ("train", "midi", "--preset", "tiny", "--steps", 1, "--name", name, "--set", setting)
    result = succeeds(*words)
    assert "the shipped given is another network, so from scratch" in result.stderr
    assert "from" not in load(f"checkpoints/{name}/model.safetensors").provenance


def test_enough_songs_learn_by_themselves(here: Path, given: Path, tmp_path: Path) -> None:
    for i in range(13):
        write(chorale_song(bars=48, seed=100 + i), tmp_path / "many" / f"{i}.mid")
    words = ("train", tmp_path / "many", "--preset", "tiny", "--steps", 1, "--name", "many")
    assert "fewer than" not in succeeds(*words).stderr
    assert "from" not in load("checkpoints/many/model.safetensors").provenance


def test_few_songs_and_nothing_shipped(here: Path) -> None:
    result = succeeds("train", "midi", "--preset", "tiny", "--steps", 1, "--name", "alone")
    assert "and no shipped model to go on from: it will not learn much" in result.stderr


def test_drums_alone_when_no_preset_learns_drums(
    here: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from support.songs import band_song

    song = band_song()
    write(Song.new(song.parts[4:], end_ticks=song.end_ticks), tmp_path / "drums" / "a.mid")
    monkeypatch.setattr("musicvae.training.finetune.preset_names", lambda: ("tiny",))
    assert refused(1, "train", tmp_path / "drums").endswith(
        "these songs hold drums alone, which no shipped preset learns"
    )


def test_json_of_info_has_the_whole_card(given: Path) -> None:
    (entry,) = map(json.loads, succeeds("info", "given", "--json").stdout.splitlines())
    assert {"data", "licence", "credits", "machine", "minutes", "held_out"} <= set(
        entry["provenance"]
    )


def test_bytes_reconstruct_the_same_to_a_hundredth(place: Path) -> None:
    """Every matrix of a model in bytes, which is more than any model that ships needs."""
    kept = load(place / "checkpoints" / "mine" / "model.safetensors")
    windows = WindowDataset(place / "midi", kept.preset, split="all", hop_bars=2)
    batch = windows.batch(range(len(windows)))
    rows = []
    for tensors in (kept.tensors, decompress(compress(kept.tensors, 0))):
        vae = VAE(kept.preset)
        vae.load_state_dict(replace(kept, tensors=tensors).tensors_under("model"))
        with torch.no_grad():
            rows.append(vae.eval().decode(vae.encode(batch).mu, without_notes(batch)).numpy())
    assert note_f1(rows[1], rows[0]).f1 > 0.95
