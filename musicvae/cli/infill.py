"""`musicvae infill`: songs with some of their bars written anew."""

from __future__ import annotations

import re
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


def _span(ctx: click.Context, param: click.Parameter, value: str) -> tuple[int, int]:
    """Bars from one to another, both included: `5-8`, or `5`."""
    found = re.fullmatch(r"([0-9]{1,6})(?:-([0-9]{1,6}))?", value.strip())
    if not found:
        raise click.BadParameter(f"{value!r}: give bars as 5-8, or one bar as 5.")
    first = int(found[1])
    last = first if found[2] is None else int(found[2])
    if last < first:
        raise click.BadParameter(f"{value!r} ends before it begins.")
    return first, last


@click.command(name="infill")
@click.argument("paths", nargs=-1, required=True, type=INPUT)
@click.option(
    "--bars",
    required=True,
    callback=_span,
    metavar="A-B",
    help="Which bars: 5-8, or 5 alone. Bars are counted from 1; a pickup is bar 0.",
)
@click.option(
    "--n", type=click.IntRange(min=1), default=1, show_default=True, help="How many of each song."
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("infilled"),
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
    bars: tuple[int, int],
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
    """Write some bars of songs (files or folders) anew, between what stands around them.

    All notes that begin in other bars stay exactly as they are.

    \b
    Examples:
      musicvae infill song.mid --bars 5-8
      musicvae infill song.mid --bars 3 --n 4 --out choices/
    """
    writer = Writer(out, as_json=as_json, audio=audio)
    models = Models(checkpoint, device)
    failed = False
    for path in songs_under(paths):
        try:
            song = read_aligned(path, options)
            model = models.suiting(song)
            for nth in range(n):
                made = model.infill(song, *bars, temperature=temperature, seed=seed + nth)
                span = f"{bars[0]}-{bars[1]}"
                note = f"musicvae infill {path.name} --bars {span} --seed {seed + nth}"
                writer.numbered(
                    made,
                    path.stem,
                    note=f"{note} checkpoint {model.hash}",
                    bars=span,
                    seed=seed + nth,
                    source=str(path),
                )
        except MusicVAEError as error:
            failed = True
            complain(error)
    if failed:
        raise SystemExit(1)
