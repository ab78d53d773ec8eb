"""`musicvae humanise`: add expressive timing and dynamics to drums."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from musicvae.cli.console import FiniteFloat, songs_argument
from musicvae.cli.options import GenerateOptions, generate_options

if TYPE_CHECKING:
    from musicvae.downbeats import BarlineEstimate


@click.command(name="humanise")
@songs_argument
@click.option(
    "--amount",
    type=FiniteFloat(0, 1),
    default=1.0,
    show_default=True,
    help="Strength, 0 to 1.",
)
@click.option(
    "--variation",
    type=FiniteFloat(0, 2),
    default=0.5,
    show_default=True,
    help="Random variation between hits; 1 is as much as in recorded drumming.",
)
@generate_options("humanised", seed=True, force=True)
def command(
    paths: tuple[Path, ...],
    amount: float,
    variation: float,
    shared: GenerateOptions,
) -> None:
    """Play the drums of songs (files or folders) as a drummer would, with varied velocities and
    microtiming. The hits themselves and all other parts are kept.

    \b
    Examples:
      musicvae humanise beat.mid --out played/
      musicvae humanise beat.mid --amount 0.6 --variation 0
    """
    from musicvae.tools.groove import require_drums

    writer, models, seed = shared.writer(), shared.models(("humanize",)), shared.seed

    def process(path: Path, song: BarlineEstimate) -> None:
        require_drums(song.song)  # before a model is chosen, which would only say less
        model = models.for_song(song)
        result = model.humanize(song, amount=amount, variation=variation, seed=seed)
        note = f"musicvae humanise {path.name} --amount {amount:g} --seed {seed}"
        writer.write_named(
            result,
            path.stem,
            force=shared.force,
            note=f"{note} checkpoint {model.hash}",
            hits=sum(len(part) for part in result.parts if part.is_drum),
            seed=seed,
            checkpoint=str(model.path),
            source=str(path),
        )

    shared.for_each_song(paths, process)
