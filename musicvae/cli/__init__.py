"""Floor 11: the command line. Parses, calls the façade, prints.

Commands are imported when they are called, so that `musicvae --help` stays light.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module
from io import TextIOWrapper

import click

from musicvae import __version__
from musicvae.errors import MusicVAEError, one_line, reason_of

# Threads that wait by spinning make a busy machine several times slower; set before torch loads.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

_COMMANDS = {
    "corpus": "the built-in public-domain corpora, as MIDI",
    "inspect": "what is read from files, what is kept, and why",
    "prepare": "a folder of MIDI to shards and a report",
    "train": "learn a latent space from a folder of MIDI",
    "personalise": "a trained model that samples songs like yours, in seconds",
    "sample": "new songs",
    "interpolate": "songs between songs",
    "vary": "variations of songs",
    "continue": "songs and what comes next",
    "infill": "songs with some of their bars written anew",
    "reconstruct": "songs through the bottleneck and back",
    "denoise": "wrong, missing and displaced notes put right, nothing else changed",
    "encode": "a song to latents in a file",
    "decode": "a song from a file of latents",
    "score": "how unusual songs are, bar by bar, and why",
    "humanise": "drums played as a drummer would",
    "drumify": "a beat for a melody or a tapped rhythm",
    "steer": "songs turned by musical knobs",
    "direction": "a direction of your own to steer by",
    "similar": "the songs of a folder most like a song",
    "map": "songs as points of a plane",
    "evaluate": "how good a model is, on songs it has not seen",
    "render": "songs as sound",
    "transcribe": "hummed tunes and tapped rhythms as MIDI",
    "plot": "a song's piano roll as a picture",
    "info": "what a checkpoint is",
    "presets": "the shipped presets",
}
_MODULES = {"continue": "going_on"}  # where the name of a command is none of a module


class _Commands(click.Group):
    """A group whose commands live in modules of the same name, imported on use."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        command: click.Command = import_module(
            f"musicvae.cli.{_MODULES.get(cmd_name, cmd_name)}"
        ).command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))

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
            click.echo(f"musicvae: {one_line(where)}: {reason_of(error)}", err=True)
            sys.exit(1)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="musicvae")
def main() -> None:
    """Learn a latent space of bars from MIDI, and make songs from it."""
