"""Floor 11: what all commands share: options, progress and logs on stderr, results on stdout."""

from __future__ import annotations

import json
import math
import os
import secrets
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from musicvae.cli import completion
from musicvae.cli.terminal import is_terminal
from musicvae.errors import WriteError, one_line, shown
from musicvae.storage import is_folder, next_free, writable_file

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

SCHEMA = 1
INPUT_PATH = click.Path(path_type=Path, readable=False)
"""A path to read. What cannot be read is told in one line like any other trouble with a file."""
Advance = Callable[[int, int], None]


class FiniteFloat(click.FloatRange):
    """A number within a range; `nan` and `inf`, which Python reads as numbers, are refused."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The number, or a usage error."""
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value!r} is not a finite number.", param, ctx)
        return number


class OutputPath(click.Path):
    """Where to write: a file of one of some suffixes, or a folder.

    A name with another suffix is a slip, such as `song.pdf`, unless such a folder is there, or the
    name ends in a slash.
    """

    def __init__(self, *suffixes: str) -> None:
        super().__init__(path_type=Path)
        self.suffixes = suffixes

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The path, or a usage error."""
        super().convert(value, param, ctx)
        path, raw = Path(value), os.fspath(value)
        suffix = path.suffix.lower()
        known = not suffix or suffix in self.suffixes
        if not known and not raw.endswith(("/", os.sep)) and not is_folder(path):
            kinds = ", ".join(self.suffixes)
            self.fail(
                f"{raw}: no file of {suffix} can be written; use {kinds}, or {raw}/ for a folder",
                param,
                ctx,
            )
        return path


def _random_seed(ctx: click.Context, param: click.Parameter, value: int | None) -> int:
    return secrets.randbelow(2**31) if value is None else value


songs_argument = click.argument("paths", nargs=-1, required=True, type=INPUT_PATH)
json_option = click.option(
    "--json", "as_json", is_flag=True, help="JSON Lines on stdout, one object a result."
)
force_option = click.option("--force", is_flag=True, help="Overwrite files that are there.")
seed_option = click.option(
    "--seed",
    type=click.IntRange(0, 2**63 - 1),
    callback=_random_seed,
    help="The same seed makes the same notes; drawn and told if not given.",
)
device_option = click.option(
    "--device",
    type=click.Choice(["auto", "cpu", "cuda", "mps"]),
    default="auto",
    show_default=True,
    help="Where to compute.",
)
checkpoint_option = click.option(
    "--checkpoint",
    metavar="NAME|PATH",
    shell_complete=completion.checkpoints,
    help="A run under checkpoints/, a shipped model or a file. If not given, the newest run; for "
    "songs the newest run that they fit, else the shipped model that they fit best.",
)


@cache
def stderr_console() -> Console:
    """The console on stderr: plain text, not wrapped, so that paths and logs stay whole."""
    from rich.console import Console

    return Console(stderr=True, highlight=False, markup=False, emoji=False, soft_wrap=True)


@contextmanager
def progress_bar(description: str) -> Iterator[Advance]:
    """A bar on stderr while the block runs, if that is a terminal.

    Yields what moves it: a function of how many are done, and of how many.
    """
    if not is_terminal(sys.stderr):
        yield lambda done, total: None
        return
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    bar = Progress(*columns, TimeRemainingColumn(), **progress_kwargs(transient=True))
    with live_progress(bar):
        task = bar.add_task(description, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def progress_kwargs(**overrides: Any) -> dict[str, Any]:
    """How a `Progress` is made: on stderr, and what is printed goes where it should, never from
    stdout into stderr.
    """
    return {
        "console": stderr_console(),
        "redirect_stdout": False,
        "redirect_stderr": False,
        **overrides,
    }


_live_bars: list[Progress] = []


@contextmanager
def live_progress(bar: Progress) -> Iterator[None]:
    """While the block runs a bar is on the terminal, and lines that are printed go above it."""
    _live_bars.append(bar)
    try:
        with bar:
            yield
    finally:
        _live_bars.remove(bar)


def _print(line: str, *, err: bool = False) -> None:
    """One line on stdout or stderr."""
    if _live_bars and (err or is_terminal(sys.stdout)):
        stderr_console().print(line)
    else:
        click.echo(line, err=err)


def emit(as_json: bool, kind: str, *, path: str | Path, **fields: Any) -> None:
    """Print one JSON line on stdout, if JSON was asked for: `schema`, `kind`, `path`, and more.

    It is ASCII, which every pipe and every locale lets through.
    """
    if as_json:
        line = {"schema": SCHEMA, "kind": kind, "path": shown(str(path))}
        for name, value in fields.items():
            infinite = isinstance(value, float) and not math.isfinite(value)
            line[name] = None if infinite else shown(value) if isinstance(value, str) else value
        _print(json.dumps(line, allow_nan=False, default=str))


def print_line(line: str) -> None:
    """Print one line of a result on stdout, whatever names are in it."""
    _print(one_line(line))


def print_error(error: Exception) -> None:
    """One line on stderr for an error after which the command goes on."""
    _print(f"musicvae: {error}", err=True)


def free_path(folder: Path, stem: str, suffix: str, *, force: bool = False) -> Path:
    """`folder/stem.suffix`, or under the next free number if that is there and not forced."""
    path = folder / f"{stem}{suffix}"
    if force or not path.exists():
        return path
    return folder / f"{stem}-{next_free(folder, stem, suffix)}{suffix}"


def first_free_path(wanted: Path, is_free: Callable[[Path], bool]) -> Path:
    """`wanted`, or with the first number from 2 on that is free: song.mid, song-2.mid."""
    target, nth = wanted, 2
    while not is_free(target):
        target, nth = wanted.with_name(f"{wanted.stem}-{nth}{wanted.suffix}"), nth + 1
    return target


def check_overwrite(path: Path, *, force: bool, source: Path | None = None) -> Path:
    """A file that the user named; raises `WriteError` if it is there and not forced, or if it is
    the `source` that it is made of.
    """
    if source is not None and os.path.realpath(path) == os.path.realpath(source):
        hint = "choose another name with --out, or another --format"
        raise WriteError(path, "is the song itself", hint)
    if path.exists() and not force:
        raise WriteError(path, "exists already", "say --force to overwrite it")
    return path


def check_option_path(path: Path, option: str, *, force: bool | None = None) -> Path:
    """A file that an option named, known before the work to be one that can be written.

    Raises `WriteError`, also if it is there and not forced; without a `force` the command has none.
    """
    writable_file(path, option)
    if force is not None:
        return check_overwrite(path, force=force)
    if path.exists():
        raise WriteError(path, "exists already", "give another name")
    return path
