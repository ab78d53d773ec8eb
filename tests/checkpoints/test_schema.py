"""Checkpoints from anywhere: what is refused, in one line and before memory is taken."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from musicvae.checkpoints import (
    Checkpoint,
    choose,
    find_by_hash,
    load,
    load_tensors,
    save,
    unreadable_runs,
)
from musicvae.checkpoints.schema import check_provenance
from musicvae.config.preset import load_preset
from musicvae.errors import CheckpointError, WriteError
from musicvae.model import MusicVAE
from musicvae.networks.priors.gaussian import LinearGaussianPrior
from musicvae.networks.vae import VAE
from support.cli import run

TINY = load_preset("tiny")


@pytest.fixture
def good(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    vae = VAE(TINY)
    tensors = {f"model.{name}": tensor for name, tensor in vae.state_dict().items()}
    return save(Checkpoint(preset=TINY, tensors=tensors), tmp_path / "good.safetensors")


def rewrite(
    path: Path,
    header: Callable[[dict[str, Any]], object] = lambda header: None,
    tensors: Callable[[dict[str, Tensor]], object] = lambda tensors: None,
) -> Path:
    """Change header and tensors of a checkpoint, in place."""
    from safetensors.torch import load_file, save_file

    found = load_file(path)
    size = struct.unpack("<Q", path.read_bytes()[:8])[0]
    data = json.loads(json.loads(path.read_bytes()[8 : 8 + size])["__metadata__"]["musicvae"])
    header(data)
    tensors(found)
    save_file(found, path, {"musicvae": json.dumps(data)})
    return path


def test_checkpoint_is_read(good: Path) -> None:
    assert load(good).preset == TINY
    MusicVAE.load(good, device="cpu")


@pytest.mark.parametrize(
    ("section", "key", "value", "reason"),
    [
        ("", "name", "../../owned", "name must be a name for a folder"),
        ("", "name", "a/b", "name must be"),
        ("", "name", "", "name must be"),
        ("", "parts", 3, "parts must be a list"),
        ("model", "width", 10**9, "width|weights do not match its preset"),
        ("model", "blocks", 10**7, "blocks|weights do not match its preset"),
        ("model", "latent", 17, "weights do not match its preset"),
        ("model", "width", 10**30, "model.width must be a number of at most"),
        ("model", "width", "x" * 10_000, "model.width must be int"),
        ("grid", "max_steps", 4 * 10**9, "grid.max_steps must be"),
        ("training", "learning_rate", float("nan"), "training.learning_rate must be a number"),
        ("prior", "width", 32 * 10**9, "prior.width must be"),
    ],
)
def test_preset_in_header_is_checked(
    good: Path, section: str, key: str, value: object, reason: str
) -> None:
    def change(header: dict[str, Any]) -> None:
        (header["preset"][section] if section else header["preset"])[key] = value

    rewrite(good, change)
    with pytest.raises(CheckpointError, match=reason) as caught:
        load(good)
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize(
    ("provenance", "reason"),
    [
        ([], "no table"),
        ({"held_out": 3}, "an invalid held_out"),
        ({"held_out": {"f1": "x"}}, "an invalid held_out"),
        ({"keys": {}}, "an invalid keys"),
        ({"keys": {"0": 0}}, "an invalid keys"),
        ({"keys": {"99999": 1}}, "an invalid keys"),
        ({"meters": {"0/4": 1}}, "an invalid meters"),
        ({"pickups": {"4/4": {"1/0": 1}}}, "an invalid pickups"),
        ({"qpm": [float("nan")] * 3}, "an invalid qpm"),
        ({"qpm": [90.0, 80.0]}, "an invalid qpm"),
        ({"norms": {"features": {"missing": [0.0, 0.0]}}}, "an invalid norms"),
        ({"minutes": []}, "an invalid minutes"),
        ({"programs": 3}, "an invalid programs"),
        ({"programs": [0, 128]}, "an invalid programs"),
        ({"programs": [0, -1]}, "an invalid programs"),
        ({"programs": [0, 1.5]}, "an invalid programs"),
        ({"programs": [True, 0]}, "an invalid programs"),
        ({"swing": ["2:1"]}, "an invalid swing"),
        ({"swing": {"2:1 in eighths": -1}}, "an invalid swing"),
        ({"swing": {"straight": 0}}, "an invalid swing"),
        ({"swing": {"fast": 1}}, "an invalid swing"),
        ({"swing": {"99:1 in eighths": 1}}, "an invalid swing"),
        ({"data": 10**40}, "a number too large"),
        ({"data": [[[[[[[[[[]]]]]]]]]]}, "nested more than 8 deep"),
        ({"data": [0] * 200_000}, "more than 100,000 values"),
    ],
)
def test_provenance_is_checked(good: Path, provenance: object, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        check_provenance(provenance)
    rewrite(good, lambda header: header.update(provenance=provenance))
    with pytest.raises(CheckpointError, match=reason):
        load(good)


@pytest.mark.parametrize("change", [-1, 1])
def test_programs_are_those_of_the_parts(good: Path, change: int) -> None:
    n = len(TINY.parts)
    right = {"programs": [40] * n, "swing": {"straight": 1, "2:1 in eighths": 2}}
    rewrite(good, lambda header: header.update(provenance=right))
    assert load(good).provenance == right
    rewrite(good, lambda header: header.update(provenance={"programs": [40] * (n + change)}))
    with pytest.raises(CheckpointError, match=f"programs .* that are not those of {n} parts"):
        load(good)


NAN, INF = float("nan"), float("inf")
ONE = "model.decoder.onset.weight"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda t: t.update({ONE: t[ONE] * NAN}), "NaN or inf in 'model.decoder.onset.weight'"),
        (lambda t: t.update({ONE: t[ONE].half() + INF}), "NaN or inf"),
        (lambda t: t.update({ONE: t[ONE][:1].clone()}), "model.decoder.onset.weight|decoder.onset"),
        (lambda t: t.pop(ONE), "no tensor 'decoder.onset.weight'"),
        (lambda t: t.update({"model.x": t[ONE].clone()}), "an unknown tensor 'x'"),
        (lambda t: t.update({f"{ONE}.bytes": t.pop(ONE).char()}), "no scale for each row"),
        (
            lambda t: t.update(
                {f"{ONE}.bytes": torch.ones(1, 3000).char(), f"{ONE}.scale": torch.ones(3000, 1)}
            ),
            "no scale for each row",
        ),
        (
            lambda t: t.update(
                {
                    f"{ONE}.bytes": torch.full(t[ONE].shape, 100).char(),
                    f"{ONE}.scale": torch.full((len(t[ONE]), 1), 3e38),
                }
            ),
            "NaN or inf in",
        ),
        (lambda t: t.update({f"{ONE}.lower": torch.ones(4)}), "a triangle without all"),
    ],
)
def test_tensors_are_checked(good: Path, change: Callable[..., object], reason: str) -> None:
    rewrite(good, tensors=change)
    with pytest.raises(CheckpointError, match=reason):
        load(good)


@pytest.mark.parametrize(
    ("prior", "reason"),
    [
        ({"prior.step": torch.zeros(3, 3)}, "its prior is of another kind"),
        ({"prior.begin.weight": torch.zeros(32, 8)}, "its prior is of another kind"),
        ({"prior.small.shift": torch.zeros(4)}, "its prior is of another kind"),
        (
            {
                f"prior.{name}": torch.from_numpy(array)
                for name, array in LinearGaussianPrior.standard_normal(5, 3).tensors().items()
            },
            "its prior is of another model",
        ),
        ({"directions.names": torch.zeros(1, 10**6, dtype=torch.uint8)}, "directions are of an"),
    ],
)
def test_prior_and_directions_are_checked(
    good: Path, prior: dict[str, Tensor], reason: str
) -> None:
    rewrite(good, tensors=lambda tensors: tensors.update(prior))
    with pytest.raises(CheckpointError, match=reason):
        MusicVAE.load(good, device="cpu")


def test_no_file_with_nan_is_written(tmp_path: Path) -> None:
    tensors = {"model.x": torch.tensor([1.0, NAN])}
    with pytest.raises(WriteError, match=r"a.safetensors: NaN or inf in model.x"):
        save(Checkpoint(preset=TINY, tensors=tensors), tmp_path / "a.safetensors")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("depth", [900, 100_000])
def test_deep_header_is_refused(tmp_path: Path, depth: int) -> None:
    deep = json.dumps({"__metadata__": {"musicvae": "[" * depth + "]" * depth}})
    path = tmp_path / "deep.safetensors"
    path.write_bytes(struct.pack("<Q", len(deep)) + deep.encode())
    with pytest.raises(CheckpointError, match="not a "):
        load_tensors(path)


def test_bad_files_of_other_runs_cost_one_warning_each(good: Path) -> None:
    folder = Path("checkpoints")
    runs = {name: folder / name / "model.safetensors" for name in ("a", "b", "c", "d", "mine")}
    for path in runs.values():
        path.parent.mkdir(parents=True)
        path.write_bytes(good.read_bytes())
    runs["a"].write_bytes(b"\xff" * 100)
    rewrite(runs["b"], lambda header: header["preset"].update(name="../x"))
    rewrite(runs["c"], lambda header: header.update(provenance=[1]))
    runs["d"].unlink()
    runs["d"].symlink_to(folder / "nowhere")
    rewrite(runs["mine"], lambda header: header.update(provenance={"finished": True}))
    assert choose().path == runs["mine"]
    assert sorted(Path(error.path).parent.name for error in unreadable_runs()) == ["a", "b", "c"]
    result = run("info")
    assert result.exit_code == 0
    warnings = [line for line in result.stderr.splitlines() if line.startswith("warning: ")]
    assert len(warnings) == 3 and "mine" in result.stdout


def test_name_in_a_latent_file_is_no_path(good: Path) -> None:
    place = Path("elsewhere")
    place.mkdir()
    (place / "model.safetensors").write_bytes(good.read_bytes())
    assert find_by_hash("../elsewhere", "0" * 12) is None
