"""`musicvae corpus`: list the built-in corpora and export them as MIDI."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import click

from musicvae.cli import completion
from musicvae.cli.console import ANY_PATH, SCHEMA, progress_bar
from musicvae.cli.terminal import print_table
from musicvae.config.size_limits import MAX_WORKERS
from musicvae.data import corpora
from musicvae.errors import ConfigError, WriteError


@click.group(name="corpus")
def command() -> None:
    """List the built-in public-domain corpora and export them as MIDI."""


@command.command(name="list")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per corpus.")
def list_(as_json: bool) -> None:
    """List name, number of songs, content and license of the corpora.

    \b
    Example:
      musicvae corpus list
    """
    known = [corpora.get(name) for name in corpora.names()]
    if as_json:
        for corpus in known:
            fields = {"name": corpus.name, "songs": corpus.n_songs, "title": corpus.title}
            _print_json({**fields, "licence": corpus.license})
        return
    rows = [(c.name, str(c.n_songs), c.title, c.license) for c in known]
    print_table(("name", "songs", "content", "license"), rows, numeric=(1,))


@command.command(name="export")
@click.argument("name", shell_complete=completion.complete_corpus)
@click.argument("folder", metavar="DIR", type=ANY_PATH)
@click.option("--limit", type=click.IntRange(min=1), help="Maximum number of songs.")
@click.option(
    "--workers",
    type=click.IntRange(1, MAX_WORKERS),
    help="Number of processes; one per core by default.",
)
@click.option("--force", is_flag=True, help="Overwrite files that differ from the corpus.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per song.")
def export(
    name: str, folder: Path, limit: int | None, workers: int | None, force: bool, as_json: bool
) -> None:
    """Write the corpus NAME into DIR, one MIDI file per song.

    The first export parses the corpus (about a minute); later ones copy it from the cache.

    \b
    Examples:
      musicvae corpus export chorales data/midi/
      musicvae corpus export folk tunes/ --limit 100
    """
    try:
        corpora.get(name)
    except ConfigError as error:
        click.echo(f"musicvae: {error}", err=True)
        click.get_current_context().exit(2)
    with progress_bar(f"reading {name}") as progress:
        report = corpora.export(
            name, folder, limit=limit, workers=workers, force=force, progress=progress
        )
    if as_json:
        for entry in _entries(report):
            _print_json(entry)
    else:
        click.echo(_summary(report))
    if kept := report.paths_with_status("kept"):
        shown = ", ".join(path.name for path in kept[:3]) + (", ..." if len(kept) > 3 else "")
        differ = "1 file here differs" if len(kept) == 1 else f"{len(kept)} files here differ"
        reason = f"{differ} from the corpus, not overwritten ({shown})"
        raise WriteError(report.folder, reason, "choose another folder, or use --force")


def _summary(report: corpora.ExportReport) -> str:
    """Return a summary of the export in two or three lines."""
    songs = [file.piece for file in report.files]
    counts = Counter(file.status for file in report.files)
    written = f"{counts['written']} written, {counts['unchanged']} unchanged"
    n_bars, pickups = sum(piece.bars for piece in songs), sum(piece.pickup for piece in songs)
    lines = [
        f"{report.corpus.name}: {len(songs)} songs in {report.folder} ({written}), "
        f"{n_bars} bars, {pickups} songs start with a pickup"
    ]
    reasons = Counter(skipped.reason.split(":")[0] for skipped in report.skipped)
    lines += [f"skipped {count}: {reason}" for reason, count in sorted(reasons.items())]
    if grace := sum(piece.grace for piece in songs):
        lines.append(f"dropped {grace} grace notes")
    return "\n".join(lines)


def _entries(report: corpora.ExportReport) -> list[dict[str, Any]]:
    """Return one JSON object for each file, then one for each skipped piece."""
    files = [
        {
            "path": str(file.path),
            "status": file.status,
            "title": file.piece.title,
            "source": file.piece.place,
            "bars": file.piece.bars,
            "notes": file.piece.notes,
            "pickup": file.piece.pickup,
            "grace_notes_dropped": file.piece.grace,
        }
        for file in report.files
    ]
    skipped = [
        {"path": None, "status": "skipped", "source": skipped.place, "reason": skipped.reason}
        for skipped in report.skipped
    ]
    return [*files, *skipped]


def _print_json(fields: dict[str, Any]) -> None:
    """Print a JSON object of the corpus commands, which have no `kind`."""
    click.echo(json.dumps({"schema": SCHEMA, **fields}, ensure_ascii=False))
