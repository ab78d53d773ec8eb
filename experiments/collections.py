"""Collections of songs as they are read: the table of docs/collections.md.

    python -m experiments.collections FOLDER [FOLDER ...] [--out SHARDS] [--workers 1]

Prepares each folder (`musicvae prepare`) and prints a row of Markdown for it: files, songs kept,
bars, notes, parts a song, meters and keys by share of bars and of songs, groups of near-duplicates,
and seconds to read, in wall-clock time of this machine; below the table, each reason for a file
that was left out, and each kind of warning with the number of files.
"""

from __future__ import annotations

import tempfile
import time
from collections import Counter
from pathlib import Path
from statistics import median

import click

from musicvae.data import Shards
from musicvae.data.prepare import prepare
from musicvae.data.report import PrepareReport

_COLUMNS = (
    "collection",
    "files",
    "kept",
    "bars",
    "notes",
    "parts",
    "meters",
    "keys",
    "near-duplicates",
    "s",
)
_N_SHOWN = 3


def shares(counts: Counter[str]) -> str:
    """Return the most frequent values with their shares in percent."""
    total = counts.total() or 1
    shown = counts.most_common(_N_SHOWN)
    text = ", ".join(f"{value} {100 * count / total:.0f}%" for value, count in shown)
    others = len(counts) - len(shown)
    return text + (f", {others} others" if others > 0 else "")


def key_name(fifths: int, minor: bool) -> str:
    """Return the name of a key signature: ``"G major"``."""
    tonic = "FCGDAEB"[(fifths + (3 if minor else 0) + 1) % 7]
    accidentals = (fifths + (3 if minor else 0) + 1) // 7
    return tonic + ("#" * accidentals or "b" * -accidentals) + (" minor" if minor else " major")


def table_row(name: str, report: PrepareReport, shards: Shards, seconds: float) -> list[str]:
    """Return the cells of a collection."""
    meters: Counter[str] = Counter()
    keys: Counter[str] = Counter()
    parts = []
    for song in shards:
        grid, header = song.bars.grid, song.bars.header
        meters.update(f"{n}/{d}" for n, d in zip(grid.numerator, grid.denominator, strict=True))
        parts.append(len(header.parts))
        if len(header.key.ticks):
            keys[key_name(int(header.key.fifths[0]), bool(header.key.minor[0]))] += 1
        else:
            keys["none"] += 1
    few, many = min(parts), max(parts)
    groups = report.to_json()["duplicates"]
    return [
        f"`{name}`",
        f"{report.files:,}",
        f"{report.kept:,}",
        f"{report.bars:,}",
        f"{report.notes:,}",
        f"{few}" if few == many else f"{few} to {many}, median {median(parts):g}",
        shares(meters),
        shares(keys),
        f"{len(groups):,}",
        f"{seconds:.0f}",
    ]


@click.command(help=__doc__)
@click.argument("folders", nargs=-1, required=True, type=click.Path(exists=True, file_okay=False))
@click.option("--out", type=click.Path(file_okay=False), help="Keep the shards in this folder.")
@click.option("--workers", default=1, show_default=True)
def main(folders: tuple[str, ...], out: str | None, workers: int) -> None:
    """Print the table."""
    click.echo(f"| {' | '.join(_COLUMNS)} |\n|{'---|' * len(_COLUMNS)}")
    remarks = []
    with tempfile.TemporaryDirectory() as temporary:
        for folder in map(Path, folders):
            target = Path(out or temporary) / folder.name
            began = time.perf_counter()
            report = prepare(folder, target, workers=workers)
            seconds = time.perf_counter() - began
            click.echo(f"| {' | '.join(table_row(folder.name, report, Shards(target), seconds))} |")
            remarks += [f"- {folder.name}/{e['path']}: {e['reason']}" for e in report.skipped]
            remarks += [
                f"- {folder.name}: {count} files: {kind}"
                for kind, count in report.warnings.most_common()
            ]
    click.echo("\n" + "\n".join(remarks))


if __name__ == "__main__":
    main()
