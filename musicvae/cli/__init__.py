"""Command line: arguments in, files and printed results out.

Every command parses its options, calls `MusicVAE` or the library, and prints. Commands live in
`cli.commands`, one module each, which is imported when the command is used, so that
`musicvae --help` starts fast.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable
from contextlib import suppress
from importlib import import_module
from io import TextIOWrapper
from keyword import iskeyword
from shutil import get_terminal_size
from typing import Any

import click
from click.shell_completion import CompletionItem

from musicvae import __version__
from musicvae.cli.commands import COMMAND_ALIASES, COMMAND_HELP, COMMAND_SECTIONS
from musicvae.errors import MusicVAEError, one_line, os_reason

BEGAN = "musicvae.began"
"""Key in a context's `meta`: when the command began, by `time.monotonic`, before its imports."""


def _module_name(command: str) -> str:
    """Return the module of a command; a Python keyword gets an underscore."""
    return command + "_" * iskeyword(command)


def _open_closed_streams() -> None:
    """Connect standard streams that the caller closed (`>&-`) with nothing.

    Otherwise a file that is opened later would get the number of the stream, and its output.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode))  # noqa: PTH123, SIM115 - stays open


def _discard_stdout() -> None:
    """Send what is left to print nowhere, so that nothing is reported when Python exits."""
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


class _HelpFormatter(click.HelpFormatter):
    """Help formatter that fits narrow terminals."""

    def __init__(self, width: int | None = None, **kwargs: Any) -> None:
        super().__init__(width=width or max(min(get_terminal_size().columns, 80) - 2, 30), **kwargs)

    def write_dl(
        self, rows: Iterable[tuple[str, str]], col_max: int = 30, col_spacing: int = 2
    ) -> None:
        """Write a definition list with a narrower first column on narrow terminals."""
        super().write_dl(rows, min(col_max, max(self.width // 3, 12)), col_spacing)


class _Context(click.Context):
    formatter_class = _HelpFormatter


class _LazyGroup(click.Group):
    """A group whose commands are modules of the same name, imported on use."""

    context_class = _Context

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMAND_HELP)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        cmd_name = COMMAND_ALIASES.get(cmd_name, cmd_name)
        if cmd_name not in COMMAND_HELP:
            return None
        command: click.Command = import_module(
            f"musicvae.cli.commands.{_module_name(cmd_name)}"
        ).command
        command.context_class = _Context
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        width = max(len(name) for name in COMMAND_HELP)
        for title, commands in COMMAND_SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl([(name.ljust(width), text) for name, text in commands.items()])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Complete command names with their help, without importing any command."""
        known = [
            CompletionItem(n, help=s) for n, s in COMMAND_HELP.items() if n.startswith(incomplete)
        ]
        return known or super().shell_complete(ctx, incomplete)

    def main(self, *args: Any, **kwargs: Any) -> Any:
        _open_closed_streams()
        return super().main(*args, **kwargs)

    def invoke(self, ctx: click.Context) -> object:
        ctx.meta[BEGAN] = time.monotonic()
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, TextIOWrapper):
                # Characters that the terminal cannot encode must not abort a command.
                stream.reconfigure(errors="backslashreplace")
        try:
            return super().invoke(ctx)
        except MusicVAEError as error:
            click.echo(f"musicvae: {error}", err=True)
            sys.exit(1)
        except BrokenPipeError:  # such as `| head -1`
            _discard_stdout()
            sys.exit(1)
        except OSError as error:  # such as a full disk behind stdout
            where = error.filename if isinstance(error.filename, str) else "output"
            click.echo(f"musicvae: {one_line(where)}: {os_reason(error)}", err=True)
            sys.exit(1)


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="musicvae")
def main() -> None:
    """Train a variational autoencoder on MIDI; generate, transform and analyze songs with it."""
