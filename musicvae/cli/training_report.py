"""The report of a training run: its figures and songs sampled from its model."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from musicvae.cli.console import print_error, stderr_console
from musicvae.cli.inputs import read_metrics
from musicvae.cli.options import ReportFile
from musicvae.cli.training_display import time_taken
from musicvae.errors import MusicVAEError, one_line

if TYPE_CHECKING:
    from musicvae.song import Song
    from musicvae.training.train import RunSummary, TrainingResult

REPORT_FILE = "report.html"
N_REPORT_SONGS = 4


def write_training_report(
    folder: Path, result: TrainingResult, plan: RunSummary | None, report: ReportFile | None
) -> str:
    """Write `report.html` into the folder of a run, and with `--report` a page with sound.

    Returns the path of the first page, or an empty string if it could not be written.
    """
    from musicvae.report import NO_AUDIO, training_page

    try:
        songs = _sample_songs(result.model)
        arguments = (
            f"Training of {folder.name}",
            f"{time_taken(result)}, {result.model.name}",
            _metrics_rows(folder),
            _run_facts(plan, result),
            songs,
            [f"sample {nth}" for nth in range(1, len(songs) + 1)],
        )
        path = training_page(*arguments, embedding=NO_AUDIO).save(folder / REPORT_FILE)
    except MusicVAEError as error:
        print_error(error)  # the model is saved in any case
        return ""
    stderr_console().print(one_line(f"report: {path}"))
    if report:
        page = partial(training_page, *arguments)
        report.write(lambda how, advance: page(embedding=how, progress=advance))
    return str(path)


def _sample_songs(model: Path) -> list[Song]:
    """Return songs sampled from a model, none if it cannot sample."""
    from musicvae.model import MusicVAE

    loaded = MusicVAE.load(model)
    if loaded.preset.training.objective == "dae" or loaded.preset.prior.kind == "none":
        return []
    try:
        return loaded.sample(N_REPORT_SONGS, bars=max(8, loaded.preset.grid.bars), seed=1)
    except MusicVAEError:
        return []  # an autoencoder has no prior


def _metrics_rows(folder: Path) -> list[dict[str, str]]:
    """Return the rows of `metrics.csv`, none if there is no validation yet."""
    try:
        return read_metrics(folder / "metrics.csv")
    except MusicVAEError:
        return []  # stopped before the first validation


def _run_facts(plan: RunSummary | None, result: TrainingResult) -> list[tuple[str, str]]:
    """Return rows of names and values that describe a run: what was done, not what was planned."""
    if plan is None:
        return []
    train, held_out = plan.counts["train"], plan.counts.get("valid", {})
    rows: list[tuple[str, int | float | str]] = [
        ("preset", plan.preset),
        ("parameters", plan.parameters),
        ("files read", plan.files - len(plan.skipped)),
        ("files skipped", len(plan.skipped)),
        ("training songs", train["songs"]),
        ("held-out songs", held_out.get("songs", 0)),
        ("training windows", train["windows"]),
        ("training notes", train["notes"]),
        ("device", f"{plan.device} in {plan.precision}"),
        ("steps", result.steps),
        ("kept at step", int(result.metrics.get("step", 0))),
        ("epochs", round(result.epochs, 1)),
        ("minutes", f"{result.minutes:.1f}"),
        ("seed", str(plan.seed)),
    ]
    return [(name, v if isinstance(v, str) else f"{v:,}") for name, v in rows]
