"""Closed streams, empty values and sizes: one line, and never a traceback."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from musicvae.cli import main
from musicvae.cli.commands import COMMAND_HELP
from musicvae.cli.console import AnyPath
from musicvae.config.preset import load_preset
from musicvae.errors import ConfigError
from musicvae.networks import memory
from support.cli import run

FREE_TEXT = {"title", "part_positions", "directions", "bars"}
"""Text that may be empty, or that the command parses itself."""


def parameters() -> Iterator[tuple[str, click.Parameter]]:
    """Yield the parameters of all commands."""
    context = click.Context(main)
    for name in COMMAND_HELP:
        command = main.get_command(context, name)
        assert command is not None
        commands = command.commands.values() if isinstance(command, click.Group) else [command]
        for each in commands:
            yield from ((name, parameter) for parameter in each.params)


def test_no_path_or_name_may_be_empty() -> None:
    for command, parameter in parameters():
        kind = parameter.type
        if isinstance(kind, click.Path):
            assert isinstance(kind, AnyPath), (command, parameter.name)
        elif type(kind) is type(click.STRING) and command not in ("corpus", "completion"):
            assert parameter.name in FREE_TEXT, (command, parameter.name)


def test_numbers_of_things_have_an_end() -> None:
    names = ("n", "bars", "workers", "steps", "limit")
    for command, parameter in parameters():
        kind = parameter.type
        if isinstance(kind, click.IntRange) and parameter.name in names and command != "corpus":
            assert kind.max is not None, (command, parameter.name)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("inspect", ""), "an empty path"),
        (("prepare", "x", "--out", ""), "an empty path"),
        (("convert", "x", "--out", ""), "an empty path"),
        (("sample", "--meter", ""), "is empty"),
        (("sample", "--checkpoint", " "), "is empty"),
        (("train", "x", "--name", "a\nb"), "give a name, not a path"),
        (("personalise", "x", "--name", ".."), "give a name, not a path"),
        (("sample", "--bars", "99999999"), "is not in the range"),
        (("interpolate", *"abcd", "--grid", "--steps", "999"), "more than the 32 rows"),
    ],
)
def test_values_that_no_command_can_use_are_refused(words: tuple[str, ...], expected: str) -> None:
    result = run(*words)
    assert result.exit_code == 2
    assert expected in result.output


def start(words: list[str], **streams: int) -> subprocess.Popen[bytes]:
    """Start `musicvae` in a process of its own."""
    root = str(Path(__file__).parents[2])
    command = [sys.executable, "-m", "musicvae", *words]
    return subprocess.Popen(command, env=os.environ | {"PYTHONPATH": root}, **streams)


@pytest.mark.parametrize("words", [["presets", "--json"], ["--help"], ["corpus", "list"]])
def test_reader_that_goes_away_costs_no_traceback(words: list[str]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    process = start(words, stdout=writing, stderr=subprocess.PIPE)
    os.close(writing)
    _, errors = process.communicate()
    assert (process.returncode, errors) == (1, b"")


@pytest.mark.skipif(sys.platform == "win32", reason="closes streams as a POSIX shell does")
def test_closed_streams_cost_no_traceback_and_get_no_file(midi_folder: Path) -> None:
    song = midi_folder / "song0.mid"
    shell = f'"{sys.executable}" -m musicvae convert "{song}" --out scores/ >&- 2>&- <&-'
    root = str(Path(__file__).parents[2])
    done = subprocess.run(["sh", "-c", shell], env=os.environ | {"PYTHONPATH": root}, check=False)
    assert done.returncode == 0
    assert Path("scores/song0.musicxml").read_text("utf-8").rstrip().endswith("</score-partwise>")


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ("model.width=1000000", "model.width must be 1 to 8,192"),
        ("model.latent=1000000000000", "model.latent must be 1 to 4,096"),
        ("prior.layers=100000", "prior.layers must be 1 to 64"),
        ("training.batch=100000000", "training.batch must be 1 to 65,536"),
        ("grid.max_steps=4000000", "grid.max_steps must be 4 to 256"),
    ],
)
def test_sizes_of_presets_have_an_end(setting: str, expected: str) -> None:
    with pytest.raises(ConfigError, match=expected):
        load_preset("tiny").with_settings([setting])


def test_model_that_does_not_fit_into_memory_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    preset = load_preset("tiny")
    monkeypatch.setattr(memory, "available_bytes", lambda: memory.training_bytes(preset) - 1)
    with pytest.raises(ConfigError, match=r"million parameters .* reduce model\.width"):
        memory.require_memory(preset)
    for free in (None, memory.training_bytes(preset)):
        monkeypatch.setattr(memory, "available_bytes", lambda free=free: free)
        memory.require_memory(preset)


def test_memory_of_the_gpu_is_what_counts_there(monkeypatch: pytest.MonkeyPatch) -> None:
    preset = load_preset("tiny")
    needed = memory.training_bytes(preset)
    monkeypatch.setattr(memory, "available_bytes", lambda: 0)
    monkeypatch.setattr("torch.cuda.mem_get_info", lambda: (needed, 2 * needed))
    memory.require_memory(preset, "cuda")
    monkeypatch.setattr(memory, "available_bytes", lambda: needed)
    monkeypatch.setattr("torch.cuda.mem_get_info", lambda: (needed - 1, 2 * needed))
    with pytest.raises(ConfigError, match="GB are free on the GPU; reduce"):
        memory.require_memory(preset, "cuda")
    memory.require_memory(preset, "mps")


def test_parameters_are_counted_without_memory_for_them() -> None:
    from musicvae.networks.vae import VAE, n_parameters

    preset = load_preset("tiny")
    assert memory.count_parameters(preset) == n_parameters(VAE(preset))
    large = preset.with_settings(["model.width=8192", "model.blocks=64"])
    assert memory.training_bytes(large) > 2**38
