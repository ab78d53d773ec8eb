"""Release: compression of checkpoints, and the script that makes shipped models and cards."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from musicvae import MusicVAE, WindowDataset
from musicvae.checkpoints import Checkpoint, load, read_header, save
from musicvae.checkpoints.checkpoint import flatten_figures
from musicvae.checkpoints.compression import compress, decompress, n_bytes, to_half
from musicvae.cli import main
from musicvae.config.preset import load_preset
from musicvae.errors import CheckpointError
from musicvae.metrics.reconstruction import note_f1
from musicvae.networks.vae import VAE, to_note_rows, without_notes
from scripts.release import MAX_BYTES, Origin, model_card, ship
from support.trained import tiny_workplace

ROOT = Path(__file__).parents[2]
ORIGIN = Origin(data="made up hymns", licence="CC0", credits="nobody", machine="two cores")


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


# -- half precision -------------------------------------------------------------------------------


def test_shipped_model_reconstructs_the_same(place: Path, tmp_path: Path) -> None:
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
    assert note_f1(rows[1], rows[0]).f1 > 0.98  # some decisions of so poor a model are ties
    assert abs(scores[0] - scores[1]) <= 5e-3


def test_prior_of_shipped_model_samples_songs(place: Path, tmp_path: Path) -> None:
    shipped = ship(place / "checkpoints" / "mine", tmp_path / "mine.safetensors", ORIGIN)
    before = MusicVAE.load(place / "checkpoints" / "mine" / "model.safetensors")
    after = MusicVAE.load(tmp_path / "mine.safetensors")
    assert before.prior is not None and after.prior is not None and shipped.tensors_under("prior")
    for name, tensor in before.prior.tensors().items():
        np.testing.assert_allclose(
            after.prior.tensors()[name], tensor, atol=1e-3 * np.abs(tensor).max()
        )
    assert [song.n_notes > 0 for song in after.sample(2, bars=4, seed=1)] == [True, True]


def test_numbers_that_half_precision_would_lose_stay_float32() -> None:
    for lost in (torch.tensor([1.0, 7e4]), torch.tensor([1e-7, 3e-8]), torch.tensor([torch.nan])):
        assert to_half(lost).dtype == torch.float32
    assert to_half(torch.tensor([3, 4])).dtype == torch.int64
    assert to_half(torch.tensor([1.0, 1e-9])).dtype == torch.float16
    assert to_half(torch.zeros(3)).dtype == torch.float16


def test_triangles_are_stored_without_zeros() -> None:
    whole = torch.randn(3, 5, 5).half().float()
    given = {"full": whole, "half": whole.tril(), "one": torch.ones(1, 1)}
    small = compress(given, 10**6)
    assert {name: tuple(tensor.shape) for name, tensor in small.items()} == {
        "full": (3, 5, 5), "half.lower": (3, 15), "one": (1, 1)
    }  # fmt: skip
    again = decompress(small)
    assert again.keys() == given.keys()
    assert all(torch.equal(again[name], tensor) for name, tensor in given.items())


def test_only_what_does_not_fit_is_quantized() -> None:
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


def test_prior_over_512_dimensions_fits(tmp_path: Path) -> None:
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
    assert shipped.path is not None and shipped.path.stat().st_size < 0.95 * MAX_BYTES
    prior = MusicVAE.load(shipped.path).prior
    assert prior is not None
    np.testing.assert_allclose(prior.factor, tensors["prior.factor"], atol=2e-3)


def test_large_or_unfinished_runs_are_rejected(place: Path, tmp_path: Path) -> None:
    kept = load(place / "checkpoints" / "mine" / "model.safetensors")
    whole = {**kept.tensors, "prior.step": torch.randn(4100, 2000)}
    path = save(replace(kept, tensors=whole), tmp_path / "large.safetensors")
    with pytest.raises(CheckpointError, match=r"too large: 8\.\d MB, the limit is 8 MB"):
        ship(path, tmp_path / "x.safetensors", ORIGIN)
    half_way = replace(kept, provenance={**kept.provenance, "finished": False})
    path = save(half_way, tmp_path / "half.safetensors")
    with pytest.raises(CheckpointError, match="not finished; continue it with --resume"):
        ship(path, tmp_path / "x.safetensors", ORIGIN)
    assert not (tmp_path / "x.safetensors").exists()


def test_shipped_header_contains_no_paths(tmp_path: Path) -> None:
    known = {
        "finished": True, "source": "midi", "list": ["/home/a/b.mid"], "songs": 3,
        "from": {"name": "~/models/folk", "hash": "00"}, "other": "C:\\music\\x.mid",
    }  # fmt: skip
    preset = load_preset("tiny")
    tensors = {f"model.{name}": tensor for name, tensor in VAE(preset).state_dict().items()}
    made = Checkpoint(preset=preset, tensors=tensors, provenance=known)
    ship(save(made, tmp_path / "a.safetensors"), tmp_path / "b.safetensors", ORIGIN)
    found = read_header(tmp_path / "b.safetensors")["provenance"]
    assert found == {
        "finished": True, "list": ["b.mid"], "songs": 3, "from": {"name": "folk", "hash": "00"},
        "other": "x.mid", "data": "made up hymns", "licence": "CC0", "credits": "nobody",
        "machine": "two cores", "seed": 0,
    }  # fmt: skip


def test_card(place: Path, tmp_path: Path) -> None:
    figures = {"f1": 0.912345, "kl bits": 58.2}
    shipped = ship(place / "checkpoints" / "mine", tmp_path / "hymns.safetensors", ORIGIN, figures)
    words = model_card(shipped, "hymns")
    for row in (
        "# hymns\n",
        "| trained on | made up hymns: ",
        "| licence of the music | CC0 |",
        "| credits | nobody |",
        ", 60 steps on two cores |",
        "| parts | Soprano (voice), Alto (voice), Tenor (voice), Bass (voice) |",
        "| f1 | 0.9123 |",
        "| kl bits | 58.2 |",
        "On validation songs, by `musicvae train`",
        "musicvae sample --checkpoint hymns ",
    ):
        assert row in words
    assert "limits" not in words


def test_card_lists_steering_effects(place: Path) -> None:
    made = load(place / "checkpoints" / "mine" / "model.safetensors")
    effects = {
        "density": {"rank": 0.98, "density": 0.7, "range": 0.01},
        "range": {"rank": 1.0, "density": 0.02, "range": 0.8},
    }
    text = model_card(replace(made, provenance=made.provenance | {"effects": effects}), "tiny")
    assert "| density | 0.98 | 0.70 | 0.01 |" in text and "| range | 1.00 | 0.02 | 0.80 |" in text
    assert "requested | rank" not in model_card(made, "tiny")


def test_flatten_figures() -> None:
    found = {"a": 1, "mean": {"f1": 0.5, "by_part": {"x_y": 2.0}}, "name": "no", "ok": True}
    assert dict(flatten_figures(found)) == {"a": 1, "mean f1": 0.5, "mean by part x y": 2.0}


def test_script_writes_both_files_and_checks_them(place: Path, tmp_path: Path) -> None:
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
    assert again.returncode == 1 and "use --force to overwrite it" in again.stderr


def test_quantized_model_reconstructs_almost_the_same(place: Path) -> None:
    """Every matrix of a model in int8, more than any shipped model needs."""
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


def test_info_prints_the_whole_provenance_as_json(place: Path, shipped: Path) -> None:
    ship(place / "checkpoints" / "mine", shipped / "given.safetensors", ORIGIN)
    result = CliRunner().invoke(main, ["info", "given", "--json"])
    (entry,) = map(json.loads, result.stdout.splitlines())
    known = {"data", "licence", "credits", "machine", "minutes", "held_out"}
    assert known <= set(entry["provenance"])
