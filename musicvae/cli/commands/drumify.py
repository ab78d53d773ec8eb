"""`musicvae drumify`: beats for melodies and tapped rhythms."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from musicvae.cli.console import Finite, songs_argument
from musicvae.cli.options import Making, making_options

if TYPE_CHECKING:
    from musicvae.downbeats import Alignment


@click.command(name="drumify")
@songs_argument
@click.option(
    "--part",
    help="The part that the beat is for; the highest one if not given, or the drums if there is "
    "no other.",
)
@click.option(
    "--temperature",
    type=Finite(min=0),
    default=0.0,
    show_default=True,
    help="Above 0 the beat is drawn instead of the likeliest.",
)
@making_options("drumified", seed=True, force=True)
def command(
    paths: tuple[Path, ...],
    part: str | None,
    temperature: float,
    making: Making,
) -> None:
    """Make a beat for songs (files or folders): for the rhythm of a part, or one that was tapped.

    A part for drums is added, in place of those that a song has; all other parts stay.

    \b
    Examples:
      musicvae drumify tune.mid --out band/
      musicvae drumify song.mid --part Bass --temperature 0.8 --seed 3
    """
    writer, seed = making.writer(), making.seed
    model = making.model(seed=seed, mends=("tapped",))

    def do(path: Path, song: Alignment) -> None:
        made = model.drumify(song, part=part, temperature=temperature, seed=seed)
        writer.named(
            made,
            path.stem,
            force=making.force,
            note=f"musicvae drumify {path.name} --temperature {temperature:g} --seed {seed} "
            f"checkpoint {model.hash}",
            hits=sum(len(part) for part in made.parts if part.is_drum),
            seed=seed,
            checkpoint=str(model.path),
            source=str(path),
        )

    making.each_song(paths, do)
