"""`musicvae interpolate`: songs between songs."""

from __future__ import annotations

from pathlib import Path

import click

from musicvae.cli.common import INPUT, checkpoint_option, device_option, json_option
from musicvae.cli.reading import song_options
from musicvae.cli.songs import Writer, load_model, read_aligned
from musicvae.cli.sound import Sound, audio_option
from musicvae.options import ReadOptions


@click.command(name="interpolate")
@click.argument("paths", nargs=-1, required=True, type=INPUT, metavar="A B [C ...]")
@click.option(
    "--steps",
    type=click.IntRange(min=2),
    default=7,
    show_default=True,
    help="Songs to write, both ends included.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Folder to write to; A-to-B beside you if not given.",
)
@song_options
@audio_option
@checkpoint_option
@device_option
@json_option
def command(
    paths: tuple[Path, ...],
    steps: int,
    out: Path | None,
    options: ReadOptions,
    audio: Sound | None,
    checkpoint: str | None,
    device: str,
    as_json: bool,
) -> None:
    """Make songs on the way from A to B (to C ...). The ends are their reconstructions.

    Songs may differ in length, tempo, meter, key and instruments.

    \b
    Examples:
      musicvae interpolate a.mid b.mid
      musicvae interpolate a.mid b.mid c.mid --steps 13 --out morph/ --audio
    """
    if len(paths) < 2:
        raise click.UsageError("give at least two songs: musicvae interpolate a.mid b.mid")
    if steps < len(paths):
        raise click.UsageError(f"--steps {steps} is fewer than the {len(paths)} songs given")
    songs = [read_aligned(path, options) for path in paths]
    writer = Writer(
        out or Path(f"{paths[0].stem}-to-{paths[-1].stem}"), as_json=as_json, audio=audio
    )
    model = load_model(checkpoint, device, songs=songs)
    for song in model.interpolate(*songs, steps=steps):
        names = " ".join(path.name for path in paths)
        writer.numbered(song, "step", note=f"musicvae interpolate {names} checkpoint {model.hash}")
