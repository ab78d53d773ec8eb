"""`musicvae personalise`: a trained model that samples songs like one's own."""

from __future__ import annotations

from pathlib import Path

import click

from musicvae.cli.commands import completion
from musicvae.cli.console import INPUT_PATH, emit, json_option, progress_bar, stderr_console
from musicvae.cli.options import read_options
from musicvae.errors import DataError
from musicvae.io.options import ReadOptions


@click.command(name="personalise")
@click.argument("path", type=INPUT_PATH)
@click.option(
    "--from",
    "origin",
    metavar="CHECKPOINT",
    shell_complete=completion.complete_checkpoint,
    help="The model; the shipped one that the songs fit best if not given.",
)
@click.option(
    "--name", help="It writes checkpoints/NAME/; `my-` and the model's name if not given."
)
@read_options
@json_option
def command(
    path: Path, origin: str | None, name: str | None, options: ReadOptions, as_json: bool
) -> None:
    """Learn in seconds where the songs under PATH lie in a trained model's latent space.

    The model itself stays as it is, so nothing is forgotten; `sample` then draws songs like these.
    To teach it what it cannot do yet: musicvae train PATH --from NAME, which takes minutes.

    \b
    Examples:
      musicvae personalise my-songs/
      musicvae personalise my-songs/ --from melody-2bar --name mine
    """
    from musicvae.checkpoints import best_shipped, checkpoint_name, find, unused_run_name
    from musicvae.data import Shards, prepare_cached
    from musicvae.training.finetune import sample_songs
    from musicvae.training.personalize import personalize

    if name is not None and (not name or Path(name).name != name):
        raise click.UsageError(f"--name {name!r}: give a plain name, no path")
    with progress_bar("reading") as reading:
        prepared = prepare_cached(path, options=options, progress=reading)
    model = find(origin) if origin else best_shipped(None, sample_songs(Shards(prepared)))
    if model is None:
        raise DataError(f"{path}: fits no shipped model; name one with --from, or train one")
    run = unused_run_name(name or f"my-{checkpoint_name(model)}", named=name is not None)
    made = personalize(prepared, model, Path("checkpoints") / run, source_name=path.name)
    stderr_console().print(
        f"songs like these, by {checkpoint_name(model)}: musicvae sample --checkpoint {run}"
    )
    emit(as_json, "personalised", path=made, model=checkpoint_name(model))
