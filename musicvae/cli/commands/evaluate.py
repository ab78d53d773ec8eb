"""`musicvae evaluate`: evaluate a model on held-out songs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from musicvae.cli import completion
from musicvae.cli.console import ANY_PATH, TEXT, emit, stderr_console
from musicvae.cli.inputs import load_model
from musicvae.cli.options import (
    ModelOptions,
    ReportFile,
    check_plot_path,
    model_options,
    print_plot_path,
    report_option,
    theme_options,
)
from musicvae.config.size_limits import MAX_WINDOWS
from musicvae.errors import DataError, one_line
from musicvae.storage import exclusive_writes

if TYPE_CHECKING:
    from musicvae.plots import Theme

N_REPORT_SONGS = 4  # sampled for the report


@click.command(name="evaluate")
@click.argument(
    "checkpoint", type=TEXT, metavar="CHECKPOINT", shell_complete=completion.complete_checkpoint
)
@click.argument("path", type=ANY_PATH)
@click.option(
    "--split",
    type=click.Choice(["test", "valid", "all"]),
    default="test",
    show_default=True,
    help="Split of the folder, as divided in training; `all` for songs unknown to the model.",
)
@click.option(
    "--limit",
    type=click.IntRange(1, MAX_WINDOWS),
    default=1024,
    show_default=True,
    help="Maximum number of windows to reconstruct.",
)
@click.option(
    "--n",
    type=click.IntRange(2, MAX_WINDOWS),
    default=1024,
    show_default=True,
    help="Maximum number of windows to sample and to compare with real ones.",
)
@click.option(
    "--samples",
    type=ANY_PATH,
    help="Also judge the songs of this folder, such as those of another system, as samples are.",
)
@click.option("--plot", type=ANY_PATH, help="Plot the results to this PNG, SVG or PDF file.")
@theme_options
@report_option
@model_options(force=True, checkpoint=False, seed=True)
def command(
    checkpoint: str,
    path: Path,
    split: str,
    limit: int,
    n: int,
    samples: Path | None,
    plot: Path | None,
    theme: Theme,
    report: ReportFile | None,
    shared: ModelOptions,
) -> None:
    """Evaluate CHECKPOINT, a name or a path, on the songs under PATH.

    Reports the reconstruction of windows of held-out songs, their likelihood, and how samples of
    the model compare with them. Of few songs only what can be said is reported.

    \b
    Examples:
      musicvae evaluate melody-2bar data/folk/
      musicvae evaluate melody-2bar data/folk/ --plot melody-2bar.png --json
      musicvae evaluate melody-2bar data/folk/ --samples other-system/
    """
    from musicvae.evaluation import evaluate, format_evaluation

    if plot is not None:
        check_plot_path(plot, force=shared.force)
    model = load_model(checkpoint, shared.device, seed=shared.seed)
    result = evaluate(
        model,
        path,
        split=split,
        limit=limit,
        n=n,
        samples=samples,
        seed=shared.seed,
        options=shared.options,
        on_progress=lambda text: stderr_console().print(one_line(text)),
    )
    figures = result.to_dict()
    emit(shared.as_json, "evaluation", path=figures.pop("checkpoint"), **figures)
    if not shared.as_json:
        click.echo(format_evaluation(result))
    else:
        for note in result.notes:
            stderr_console().print(one_line(note))
    if plot is not None and result.comparison is not None:
        from musicvae.plots import plot_evaluation

        title = f"{result.preset} on {path.name or path}, {result.split} songs"
        distributions = result.comparison.distributions
        with exclusive_writes(not shared.force):
            plot_evaluation(result.to_dict(), distributions, plot, title, theme=theme)
        print_plot_path(plot, as_json=shared.as_json)
    if report:
        from musicvae.report import evaluation_page

        songs = model.sample(N_REPORT_SONGS, seed=shared.seed)
        names = [f"sample {nth}" for nth in range(1, N_REPORT_SONGS + 1)]
        report.write(
            lambda how, advance: evaluation_page(
                result, songs, names, embedding=how, progress=advance
            )
        )
    if plot is not None and result.comparison is None:
        raise DataError(f"{plot}: not drawn, too few songs to compare samples with; give more")
