"""`musicvae vary`: variations of songs."""

from __future__ import annotations

from pathlib import Path

import click

from musicvae.cli.console import Finite, songs_argument
from musicvae.cli.options import Making, making_options, takes_option, temperature_option


@click.command(name="vary")
@songs_argument
@click.option(
    "--amount",
    type=Finite(0, 1),
    default=0.5,
    show_default=True,
    help="0 is the reconstruction, 1 another song of the same bars.",
)
@takes_option
@temperature_option
@making_options("varied", seed=True)
def command(
    paths: tuple[Path, ...],
    amount: float,
    n: int,
    temperature: float,
    making: Making,
) -> None:
    """Make variations of songs (files or folders), each as near to its song as --amount says.

    Length, meters, tempo, parts and programs stay; so does what the model cannot represent.

    \b
    Examples:
      musicvae vary song.mid
      musicvae vary song.mid --amount 0.3 --n 4 --out variations/
    """
    making.takes(
        paths,
        n,
        lambda model, song, seed: model.vary(
            song, amount=amount, temperature=temperature, seed=seed
        ),
        command="vary",
        amount=amount,
    )
