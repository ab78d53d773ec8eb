"""`musicvae prepare`: a folder of files to shards and a report."""

from __future__ import annotations

from collections import Counter
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import click

from musicvae.cli.console import INPUT_PATH, emit, json_option, print_line, progress_bar
from musicvae.cli.options import ReportFile, read_options, report_option
from musicvae.errors import one_line
from musicvae.io.options import ReadOptions

if TYPE_CHECKING:
    from musicvae.data import PrepareReport
    from musicvae.song import Song

MAX_REASONS = 12  # shown of each kind; report.json has all
N_REPORT_SONGS, MAX_CANDIDATES = 6, 300  # songs of a report, and of how many they are chosen


@click.command(name="prepare")
@click.argument("path", type=INPUT_PATH)
@click.option(
    "--out", required=True, type=click.Path(path_type=Path), help="Folder for the shards."
)
@click.option(
    "--workers", type=click.IntRange(1), help="Processes that read; one a core if not given."
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
    """Read all files under PATH into shards in --out, with report.json beside them.

    The report accounts for every file: kept, or skipped and why. Training and `Windows` accept the
    folder in place of the MIDI. Interrupted or called again it goes on: files that were read before
    with the same options are not read again.

    \b
    Example:
      musicvae prepare data/midi/ --out data/prepared/
    """
    from musicvae.data import prepare

    with progress_bar("reading") as advance:
        found = prepare(path, out, options=options, workers=workers, progress=advance)
    if as_json:
        emit(as_json, "prepared", path=out, **found.to_json())
    else:
        _print_report(found, out)
    if report:
        from musicvae.report import preparation_page

        songs, names = _report_songs(out)
        title = f"{path.name or path}, read"
        report.write(
            lambda how, advance: preparation_page(
                found, songs, names, title=title, embedding=how, progress=advance
            )
        )


def _report_songs(folder: Path) -> tuple[list[Song], list[str]]:
    """Songs spread over the first ones of a prepared folder, and their names."""
    from musicvae.data import Shards

    first = list(islice(Shards(folder), MAX_CANDIDATES))
    some = first[:: max(len(first) // N_REPORT_SONGS, 1)][:N_REPORT_SONGS]
    return [one.bars.to_song() for one in some], [Path(one.path).stem for one in some]


def _print_report(report: PrepareReport, out: Path) -> None:
    from rich.console import Console
    from rich.table import Table

    sums = report.counts
    print_line(
        f"{out}: {sums.kept:,} of {sums.files:,} files kept, "
        f"{sums.bars:,} bars, {sums.windows:,} windows, {sums.notes:,} notes"
    )
    table = Table("what", "number", "", box=None, pad_edge=False)
    table.columns[1].justify = "right"
    moved = f"{sums.moved / max(sums.notes + sums.merged, 1):.1%} of all notes"
    rows = [
        *((f"skipped: {reason}", n, _example_text(sums.examples.get(reason, []), n))
          for reason, n in _top_entries(sums.reasons)),
        *((f"parts: {role}", n, "") for role, n in _top_entries(sums.parts)),
        *((f"bars: {reason}", n, "") for reason, n in _top_entries(sums.bars_by_reason)),
        ("notes moved to the grid", sums.moved, moved),
        ("notes merged with another on their pitch", sums.merged, ""),
        *((f"warning: {words}", n, "") for words, n in _top_entries(sums.warnings)),
        *((f"duplicates: {kind}", n, "groups, named in report.json")
          for kind, n in report.duplicates.items()),
    ]  # fmt: skip
    for what, number, more in rows:
        if number:
            table.add_row(what, f"{number:,}", more)
    # Not narrower than it needs: a path that is cut or broken is of no use.
    Console(width=10_000, highlight=False, markup=False, emoji=False).print(table)


def _top_entries(counter: Counter[str]) -> list[tuple[str, int]]:
    """The most frequent entries, and the number of all others as one."""
    ranked = sorted(counter.items(), key=lambda item: (-item[1], item[0]))
    rest = sum(number for _, number in ranked[MAX_REASONS:])
    return ranked[:MAX_REASONS] + ([("others, see report.json", rest)] if rest else [])


def _example_text(paths: list[str], number: int) -> str:
    return ", ".join(map(one_line, paths)) + (", ..." if number > len(paths) else "")
