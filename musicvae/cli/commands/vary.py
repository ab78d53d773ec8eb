"""`musicvae vary`: make variations of songs."""

from __future__ import annotations

from pathlib import Path

import click

from musicvae.cli.console import FiniteFloat, songs_argument
from musicvae.cli.options import (
    GenerateOptions,
    generate_options,
    temperature_option,
    variants_option,
)


@click.command(name="vary")
@songs_argument
@click.option(
    "--amount",
    type=FiniteFloat(0, 1),
    default=0.5,
    show_default=True,
    help="Distance from the song: 0 is its reconstruction, 1 a new song on the same bars.",
)
@variants_option
@temperature_option
@generate_options("varied", seed=True)
def command(
    paths: tuple[Path, ...],
    amount: float,
    n: int,
    temperature: float,
    shared: GenerateOptions,
) -> None:
    """Make variations of songs (files or folders).

    Length, meters, tempo, parts and programs are kept, and so are notes that the model cannot
    represent.

    \b
    Examples:
      musicvae vary song.mid
      musicvae vary song.mid --amount 0.3 --n 4 --out variations/
    """
    shared.write_variants(
        paths,
        n,
        lambda model, song, seed: model.vary(
            song, amount=amount, temperature=temperature, seed=seed
        ),
        command="vary",
        amount=amount,
    )
