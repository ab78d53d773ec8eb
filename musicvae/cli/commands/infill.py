"""`musicvae infill`: rewrite some bars of songs."""

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
    """Parse a range of bars, both ends included: `5-8`, or `5`."""
    match = re.fullmatch(r"([0-9]{1,6})(?:-([0-9]{1,6}))?", value.strip())
    if not match:
        raise click.BadParameter(f"{value!r}: give bars as 5-8, or one bar as 5.")
    first = int(match[1])
    last = first if match[2] is None else int(match[2])
    if last < first:
        raise click.BadParameter(f"{value!r} ends before it starts.")
    return first, last


@click.command(name="infill")
@songs_argument
@click.option(
    "--bars",
    required=True,
    callback=_parse_bars,
    metavar="A-B",
    help="Bars to rewrite, 5-8 or 5, counted from 1; a pickup is bar 0.",
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
    """Rewrite some bars of songs (files or folders) to fit the bars around them.

    Notes that start in other bars are kept exactly.

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
