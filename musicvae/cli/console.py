"""Shared options, paths and output: results on stdout, progress and logs on stderr."""

from __future__ import annotations

import json
import math
import os
import re
import secrets
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from musicvae.cli import completion
from musicvae.cli.terminal import is_terminal
from musicvae.errors import (
    ConfigError,
    ExistsError,
    WriteError,
    is_file_name,
    one_line,
    printable,
)
from musicvae.storage import (
    ensure_writable_file,
    exclusive_writes,
    fit_stem,
    is_folder,
    next_free_number,
)

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

SCHEMA = 1
Advance = Callable[[int, int], None]
PROGRESS_INTERVAL_S = 20.0  # between lines where there is no terminal


class FiniteFloat(click.FloatRange):
    """A finite number within a range; unlike `float`, it rejects `nan` and `inf`."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the number; fail with a usage error."""
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value!r} is not a finite number.", param, ctx)
        return number


class KeyName(click.ParamType):  # type: ignore[type-arg]  # generic in newer versions only
    """A key as people write it, or the tonic of its major scale in semitones above C, -6..5."""

    name = "key"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> int | str:
        """Return the semitones, or the name of the key; fail with a usage error."""
        from musicvae.representation.key import KEY_EXAMPLES, parse_key

        text = str(value).strip()
        if re.fullmatch(r"[+-]?\d+", text):
            if -6 <= int(text) <= 5:
                return int(text)
            self.fail(f"{text} semitones are out of range: use -6 to 5, or {KEY_EXAMPLES}")
        try:
            parse_key(text)
        except ConfigError as error:
            self.fail(str(error), param, ctx)
        return text


class AnyPath(click.Path):
    """A path that is not empty; whether it can be read or written is checked where it is used."""

    def __init__(self) -> None:
        super().__init__(path_type=Path, readable=False)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the path; fail with a usage error."""
        if not os.fspath(value):
            self.fail("an empty path; give a file or a folder.", param, ctx)
        return super().convert(value, param, ctx)


class Text(click.types.StringParamType):
    """Text that is not empty."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the text; fail with a usage error."""
        text = super().convert(value, param, ctx)
        if not text.strip():
            self.fail("is empty; give a value or leave the option out.", param, ctx)
        return text


class RunName(Text):
    """Name of a run: a folder under `checkpoints/`."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the name; fail with a usage error."""
        name = super().convert(value, param, ctx)
        if not is_file_name(name):
            self.fail(f"{name!r}: give a name, not a path.", param, ctx)
        return name


