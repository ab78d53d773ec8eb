"""What the package shows at its front, and what stays light. Layers are held by import-linter."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

import musicvae

HEAVY = (
    "torch",
    "torch._dynamo",
    "sympy",
    "pytorch_lightning",
    "music21",
    "librosa",
    "pretty_midi",
    "matplotlib",
    "pyarrow",
    "sklearn",
)


@pytest.mark.parametrize(
    "code",
    [
        "import musicvae; musicvae.Song, musicvae.Bars, musicvae.Preset, musicvae.read",
        "from musicvae.cli import main; main(['--help'], standalone_mode=False)",
        "from musicvae.cli import main; main(['plot', '--help'], standalone_mode=False)",
        "from musicvae.cli import main; main(['presets'], standalone_mode=False)",
    ],
    ids=["import", "help", "plot --help", "presets"],
)
def test_light_imports(code: str) -> None:
    _check_unloaded(code, HEAVY)


def test_help_loads_no_music() -> None:
    code = "from musicvae.cli import main; main(['--help'], standalone_mode=False)"
    _check_unloaded(code, ("numpy", "musicvae.chords", "musicvae.song"))


def _check_unloaded(code: str, modules: tuple[str, ...]) -> None:
    check = f"import sys; {code}; sys.exit([m for m in {modules!r} if m in sys.modules] or 0)"
    done = subprocess.run(
        [sys.executable, "-c", check], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_sampling_loads_only_what_it_uses(tmp_path) -> None:
    """What is large and not for sampling is not loaded: librosa brings numba and llvmlite."""
    arguments = ["sample", "--n", "1", "--bars", "2", "--out", str(tmp_path)]
    unused = [name for name in HEAVY if name != "torch"]
    code = f"from musicvae.cli import main; main({arguments!r}, standalone_mode=False)"
    _check_unloaded(code, tuple(unused))
    assert len(list(tmp_path.glob("*.mid"))) == 1


def test_all_equals_the_importable_names() -> None:
    public = {name for name in musicvae._MODULES if not name.startswith("_")} | {"__version__"}
    assert set(musicvae.__all__) == public
    for name in musicvae.__all__:
        assert getattr(musicvae, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = musicvae.nothing


@pytest.mark.parametrize(("old", "new"), sorted(musicvae._DEPRECATED.items()))
def test_deprecated_names_warn(old: str, new: str) -> None:
    with pytest.warns(DeprecationWarning, match=f"{old} is now musicvae.{new}"):
        assert getattr(musicvae, old) is getattr(musicvae, new)


@pytest.mark.parametrize(
    ("first", "given", "policy", "spin"),
    [
        ("musicvae", {}, "PASSIVE", False),
        ("torch", {}, "PASSIVE", True),
        ("torch", {"OMP_NUM_THREADS": "1"}, "PASSIVE", False),
        ("musicvae", {"OMP_WAIT_POLICY": "ACTIVE"}, "ACTIVE", False),
    ],
)
def test_threads_wait_without_spinning_whoever_imports(first, given, policy, spin) -> None:
    environment = {n: v for n, v in os.environ.items() if not n.startswith("OMP_")} | given
    shown = "os.environ['OMP_WAIT_POLICY'], musicvae.threads.THREADS_SPIN"
    code = f"import {first}; import os, musicvae; print({shown})"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
    )
    assert done.stdout.split() == [policy, str(spin)]


def test_stream_of_samples_computes_in_one_thread_where_threads_spin() -> None:
    code = """
import torch
torch.set_num_threads(2)
from musicvae import MusicVAE
from musicvae.latent.codec import Codec
model, found, decode = MusicVAE.load("melody-2bar", device="cpu"), [], Codec.decode_notes
def counted(self, *arguments, **options):
    found.append(torch.get_num_threads())
    return decode(self, *arguments, **options)
Codec.decode_notes = counted
songs = list(model.sample_stream(2, bars=2100))  # one at a time
print(len(songs) >= 2, set(found), torch.get_num_threads())
"""
    environment = {n: v for n, v in os.environ.items() if not n.startswith("OMP_")}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
    )
    assert done.stdout.split() == ["True", "{1}", "2"], done.stderr


def test_methods_compute_in_one_thread_where_threads_spin() -> None:
    import torch

    from musicvae.model import METHODS, MusicVAE
    from musicvae.networks.devices import in_one_thread

    assert all(callable(getattr(MusicVAE, name)) for name in METHODS)

    class Model:
        def encode(self) -> int:
            return torch.get_num_threads()

    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        assert in_one_thread(["encode"], needed=False)(Model)().encode() == 2
        assert in_one_thread(["encode"], needed=True)(Model)().encode() == 1
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
