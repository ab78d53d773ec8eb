"""README and `--help`: the commands, names and files that they mention exist."""

from __future__ import annotations

import ast
import re
import shlex
from importlib import import_module
from pathlib import Path

import click
import pytest

import musicvae
from musicvae.checkpoints import registry
from musicvae.cli import main

ROOT = Path(__file__).parent.parent
SHIPPED = {path.stem for path in registry.shipped_folder().glob("*.safetensors")}
README = (ROOT / "README.md").read_text("utf-8")


def _examples() -> list[str]:
    lines = re.findall(r"^\s*(musicvae [^\n#`]+)", README, re.M)
    lines += re.findall(r"`(musicvae [^`]+)`", README)
    context = click.Context(main, info_name="musicvae")
    for name in main.list_commands(context):
        command = main.get_command(context, name)
        assert command is not None and command.help
        lines += re.findall(r"^\s*(musicvae [^\n]+)", command.help, re.M)
    return sorted({line.strip() for line in lines})


@pytest.mark.parametrize("line", _examples())
def test_documented_commands_parse(line: str) -> None:
    _, name, *words = shlex.split(line)
    command = main.get_command(click.Context(main), name)
    assert command is not None, f"{line}: no such command"
    try:
        if isinstance(command, click.Group):
            inner = command.get_command(click.Context(command), words[0]) if words else None
            assert inner is not None or not words, f"{line}: no such command"
            if inner is not None:
                inner.make_context(words[0], words[1:])
        elif words or not any(p.required for p in command.params):
            command.make_context(name, words)
    except click.UsageError as error:
        pytest.fail(f"{line}: {error.format_message()}")


def test_python_example_names_exist() -> None:
    (block,) = re.findall(r"```python\n(.*?)```", README, re.S)
    names = [
        alias.name
        for node in ast.walk(ast.parse(block))
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    ]
    assert names and all(hasattr(musicvae, name) for name in names)
    model = import_module("musicvae.model").MusicVAE
    for method in re.findall(r"model\.(\w+)\(", block):
        assert hasattr(model, method)


def test_evaluated_models_are_shipped() -> None:
    names = re.findall(r"^musicvae evaluate (\S+)", README, re.M)
    assert names and set(names) <= SHIPPED


def test_linked_files_exist() -> None:
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", README):
        assert (ROOT / target).exists(), target
    for target in re.findall(r"^make (\w+)", README, re.M):
        assert f"\n{target}:" in (ROOT / "Makefile").read_text("utf-8")
