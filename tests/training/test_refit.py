"""`musicvae refit`: parts of a trained model are fitted again, the rest stays."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner, Result

from musicvae import MusicVAE
from musicvae.checkpoints import Checkpoint, load, save
from musicvae.checkpoints.compression import compress
from musicvae.cli import main
from musicvae.networks.priors.flow import FlowPrior
from musicvae.networks.priors.gaussian import LinearGaussianPrior
from support.trained import denoising_workplace, tiny_workplace


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with `midi/`, and a finished run `tiny`."""
    return tiny_workplace(tmp_path_factory)


@pytest.fixture
def run(workplace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the model of a copy of the run, which may be overwritten; its folder is current."""
    shutil.copytree(workplace, tmp_path / "work")
    monkeypatch.chdir(tmp_path / "work")
    return Path("checkpoints/tiny/model.safetensors")


def refit(*words: object, status: int = 0) -> Result:
    result = CliRunner().invoke(main, ["refit", *(str(word) for word in words)])
    assert result.exit_code == status and "Traceback" not in result.output, result.output
    return result


def same(a: Checkpoint, b: Checkpoint, *prefixes: str) -> bool:
    """Return whether the tensors under some prefixes are equal."""
    one, other = (
        {n: t for n, t in c.tensors.items() if n.partition(".")[0] in prefixes} for c in (a, b)
    )
    return one.keys() == other.keys() and all(torch.equal(t, other[n]) for n, t in one.items())


def test_prior_of_another_kind(run: Path) -> None:
    result = refit("tiny", "midi", "--prior", "--kind", "gaussian", "--out", "new.safetensors")
    assert result.stdout == "new.safetensors: fitted prior\n"
    old, new = load(run), load("new.safetensors")
    assert isinstance(MusicVAE.load(run).prior, FlowPrior)
    assert isinstance(MusicVAE.load("new.safetensors").prior, LinearGaussianPrior)
    assert new.preset == replace(old.preset, prior=replace(old.preset.prior, kind="gaussian"))
    assert new.provenance == old.provenance and same(old, new, "model", "directions")


def test_directions(run: Path) -> None:
    old = load(run)
    save(replace(old, provenance=old.provenance | {"effects": {"density": {}}}), run)
    refit("tiny", "midi", "--directions", "--out", "new.safetensors")
    new = load("new.safetensors")
    assert same(old, new, "model", "prior") and old.tensors.keys() == new.tensors.keys()
    assert MusicVAE.load("new.safetensors").directions.names == MusicVAE.load(run).directions.names
    assert new.provenance == old.provenance  # effects were those of the directions before


def test_all_parts_of_the_checkpoint_itself_by_default(run: Path) -> None:
    old = load(run)
    result = refit("tiny", "midi", "--steps", 2, "--json")
    (line,) = map(json.loads, result.stdout.splitlines())
    assert (line["kind"], line["path"]) == ("refit", str(run))
    assert line["parts"] == ["prior", "directions"]
    new = load(run)
    assert new.preset.prior.steps == 2 and same(old, new, "model")
    assert not same(old, new, "prior") and MusicVAE.load(run).sample(1, bars=2)[0].n_notes >= 0


def test_compressed_tensors_stay_as_they_are_stored(run: Path) -> None:
    save(replace(load(run), tensors=compress(load(run).tensors, 0)), "small.safetensors")
    old = load("small.safetensors")
    refit("small.safetensors", "midi", "--directions")
    assert same(old, load("small.safetensors"), "model", "prior")
    assert Path("small.safetensors").stat().st_size < 0.5 * run.stat().st_size


def test_reference_statistics_of_a_denoising_model(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(denoising_workplace(tmp_path_factory))
    old = load("checkpoints/denoiser/model.safetensors")
    known = {name: value for name, value in old.provenance.items() if name != "norms"}
    save(replace(old, provenance=known), "without.safetensors")
    refit("without.safetensors", "midi", "--norms")
    new = load("without.safetensors")
    assert new.provenance["norms"] == old.provenance["norms"]
    assert same(old, new, "model")


def test_errors(run: Path, shipped: Path) -> None:
    assert (
        "--kind needs --prior"
        in refit("tiny", "midi", "--norms", "--kind", "small", status=2).stderr
    )
    message = refit("tiny", "midi", "--norms", status=1).stderr
    assert message.endswith(
        "not a denoising model, so it has no reference statistics; leave out --norms\n"
    )
    Path("there.safetensors").touch()
    exists = refit("tiny", "midi", "--out", "there.safetensors", status=1).stderr
    assert "there.safetensors: already exists" in exists
    shutil.copy(run, shipped / "given.safetensors")
    kept = refit("given", "midi", status=1).stderr
    assert "a shipped model; write a copy with --out FILE" in kept
    whole = load(run)
    weights = {f"model.{name}": t for name, t in whole.tensors_under("model").items()}
    save(replace(whole, tensors=weights), run)
    assert "has nothing to refit" in refit("tiny", "midi", status=1).stderr
