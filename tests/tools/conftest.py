"""The small trained model that tests of tools share; a module may define others of its own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from musicvae.checkpoints import find, load, save
from musicvae.model import MusicVAE
from support.trained import tiny_workplace


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working directory with MIDI files and a small trained model."""
    return tiny_workplace(tmp_path_factory, steps=120)  # so that its samples differ


@pytest.fixture(scope="module")
def model(place: Path) -> MusicVAE:
    return MusicVAE.load(place / "checkpoints" / "tiny")


@pytest.fixture(scope="module")
def gaussian(place: Path) -> MusicVAE:
    """The same model without a prior: windows are independent."""
    found = load(find(place / "checkpoints" / "tiny"))
    tensors = {n: t for n, t in found.tensors.items() if not n.startswith("prior.")}
    return MusicVAE.load(save(replace(found, tensors=tensors), place / "bare.safetensors"))