class OutputPath(AnyPath):
    """An output path: a file with one of the given suffixes, or a folder.

    A path with another suffix is taken for a mistake, such as `song.pdf`, unless it is an existing
    folder or ends in a slash.
    """

    def __init__(self, *suffixes: str) -> None:
        super().__init__()
        self.suffixes = suffixes

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the path; fail with a usage error."""
        super().convert(value, param, ctx)
        path, raw = Path(value), os.fspath(value)
        suffix = path.suffix.lower()
        known = not suffix or suffix in self.suffixes
        if not known and not raw.endswith(("/", os.sep)) and not is_folder(path):
            kinds = ", ".join(self.suffixes)
            self.fail(
                f"{raw}: {suffix} files cannot be written; use {kinds}, or {raw}/ for a folder",
                param,
                ctx,
            )
        return path


ANY_PATH, TEXT = AnyPath(), Text()


def _random_seed(ctx: click.Context, param: click.Parameter, value: int | None) -> int:
    """Return the given seed or a random one."""
    return secrets.randbelow(2**31) if value is None else value


songs_argument = click.argument("paths", nargs=-1, required=True, type=ANY_PATH)
json_option = click.option("--json", "as_json", is_flag=True, help="Print results as JSON Lines.")
force_option = click.option("--force", is_flag=True, help="Overwrite existing files.")
seed_option = click.option(
    "--seed",
    type=click.IntRange(0, 2**63 - 1),
    callback=_random_seed,
    help="Random seed; the same seed gives the same notes. Random, and printed, by default.",
)
device_option = click.option(
    "--device",
    type=click.Choice(["auto", "cpu", "cuda", "mps"]),
    default="auto",
    show_default=True,
    help="Device to compute on.",
)
checkpoint_option = click.option(
    "--checkpoint",
    type=TEXT,
    metavar="NAME|PATH",
    shell_complete=completion.complete_checkpoint,
    help="A run under checkpoints/, a shipped model or a file. By default the newest run; given "
    "songs, the newest run that fits them, else the shipped model that fits them best.",
)


@cache
def stderr_console() -> Console:
    """Return the console on stderr: plain, unwrapped text, which keeps paths and logs whole."""
    from rich.console import Console

    return Console(stderr=True, highlight=False, markup=False, emoji=False, soft_wrap=True)


@cache
def print_once(text: str) -> None:
    """Print a line on stderr unless it was printed before."""
    stderr_console().print(one_line(text))


@contextmanager
def progress_bar(description: str) -> Iterator[Advance]:
    """Show a progress bar on stderr while the block runs; without a terminal now and then a line.

    Yields a function `(done, total)` that moves the bar.
    """
    if not is_terminal(sys.stderr):
        yield _line_writer(description)
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


def _line_writer(description: str) -> Advance:
    """Return a function `(done, total)` that prints a line every `PROGRESS_INTERVAL_S` seconds."""
    latest_s = time.monotonic()

    def advance(done: int, total: int) -> None:
        nonlocal latest_s
        if time.monotonic() - latest_s >= PROGRESS_INTERVAL_S and done < total:
            latest_s = time.monotonic()
            stderr_console().print(f"{description}: {done:,} of {total:,}")

    return advance


def progress_kwargs(**overrides: Any) -> dict[str, Any]:
    """Return keyword arguments of a `Progress` on stderr that never redirects stdout."""
    return {
        "console": stderr_console(),
        "redirect_stdout": False,
        "redirect_stderr": False,
        **overrides,
    }


_live_bars: list[Progress] = []


@contextmanager
def live_progress(bar: Progress) -> Iterator[None]:
    """Show a progress bar while the block runs; lines printed meanwhile go above it."""
    _live_bars.append(bar)
    try:
        with bar:
            yield
    finally:
        _live_bars.remove(bar)


def _print(line: str, *, err: bool = False) -> None:
    """Print one line on stdout or stderr."""
    if _live_bars and (err or is_terminal(sys.stdout)):
        stderr_console().print(line)
    else:
        click.echo(line, err=err)


def emit(as_json: bool, kind: str, *, path: str | Path, **fields: Any) -> None:
    """Print one JSON object on stdout if `as_json`: `schema`, `kind`, `path` and `fields`.

    The line is ASCII, which every pipe and every locale accepts.
    """
    if as_json:
        line = {"schema": SCHEMA, "kind": kind, "path": printable(str(path))}
        for name, value in fields.items():
            infinite = isinstance(value, float) and not math.isfinite(value)
            line[name] = None if infinite else printable(value) if isinstance(value, str) else value
        _print(json.dumps(line, allow_nan=False, default=str))


def print_line(line: str) -> None:
    """Print one line of a result on stdout, with control characters escaped."""
    _print(one_line(line))


def print_error(error: Exception) -> None:
    """Print an error on stderr, for commands that go on after it."""
    _print(f"musicvae: {error}", err=True)


def write_free(
    folder: Path, stem: str, suffix: str, write: Callable[[Path], object], *, force: bool = False
) -> Path:
    """Write `folder/stem.suffix`, numbered if that exists and `force` is not set.

    `write` gets the path, another one if a file has taken its name since. Returns the path.
    """
    while True:
        path = free_path(folder, stem, suffix, force=force)
        try:
            with exclusive_writes(not force):
                write(path)
        except ExistsError:
            continue
        return path


def free_path(folder: Path, stem: str, suffix: str, *, force: bool = False) -> Path:
    """Return `folder/stem.suffix`, numbered if that exists and `force` is not set.

    A link exists, whether or not what it points to does: nothing can be written there without
    replacing it. So it is wherever outputs are checked.
    """
    stem = fit_stem(stem)
    path = folder / f"{stem}{suffix}"
    if force or not os.path.lexists(path):
        return path
    return folder / f"{stem}-{next_free_number(folder, stem, suffix)}{suffix}"


def first_free_path(preferred: Path, is_free: Callable[[Path], bool]) -> Path:
    """Return `preferred`, or the first free one of song-2.mid, song-3.mid, ..."""
    target, nth = preferred, 2
    while not is_free(target):
        stem = fit_stem(preferred.stem)
        target, nth = preferred.with_name(f"{stem}-{nth}{preferred.suffix}"), nth + 1
    return target


def check_overwrite(path: Path, *, force: bool, source: Path | None = None) -> Path:
    """Return a path given by the user if it may be written.

    Raises `WriteError` if it exists and `force` is not set, or if it is the file `source`, from
    which the output is made.
    """
    if source is not None and os.path.realpath(path) == os.path.realpath(source):
        hint = "choose another name with --out, or another --format"
        raise WriteError(path, "is the input itself", hint)
    if os.path.lexists(path) and not force:
        raise ExistsError(path, "already exists", "overwrite it with --force")
    return path


def check_option_path(path: Path, option: str, *, force: bool | None = None) -> Path:
    """Return a path given by an option if it can be written; called before any work is done.

    `force` is None for commands without `--force`. Raises `WriteError`, also if the file exists and
    `force` is not set.
    """
    ensure_writable_file(path, option)
    if force is not None:
        return check_overwrite(path, force=force)
    if os.path.lexists(path):
        raise WriteError(path, "already exists", "choose another name")
    return path
