"""`musicvae humanise`: drums played as a drummer would."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from musicvae.cli.console import Finite, songs_argument
from musicvae.cli.options import Making, making_options

if TYPE_CHECKING:
    from musicvae.downbeats import Alignment


@click.command(name="humanise")
@songs_argument
@click.option(
    "--amount", type=Finite(0, 1), default=1.0, show_default=True, help="How far to go, 0 to 1."
)
@click.option(
    "--variation",
    type=Finite(0, 2),
    default=0.5,
    show_default=True,
    help="How much hits differ by chance; 1 is as much as in real beats.",
)
@making_options("humanised", seed=True, force=True)
def command(
    paths: tuple[Path, ...],
    amount: float,
    variation: float,
    making: Making,
) -> None:
    """Play the drums of songs (files or folders) as a drummer would: other velocities, a little
    before or behind the beat. What is struck when, and all other parts, stay.

    \b
    Examples:
      musicvae humanise beat.mid --out played/
      musicvae humanise beat.mid --amount 0.6 --variation 0
    """
    writer, models, seed = making.writer(), making.models(("flat",)), making.seed

    def do(path: Path, song: Alignment) -> None:
        model = models.suiting(song)
        made = model.humanise(song, amount=amount, variation=variation, seed=seed)
        note = f"musicvae humanise {path.name} --amount {amount:g} --seed {seed}"
        writer.named(
            made,
            path.stem,
            force=making.force,
            note=f"{note} checkpoint {model.hash}",
            hits=sum(len(part) for part in made.parts if part.is_drum),
            seed=seed,
            checkpoint=str(model.path),
            source=str(path),
        )

    making.each_song(paths, do)
