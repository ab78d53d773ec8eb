"""`musicvae continue`: songs and what comes next."""

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


@click.command(name="continue")
@click.argument("paths", nargs=-1, required=True, type=INPUT)
@click.option(
    "--bars", type=click.IntRange(min=1), default=8, show_default=True, help="Bars to add."
)
@click.option(
    "--n", type=click.IntRange(min=1), default=1, show_default=True, help="How many of each song."
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("continued"),
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
    bars: int,
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
    """Go on from songs (files or folders): every note as it was, then --bars more bars to an end.

    They begin at the first bar line after the last note, in the meter, tempo and key that hold
    there.

    \b
    Examples:
      musicvae continue song.mid
      musicvae continue song.mid --bars 16 --n 4 --temperature 0.8
    """
    writer = Writer(out, as_json=as_json, audio=audio)
    models = Models(checkpoint, device)
    failed = False
    for path in songs_under(paths):
        try:
            song = read_aligned(path, options)
            model = models.suiting(song)
            for nth in range(n):
                made = model.continue_(song, bars=bars, temperature=temperature, seed=seed + nth)
                note = f"musicvae continue {path.name} --bars {bars} --seed {seed + nth}"
                writer.numbered(
                    made,
                    path.stem,
                    note=f"{note} checkpoint {model.hash}",
                    bars=bars,
                    seed=seed + nth,
                    source=str(path),
                )
        except MusicVAEError as error:
            failed = True
            complain(error)
    if failed:
        raise SystemExit(1)
