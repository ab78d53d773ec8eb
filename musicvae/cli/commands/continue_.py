"""`musicvae continue`: songs and what comes next."""

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


@click.command(name="continue")
@songs_argument
@click.option(
    "--bars", type=click.IntRange(min=1), default=8, show_default=True, help="Bars to add."
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
    """Go on from songs (files or folders): every note as it was, then --bars more bars to an end.

    They begin at the first bar line after the last note, in the meter, tempo and key that hold
    there.

    \b
    Examples:
      musicvae continue song.mid
      musicvae continue song.mid --bars 16 --n 4 --temperature 0.8
    """
    shared.write_variants(
        paths,
        n,
        lambda model, song, seed: model.continue_(
            song, bars=bars, temperature=temperature, seed=seed
        ),
        command="continue",
        bars=bars,
    )
