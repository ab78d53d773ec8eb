"""`musicvae prepare`: a folder of MIDI to shards and a report."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from musicvae.cli.common import emit, json_option, progress_bar

if TYPE_CHECKING:
    from musicvae.dataset import PrepareReport


@click.command(name="prepare")
@click.argument("path", type=click.Path(path_type=Path))
@click.option(
    "--out", required=True, type=click.Path(path_type=Path), help="Folder for the shards."
)
@click.option(
    "--workers", type=click.IntRange(1), help="Processes that read; one a core if not given."
)
@json_option
def command(path: Path, out: Path, workers: int | None, as_json: bool) -> None:
    """Read all MIDI under PATH into shards in --out, with report.json beside them.

    The report accounts for every file: kept, or skipped and why. Training and `Windows` accept the
    folder in place of the MIDI.

    \b
    Example:
      musicvae prepare data/midi/ --out data/prepared/
    """
    from musicvae.dataset import prepare

    with progress_bar("reading") as advance:
        report = prepare(path, out, workers=workers, progress=advance)
    emit(as_json, "prepared", path=out, **asdict(report))
    if not as_json:
        click.echo("\n".join(_summary(report, out)))


def _summary(report: PrepareReport, out: Path) -> list[str]:
    lines = [
        f"{out}: {report.kept:,} of {report.files:,} files kept, "
        f"{report.bars:,} bars, {report.windows:,} windows, {report.notes:,} notes"
    ]
    if report.moved:
        share = report.moved / max(report.notes + report.merged, 1)
        lines.append(f"moved to the grid: {report.moved:,} notes ({share:.1%})")
    if report.merged:
        lines.append(f"merged with another on the same pitch: {report.merged:,} notes")
    reasons: dict[str, list[str]] = {}
    for skipped in report.skipped:
        reasons.setdefault(skipped["reason"], []).append(skipped["path"])
    for reason, paths in sorted(reasons.items(), key=lambda item: (-len(item[1]), item[0])):
        shown = ", ".join(paths[:3]) + (", ..." if len(paths) > 3 else "")
        lines.append(f"skipped {len(paths):,}: {reason} ({shown})")
    return lines
