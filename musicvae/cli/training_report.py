"""Floor 11: the page of a training run: beside its model always, elsewhere if asked."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from musicvae.cli.common import complain, console
from musicvae.errors import MusicVAEError, one_line

if TYPE_CHECKING:
    from musicvae.cli.reporting import ReportFile
    from musicvae.song import Song
    from musicvae.training.run import Announcement, TrainingResult

PAGE = "report.html"
_SONGS = 4


def write_training_report(
    folder: Path, result: TrainingResult, plan: Announcement | None, report: ReportFile | None
) -> str:
    """Write `report.html` into the folder of a run, without sound, which takes longer; and one with
    sound where `--report` says. Returns the path of the first, empty if it could not be written.
    """
    from musicvae.report import NO_SOUND, training_page

    try:
        songs = _songs(result.model)
        told = (
            f"Training of {folder.name}",
            f"{result.steps:,} of {result.total_steps:,} steps, {result.model.name}",
            _rows(folder),
            _table(plan),
            songs,
            [f"sample {nth}" for nth in range(1, len(songs) + 1)],
        )
        path = training_page(*told, embedding=NO_SOUND).save(folder / PAGE)
    except MusicVAEError as error:
        complain(error)  # the model is there all the same
        return ""
    console().print(one_line(f"a page about it is {path}"))
    if report:
        page = partial(training_page, *told)
        report.write(lambda how, advance: page(embedding=how, progress=advance))
    return str(path)


def _songs(model: Path) -> list[Song]:
    """Songs of a model, if it makes any."""
    from musicvae.model import MusicVAE

    loaded = MusicVAE.load(model)
    if loaded.preset.training.objective == "dae" or loaded.preset.prior.kind == "none":
        return []
    try:
        return loaded.sample(_SONGS, bars=max(8, loaded.preset.grid.bars), seed=1)
    except MusicVAEError:
        return []  # an autoencoder has nothing to draw from


def _rows(folder: Path) -> list[dict[str, str]]:
    from musicvae.cli.plot import read_metrics

    try:
        return read_metrics(folder / "metrics.csv")
    except MusicVAEError:
        return []  # it was stopped before the first validation


def _table(plan: Announcement | None) -> list[tuple[str, str]]:
    if plan is None:
        return []
    learned, held = plan.counts["train"], plan.counts.get("valid", {})
    rows: list[tuple[str, int | float | str]] = [
        ("preset", plan.preset),
        ("parameters", plan.parameters),
        ("files read", plan.files - len(plan.skipped)),
        ("files left out", len(plan.skipped)),
        ("songs to learn from", learned["songs"]),
        ("songs held out", held.get("songs", 0)),
        ("windows to learn from", learned["windows"]),
        ("notes in them", learned["notes"]),
        ("device", f"{plan.device} in {plan.precision}"),
        ("steps", plan.total_steps),
        ("passes over the songs", round(plan.epochs, 1)),
        ("seed", str(plan.seed)),
    ]
    return [(name, v if isinstance(v, str) else f"{v:,}") for name, v in rows]
