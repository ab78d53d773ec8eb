"""Runs that several test modules use, trained once for all test processes of a session."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock

from musicvae.config.preset import load_preset
from musicvae.training import train
from support.denoising import denoising_run
from support.songs import corpus_folder


def tiny_workplace(factory: pytest.TempPathFactory, steps: int = 60) -> Path:
    """Return a copy of a folder with twelve hymns in `midi/` and a run in `checkpoints/tiny`."""

    def make(folder: Path) -> None:
        corpus_folder(folder / "midi", n=12, bars=8)
        train(folder / "midi", load_preset("tiny"), folder / "checkpoints" / "tiny", steps=steps)

    return _copy(_made_once(factory, f"tiny-{steps}", make), factory)


def denoising_workplace(factory: pytest.TempPathFactory) -> Path:
    """Return a copy of a folder with `midi/` and the denoising run `checkpoints/denoiser`."""
    return _copy(_made_once(factory, "denoising", denoising_run), factory)


def _made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    base = factory.getbasetemp()
    root = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    folder = root / f"trained-{name}"
    with FileLock(root / f"trained-{name}.lock"):
        if not folder.exists():
            make(unfinished := root / f"unfinished-{name}")
            unfinished.rename(folder)
    return folder


def _copy(folder: Path, factory: pytest.TempPathFactory) -> Path:
    return Path(
        shutil.copytree(folder, factory.mktemp("work") / "place", copy_function=shutil.copy2)
    )
