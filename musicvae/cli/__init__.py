"""Floor 11: the command line. Parses, calls the façade, prints.

Commands are imported when they are called, so that `musicvae --help` stays light.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from importlib import import_module
from io import TextIOWrapper
from keyword import iskeyword
from shutil import get_terminal_size
from typing import Any

import click
from click.shell_completion import CompletionItem

from musicvae import __version__
from musicvae.errors import MusicVAEError, one_line, os_reason

# Threads that wait by spinning make a busy machine several times slower; set before torch loads.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

COMMAND_SECTIONS = {
    "Prepare and learn": {
        "corpus": "the built-in public-domain corpora, as MIDI",
        "prepare": "a folder of MIDI to shards and a report",
        "train": "learn a latent space from a folder of MIDI",
        "personalise": "a trained model that samples songs like yours, in seconds",
        "presets": "the shipped presets",
        "info": "what a checkpoint is",
    },
    "Make songs": {
        "sample": "new songs",
        "interpolate": "songs between songs",
        "continue": "songs and what comes next",
        "drumify": "a beat for a melody or a tapped rhythm",
    },
    "Change songs": {
        "vary": "variations of songs",
        "infill": "songs with some of their bars written anew",
        "steer": "songs turned by musical knobs",
        "direction": "a direction of your own to steer by",
        "denoise": "wrong, missing and displaced notes put right, nothing else changed",
        "humanise": "drums played as a drummer would",
        "reconstruct": "songs through the bottleneck and back",
    },
    "Look and judge": {
        "inspect": "what is read from files, what is kept, and why",
        "anomalies": "how unusual songs are, bar by bar, and why",
        "similar": "the songs of a folder most like a song",
        "map": "songs as points of a plane",
        "plot": "songs, sound, latents and curves of training as pictures",
        "evaluate": "how good a model is, on songs it has not seen",
    },
    "Files and sound": {
        "convert": "songs as MIDI or as scores, whole or part by part",
        "render": "songs as sound",
        "transcribe": "hummed tunes and tapped rhythms as MIDI",
        "encode": "a song to latents in a file",
        "decode": "a song from a file of latents",
    },
    "The shell": {
        "completion": "what a shell needs to complete commands and names",
    },
}
COMMAND_HELP = {name: words for group in COMMAND_SECTIONS.values() for name, words in group.items()}
_ALIASES = {"score": "anomalies", "humanize": "humanise", "personalize": "personalise"}
"""Other names of commands, not listed in the help: old ones and other spellings."""


def _module_name(command: str) -> str:
    return command + "_" * iskeyword(command)


class _HelpFormatter(click.HelpFormatter):
    """Help that fits a narrow terminal, and keeps room there beside the options."""

    def __init__(self, width: int | None = None, **how: Any) -> None:
        super().__init__(width=width or max(min(get_terminal_size().columns, 80) - 2, 30), **how)

    def write_dl(
        self, rows: Iterable[tuple[str, str]], col_max: int = 30, col_spacing: int = 2
    ) -> None:
        """A list of names and what they are."""
        super().write_dl(rows, min(col_max, max(self.width // 3, 12)), col_spacing)


class _Context(click.Context):
    formatter_class = _HelpFormatter


class _LazyGroup(click.Group):
    """A group whose commands live in modules of the same name, imported on use."""

    context_class = _Context

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMAND_HELP)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        cmd_name = _ALIASES.get(cmd_name, cmd_name)
        if cmd_name not in COMMAND_HELP:
            return None
        command: click.Command = import_module(
            f"musicvae.cli.commands.{_module_name(cmd_name)}"
        ).command
        command.context_class = _Context
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        widest = max(len(name) for name in COMMAND_HELP)
        for title, commands in COMMAND_SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl([(name.ljust(widest), said) for name, said in commands.items()])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Names with what they do, no command imported."""
        known = [
            CompletionItem(n, help=s) for n, s in COMMAND_HELP.items() if n.startswith(incomplete)
        ]
        return known or super().shell_complete(ctx, incomplete)

    def invoke(self, ctx: click.Context) -> object:
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, TextIOWrapper):
                # A name in letters that the terminal does not have ends no command.
                stream.reconfigure(errors="backslashreplace")
        try:
            return super().invoke(ctx)
        except MusicVAEError as error:
            click.echo(f"musicvae: {error}", err=True)
            sys.exit(1)
        except BrokenPipeError:
            sys.stderr.close()
            sys.exit(1)
        except OSError as error:  # a full disk under what is printed, and the like
            where = error.filename if isinstance(error.filename, str) else "output"
            click.echo(f"musicvae: {one_line(where)}: {os_reason(error)}", err=True)
            sys.exit(1)


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="musicvae")
def main() -> None:
    """Learn a latent space of bars from MIDI, and make songs from it."""
