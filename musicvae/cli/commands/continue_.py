"""`musicvae continue`: continue songs."""

from __future__ import annotations

from pathlib import Path

import click

from musicvae.cli.console import songs_argument
from musicvae.cli.options import (
    GenerateOptions,
    generate_options,
    temperature_option,
    variants_option,
)
from musicvae.config.size_limits import MAX_BARS


@click.command(name="continue")
@songs_argument
@click.option(
    "--bars",
    type=click.IntRange(1, MAX_BARS),
    default=8,
    show_default=True,
    help="Number of bars to add.",
)
@variants_option
@temperature_option
@generate_options("continued", seed=True)
def command(
    paths: tuple[Path, ...],
    bars: int,
    n: int,
    temperature: float,
    shared: GenerateOptions,
) -> None:
    """Continue songs (files or folders) by --bars more bars that lead to an ending.

    All notes are kept. The new bars start at the first bar line after the last note, in the meter,
    tempo and key at that point.

    \b
    Examples:
      musicvae continue song.mid
      musicvae continue song.mid --bars 16 --n 4 --temperature 0.8
    """
    shared.write_variants(
        paths,
        n,
        lambda model, song, seed: model.extend(song, bars=bars, temperature=temperature, seed=seed),
        command="continue",
        bars=bars,
    )
