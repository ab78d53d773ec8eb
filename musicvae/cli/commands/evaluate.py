"""Floor 11: `musicvae evaluate`: how good a model is, on songs it has not seen."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from musicvae.cli import completion
from musicvae.cli.console import (
    INPUT,
    console,
    device_option,
    emit,
    force_option,
    json_option,
    seed_option,
)
from musicvae.cli.inputs import load_model
from musicvae.cli.options import (
    ReportFile,
    look_options,
    picture_path,
    report_option,
    song_options,
    tell_picture,
)
from musicvae.errors import one_line
from musicvae.io.options import ReadOptions

if TYPE_CHECKING:
    from musicvae.plots import Theme

_SONGS = 4  # of the model, on a report


@click.command(name="evaluate")
@click.argument("checkpoint", metavar="CHECKPOINT", shell_complete=completion.checkpoints)
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
@click.option(
    "--n",
    type=click.IntRange(min=2),
    default=1024,
    show_default=True,
    help="Windows to sample and to compare with as many real ones, at most.",
)
@click.option("--plot", type=click.Path(path_type=Path), help="A picture: PNG, SVG or PDF.")
@look_options
@report_option
@force_option
@seed_option
@song_options
@device_option
@json_option
def command(
    checkpoint: str,
    path: Path,
    split: str,
    limit: int,
    n: int,
    plot: Path | None,
    look: Theme,
    report: ReportFile | None,
    force: bool,
    seed: int,
    options: ReadOptions,
    device: str,
    as_json: bool,
) -> None:
    """Judge CHECKPOINT, a name or a path, on the songs under PATH.

    How it gives back windows of songs that it has not seen, how likely they are, and how samples
    compare with them; docs/evaluate.md says what each figure is.

    \b
    Examples:
      musicvae evaluate melody-2bar data/folk/
      musicvae evaluate melody-2bar data/folk/ --plot melody-2bar.png --json
    """
    from musicvae.evaluation import evaluate, text

    if plot is not None:
        picture_path(plot, force=force)
    model = load_model(checkpoint, device, seed=seed)
    found = evaluate(
        model,
        path,
        split=split,
        limit=limit,
        n=n,
        seed=seed,
        options=options,
        say=lambda words: console().print(one_line(words)),
    )
    figures = found.to_dict()
    emit(as_json, "evaluation", path=figures.pop("checkpoint"), **figures)
    if not as_json:
        click.echo(text(found))
    if plot is not None:
        from musicvae.plots import plot_evaluation

        title = f"{found.preset} on {path.name or path}, {found.split} songs"
        plot_evaluation(found.to_dict(), found.comparison.distributions, plot, title, look=look)
        tell_picture(plot, as_json=as_json)
    if report:
        from musicvae.report import evaluation_page

        songs = model.sample(_SONGS, seed=seed)
        names = [f"sample {nth}" for nth in range(1, _SONGS + 1)]
        report.write(
            lambda how, advance: evaluation_page(
                found, songs, names, embedding=how, progress=advance
            )
        )
