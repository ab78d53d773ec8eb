"""`musicvae personalise`: adapt a trained model to one's own songs, in seconds."""

from __future__ import annotations

from pathlib import Path

import click

from musicvae.cli import completion
from musicvae.cli.console import (
    ANY_PATH,
    TEXT,
    RunName,
    emit,
    json_option,
    progress_bar,
    stderr_console,
)
from musicvae.cli.options import read_options
from musicvae.errors import DataError
from musicvae.io.options import ReadOptions


@click.command(name="personalise")
@click.argument("path", type=ANY_PATH)
@click.option(
    "--from",
    "origin",
    type=TEXT,
    metavar="CHECKPOINT",
    shell_complete=completion.complete_checkpoint,
    help="Model to adapt; by default the shipped model that fits the songs best.",
)
@click.option(
    "--name", type=RunName(), help="Write checkpoints/NAME/; by default `my-` and the model's name."
)
@read_options
@json_option
def command(
    path: Path, origin: str | None, name: str | None, options: ReadOptions, as_json: bool
) -> None:
    """Fit a small prior to the songs under PATH in the latent space of a trained model.

    This takes seconds; `musicvae sample` then generates songs like these. The model itself is not
    changed. To fine-tune the model itself, in minutes, use: musicvae train PATH --from NAME

    \b
    Examples:
      musicvae personalise my-songs/
      musicvae personalise my-songs/ --from melody-2bar --name mine
    """
    from musicvae.checkpoints import best_shipped, checkpoint_name, claim_run_name, find
    from musicvae.data import Shards
    from musicvae.data.prepare import prepare_cached
    from musicvae.training.finetune import sample_songs
    from musicvae.training.personalize import personalize

    with progress_bar("reading") as reading:
        prepared = prepare_cached(path, options=options, progress=reading)
    model = find(origin) if origin else best_shipped(None, sample_songs(Shards(prepared)))
    if model is None:
        raise DataError(
            f"{path}: no shipped model fits these songs; choose one with --from, or train one"
        )
    run = claim_run_name(name or f"my-{checkpoint_name(model)}", user_chosen=name is not None)
    checkpoint = personalize(prepared, model, Path("checkpoints") / run, source_name=path.name)
    stderr_console().print(
        f"sample songs like these from {checkpoint_name(model)}: musicvae sample --checkpoint {run}"
    )
    emit(as_json, "personalised", path=checkpoint, model=checkpoint_name(model))
