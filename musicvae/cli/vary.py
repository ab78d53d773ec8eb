"""`musicvae vary`: variations of songs."""

from __future__ import annotations

from pathlib import Path

import click

from musicvae.cli.common import (
    INPUT,
    Finite,
    checkpoint_option,
    complain,
    device_option,
    json_option,
    seed_option,
)
from musicvae.cli.reading import song_options
from musicvae.cli.songs import Models, Writer, read_aligned, songs_under
from musicvae.cli.sound import Sound, audio_option
from musicvae.errors import MusicVAEError
from musicvae.options import ReadOptions


@click.command(name="vary")
@click.argument("paths", nargs=-1, required=True, type=INPUT)
@click.option(
    "--amount",
    type=Finite(0, 1),
    default=0.5,
    show_default=True,
    help="0 is the reconstruction, 1 another song of the same bars.",
)
@click.option(
    "--n", type=click.IntRange(min=1), default=1, show_default=True, help="How many of each song."
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("varied"),
    show_default=True,
    help="Folder to write to.",
)
@click.option(
    "--temperature",
    type=Finite(min=0),
    default=1.0,
    show_default=True,
    help="Below 1 nearer to the usual, above 1 bolder.",
)
@song_options
@audio_option
@checkpoint_option
@seed_option
@device_option
@json_option
def command(
    paths: tuple[Path, ...],
    amount: float,
    n: int,
    out: Path,
    temperature: float,
    options: ReadOptions,
    audio: Sound | None,
    checkpoint: str | None,
    seed: int,
    device: str,
    as_json: bool,
) -> None:
    """Make variations of songs (files or folders), each as near to its song as --amount says.

    Length, meters, tempo, parts and programs stay; so does what the model cannot represent.

    \b
    Examples:
      musicvae vary song.mid
      musicvae vary song.mid --amount 0.3 --n 4 --out variations/
    """
    writer = Writer(out, as_json=as_json, audio=audio)
    models = Models(checkpoint, device)
    failed = False
    for path in songs_under(paths):
        try:
            song = read_aligned(path, options)
            model = models.suiting(song)
            for nth in range(n):
                made = model.vary(song, amount=amount, temperature=temperature, seed=seed + nth)
                note = f"musicvae vary {path.name} --amount {amount:g} --seed {seed + nth}"
                writer.numbered(
                    made,
                    path.stem,
                    note=f"{note} checkpoint {model.hash}",
                    amount=amount,
                    seed=seed + nth,
                    source=str(path),
                )
        except MusicVAEError as error:
            failed = True
            complain(error)
    if failed:
        raise SystemExit(1)
