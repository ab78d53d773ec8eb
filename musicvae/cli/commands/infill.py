"""`musicvae infill`: songs with some of their bars written anew."""

from __future__ import annotations

import re
from pathlib import Path

import click

from musicvae.cli.console import songs_argument
from musicvae.cli.options import (
    GenerateOptions,
    generate_options,
    temperature_option,
    variants_option,
)


def _parse_bars(ctx: click.Context, param: click.Parameter, value: str) -> tuple[int, int]:
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
@songs_argument
@click.option(
    "--bars",
    required=True,
    callback=_parse_bars,
    metavar="A-B",
    help="Which bars: 5-8, or 5 alone. Bars are counted from 1; a pickup is bar 0.",
)
@variants_option
@temperature_option
@generate_options("infilled", seed=True)
def command(
    paths: tuple[Path, ...],
    bars: tuple[int, int],
    n: int,
    temperature: float,
    shared: GenerateOptions,
) -> None:
    """Write some bars of songs (files or folders) anew, between what stands around them.

    All notes that begin in other bars stay exactly as they are.

    \b
    Examples:
      musicvae infill song.mid --bars 5-8
      musicvae infill song.mid --bars 3 --n 4 --out choices/
    """
    shared.write_variants(
        paths,
        n,
        lambda model, song, seed: model.infill(song, *bars, temperature=temperature, seed=seed),
        command="infill",
        bars=f"{bars[0]}-{bars[1]}",
    )
