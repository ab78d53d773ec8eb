"""Floor 11: `musicvae evaluate`: how good a model is, on songs it has not seen."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from musicvae.cli.commands import completion
from musicvae.cli.console import (
    INPUT_PATH,
    device_option,
    emit,
    force_option,
    json_option,
    seed_option,
    stderr_console,
)
from musicvae.cli.inputs import load_model
from musicvae.cli.options import (
    ReportFile,
    check_plot_path,
    print_plot_path,
    report_option,
    song_read_options,
    theme_options,
)
from musicvae.errors import one_line
from musicvae.io.options import ReadOptions

if TYPE_CHECKING:
    from musicvae.plots import Theme

N_REPORT_SONGS = 4  # of the model, on a report


@click.command(name="evaluate")
@click.argument("checkpoint", metavar="CHECKPOINT", shell_complete=completion.complete_checkpoint)
@click.argument("path", type=INPUT_PATH)
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
@theme_options
@report_option
@force_option
@seed_option
@song_read_options
@device_option
@json_option
def command(
    checkpoint: str,
    path: Path,
    split: str,
    limit: int,
    n: int,
    plot: Path | None,
    theme: Theme,
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
    from musicvae.evaluation import evaluate, format_evaluation

    if plot is not None:
        check_plot_path(plot, force=force)
    model = load_model(checkpoint, device, seed=seed)
    found = evaluate(
        model,
        path,
        split=split,
        limit=limit,
        n=n,
        seed=seed,
        options=options,
        on_progress=lambda words: stderr_console().print(one_line(words)),
    )
    figures = found.to_dict()
    emit(as_json, "evaluation", path=figures.pop("checkpoint"), **figures)
    if not as_json:
        click.echo(format_evaluation(found))
    if plot is not None:
        from musicvae.plots import plot_evaluation

        title = f"{found.preset} on {path.name or path}, {found.split} songs"
        plot_evaluation(found.to_dict(), found.comparison.distributions, plot, title, theme=theme)
        print_plot_path(plot, as_json=as_json)
    if report:
        from musicvae.report import evaluation_page

        songs = model.sample(N_REPORT_SONGS, seed=seed)
        names = [f"sample {nth}" for nth in range(1, N_REPORT_SONGS + 1)]
        report.write(
            lambda how, advance: evaluation_page(
                found, songs, names, embedding=how, progress=advance
            )
        )
