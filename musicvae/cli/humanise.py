"""`musicvae humanise`: drums played as a drummer would."""

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
from musicvae.cli.songs import Models, Writer, read_aligned, songs_under
from musicvae.cli.sound import Sound, audio_option
from musicvae.errors import MusicVAEError
from musicvae.options import ReadOptions


@click.command(name="humanise")
@click.argument("paths", nargs=-1, required=True, type=INPUT)
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
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("humanised"),
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
    amount: float,
    variation: float,
    out: Path,
    options: ReadOptions,
    force: bool,
    audio: Sound | None,
    checkpoint: str | None,
    seed: int,
    device: str,
    as_json: bool,
) -> None:
    """Play the drums of songs (files or folders) as a drummer would: other velocities, a little
    before or behind the beat. What is struck when, and all other parts, stay.

    \b
    Examples:
      musicvae humanise beat.mid --out played/
      musicvae humanise beat.mid --amount 0.6 --variation 0
    """
    writer = Writer(out, as_json=as_json, audio=audio)
    models = Models(checkpoint, device, ("flat",))
    failed = False
    for path in songs_under(paths):
        try:
            aligned = read_aligned(path, options)
            model = models.suiting(aligned)
            made = model.humanise(aligned, amount=amount, variation=variation, seed=seed)
            note = f"musicvae humanise {path.name} --amount {amount:g} --seed {seed}"
            writer.named(
                made,
                path.stem,
                force=force,
                note=f"{note} checkpoint {model.hash}",
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
