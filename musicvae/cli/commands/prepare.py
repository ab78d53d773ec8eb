"""`musicvae prepare`: read a folder of files into shards, with a report."""

from __future__ import annotations

from collections import Counter
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import click

from musicvae.cli.console import ANY_PATH, emit, json_option, print_line, progress_bar
from musicvae.cli.options import ReportFile, read_options, report_option
from musicvae.config.size_limits import MAX_WORKERS
from musicvae.errors import one_line
from musicvae.io.options import ReadOptions

if TYPE_CHECKING:
    from musicvae.data import PrepareReport
    from musicvae.song import Song

MAX_REASONS = 12  # printed of each kind; report.json has all
N_REPORT_SONGS, MAX_CANDIDATES = 6, 300  # songs in a report, and the number they are chosen from


@click.command(name="prepare")
@click.argument("path", type=ANY_PATH)
@click.option("--out", required=True, type=ANY_PATH, help="Output folder for the shards.")
@click.option(
    "--workers",
    type=click.IntRange(1, MAX_WORKERS),
    help="Number of reading processes; one per core by default.",
)
@read_options
@report_option
@json_option
def command(
    path: Path,
    out: Path,
    workers: int | None,
    options: ReadOptions,
    report: ReportFile | None,
    as_json: bool,
) -> None:
    """Read all files under PATH into shards in --out, with a report.json beside them.

    The report accounts for every file: kept, or skipped with the reason. Training and
    `WindowDataset` accept the folder in place of the MIDI files. Interrupted or repeated runs do
    not read files again that were read with the same options.

    \b
    Example:
      musicvae prepare data/midi/ --out data/prepared/
    """
    from musicvae.data.prepare import prepare

    with progress_bar("reading") as advance:
        prepared = prepare(path, out, options=options, workers=workers, progress=advance)
    if as_json:
        emit(as_json, "prepared", path=out, **prepared.to_json())
    else:
        _print_report(prepared, out)
    if report:
        from musicvae.report import preparation_page

        songs, names = _report_songs(out)
        title = f"Preparation of {path.name or path}"
        report.write(
            lambda how, advance: preparation_page(
                prepared, songs, names, title=title, embedding=how, progress=advance
            )
        )


def _report_songs(folder: Path) -> tuple[list[Song], list[str]]:
    """Return songs spread over the start of a prepared folder, and their names."""
    from musicvae.data import Shards

    candidates = list(islice(Shards(folder), MAX_CANDIDATES))
    chosen = candidates[:: max(len(candidates) // N_REPORT_SONGS, 1)][:N_REPORT_SONGS]
    return [song.bars.to_song() for song in chosen], [Path(song.path).stem for song in chosen]


def _print_report(report: PrepareReport, out: Path) -> None:
    """Print the counts of a report as a table."""
    from rich.console import Console
    from rich.table import Table

    counts = report.counts
    print_line(
        f"{out}: {counts.kept:,} of {counts.files:,} files kept, "
        f"{counts.bars:,} bars, {counts.windows:,} windows, {counts.notes:,} notes"
    )
    table = Table("what", "number", "", box=None, pad_edge=False)
    table.columns[1].justify = "right"
    moved = f"{counts.moved / max(counts.notes + counts.merged, 1):.1%} of all notes"
    rows = [
        *((f"skipped: {reason}", n, _example_text(counts.examples.get(reason, []), n))
          for reason, n in _top_entries(counts.reasons)),
        *((f"parts: {role}", n, "") for role, n in _top_entries(counts.parts)),
        *((f"bars: {reason}", n, "") for reason, n in _top_entries(counts.bars_by_reason)),
        ("notes moved to the grid", counts.moved, moved),
        ("notes merged with another on their pitch", counts.merged, ""),
        *((f"warning: {text}", n, "") for text, n in _top_entries(counts.warnings)),
        *((f"duplicates: {kind}", n, "groups, named in report.json")
          for kind, n in report.duplicates.items()),
    ]  # fmt: skip
    for label, number, detail in rows:
        if number:
            table.add_row(label, f"{number:,}", detail)
    # Wide enough that paths are neither cut nor wrapped.
    Console(width=10_000, highlight=False, markup=False, emoji=False).print(table)


def _top_entries(counter: Counter[str]) -> list[tuple[str, int]]:
    """Return the most frequent entries, and the number of all others as one entry."""
    ranked = sorted(counter.items(), key=lambda item: (-item[1], item[0]))
    rest = sum(number for _, number in ranked[MAX_REASONS:])
    return ranked[:MAX_REASONS] + ([("others, see report.json", rest)] if rest else [])


def _example_text(paths: list[str], number: int) -> str:
    """Return example paths as text, with an ellipsis if there are more."""
    return ", ".join(map(one_line, paths)) + (", ..." if number > len(paths) else "")
