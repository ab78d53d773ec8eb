"""`musicvae drumify`: beats for melodies and tapped rhythms."""

from __future__ import annotations

from pathlib import Path

import click

from musicvae.cli.common import (
    INPUT,
    Finite,
    checkpoint_option,
    complain,
    device_option,
    force_option,
    json_option,
    seed_option,
)
from musicvae.cli.reading import song_options
from musicvae.cli.songs import Writer, load_model, read_aligned, songs_under
from musicvae.cli.sound import Sound, audio_option
from musicvae.errors import MusicVAEError
from musicvae.options import ReadOptions


@click.command(name="drumify")
@click.argument("paths", nargs=-1, required=True, type=INPUT)
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
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("drumified"),
    show_default=True,
    help="Folder to write to.",
)
@song_options
@force_option
@audio_option
@checkpoint_option
@seed_option
@device_option
@json_option
def command(
    paths: tuple[Path, ...],
    part: str | None,
    temperature: float,
    out: Path,
    options: ReadOptions,
    force: bool,
    audio: Sound | None,
    checkpoint: str | None,
    seed: int,
    device: str,
    as_json: bool,
) -> None:
    """Make a beat for songs (files or folders): for the rhythm of a part, or one that was tapped.

    A part for drums is added, in place of those that a song has; all other parts stay.

    \b
    Examples:
      musicvae drumify tune.mid --out band/
      musicvae drumify song.mid --part Bass --temperature 0.8 --seed 3
    """
    writer = Writer(out, as_json=as_json, audio=audio)
    model = load_model(checkpoint, device, seed, mends=("tapped",))
    failed = False
    for path in songs_under(paths):
        try:
            aligned = read_aligned(path, options)
            made = model.drumify(aligned, part=part, temperature=temperature, seed=seed)
            writer.named(
                made,
                path.stem,
                force=force,
                note=f"musicvae drumify {path.name} --temperature {temperature:g} --seed {seed} "
                f"checkpoint {model.hash}",
                hits=sum(len(part) for part in made.parts if part.is_drum),
                seed=seed,
                checkpoint=str(model.path),
                source=str(path),
            )
        except MusicVAEError as error:
            failed = True
            complain(error)
    if failed:
        raise SystemExit(1)
