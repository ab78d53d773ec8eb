"""Floor 11: `musicvae evaluate`: how good a model is, on songs it has not seen."""

from __future__ import annotations

from pathlib import Path

import click

from musicvae.cli.common import INPUT, console, device_option, emit, json_option, seed_option
from musicvae.cli.reading import song_options
from musicvae.cli.songs import load_model
from musicvae.options import ReadOptions


@click.command(name="evaluate")
@click.argument("checkpoint", metavar="CHECKPOINT")
@click.argument("path", type=INPUT)
@click.option(
    "--split",
    type=click.Choice(["test", "valid", "all"]),
    default="test",
    show_default=True,
    help="Songs held out as the model's training divided the folder; `all` of a foreign one.",
)
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    default=1024,
    show_default=True,
    help="Windows to give back at most.",
)
@seed_option
@song_options
@device_option
@json_option
def command(
    checkpoint: str,
    path: Path,
    split: str,
    limit: int,
    seed: int,
    options: ReadOptions,
    device: str,
    as_json: bool,
) -> None:
    """Judge CHECKPOINT, a name or a path, on the songs under PATH.

    \b
    Example:
      musicvae evaluate melody-2bar folk/
    """
    from musicvae.evaluate import evaluate

    model = load_model(checkpoint, device, seed=seed)
    found = evaluate(
        model, path, split=split, limit=limit, seed=seed, options=options, say=console().print
    )
    figures = found.to_dict()
    emit(as_json, "evaluation", path=figures.pop("checkpoint"), **figures)
