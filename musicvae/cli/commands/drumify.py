"""`musicvae drumify`: add drums to melodies and tapped rhythms."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from musicvae.cli.console import TEXT, FiniteFloat, songs_argument
from musicvae.cli.options import GenerateOptions, generate_options

if TYPE_CHECKING:
    from musicvae.downbeats import BarlineEstimate


@click.command(name="drumify")
@songs_argument
@click.option(
    "--part",
    type=TEXT,
    help="Part whose rhythm the drums follow; by default the highest one, or the drums if there is "
    "no other.",
)
@click.option(
    "--temperature",
    type=FiniteFloat(min=0),
    default=0.0,
    show_default=True,
    help="Above 0, sample the drums instead of taking the most likely ones.",
)
@generate_options("drumified", seed=True, force=True)
def command(
    paths: tuple[Path, ...],
    part: str | None,
    temperature: float,
    shared: GenerateOptions,
) -> None:
    """Add drums to songs (files or folders) that follow the rhythm of a part or of taps.

    The new drum part replaces those of the song; all other parts are kept.

    \b
    Examples:
      musicvae drumify tune.mid --out band/
      musicvae drumify song.mid --part Bass --temperature 0.8 --seed 3
    """
    writer, seed = shared.writer(), shared.seed
    model = shared.model(seed=seed, corruptions=("tapify",))

    def process(path: Path, song: BarlineEstimate) -> None:
        result = model.drumify(song, part=part, temperature=temperature, seed=seed)
        writer.write_named(
            result,
            path.stem,
            force=shared.force,
            note=f"musicvae drumify {path.name} --temperature {temperature:g} --seed {seed} "
            f"checkpoint {model.hash}",
            hits=sum(len(part) for part in result.parts if part.is_drum),
            seed=seed,
            checkpoint=str(model.path),
            source=str(path),
        )

    shared.for_each_song(paths, process)
