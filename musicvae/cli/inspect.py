"""`musicvae inspect`: what the pipeline sees in a file, what it would keep, and why."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from musicvae.cli.common import INPUT, columns, complain, emit, json_option, progress_bar, say
from musicvae.cli.reading import reading_options
from musicvae.errors import DataError, ReadError, one_line
from musicvae.files import is_folder
from musicvae.options import ReadOptions


@click.command(name="inspect")
@click.argument("paths", nargs=-1, required=True, type=INPUT)
@reading_options
@json_option
@click.pass_context
def command(
    ctx: click.Context, paths: tuple[Path, ...], options: ReadOptions, as_json: bool
) -> None:
    """Show what is read from each of PATHS, files or folders: bar lines, parts, what is kept.

    \b
    Examples:
      musicvae inspect song.mid
      musicvae inspect downloads/ --json
    """
    from musicvae.dataset.inspection import inspect_file, inspect_files

    files = _files(paths)
    failed = 0
    with progress_bar("reading") as advance:
        for done, (path, seen) in enumerate(inspect_files(files, options), start=1):
            if not seen["ok"] and path in paths and _is_recording(path):
                seen = inspect_file(path, options, listen=True)
            failed += not seen["ok"]
            emit(as_json, "inspected", path=path, **seen)
            if not as_json:
                for line in _told(path, seen, alone=len(files) == 1):
                    say(line)
            advance(done, len(files))
    if failed == len(files):
        ctx.exit(1)


def _is_recording(path: Path) -> bool:
    """Whether a file is a recording. In folders they are passed over, as `prepare` does."""
    from musicvae.formats import load
    from musicvae.formats.kinds import kind_of

    try:
        return kind_of(load(path)) == "audio"
    except ReadError:
        return False


def _files(paths: tuple[Path, ...]) -> list[Path]:
    """These files, and all that `prepare` would read in these folders, in its order."""
    from musicvae.dataset.walk import files_under

    found: list[Path] = []
    for path in paths:
        inside = [path / name for name in files_under(path)] if is_folder(path) else [path]
        if not inside:
            complain(DataError(f"{path}: an empty folder; give files, or another folder"))
        found += inside
    return found


def _told(path: Path, seen: dict[str, Any], *, alone: bool) -> list[str]:
    """A line for one file of many; all there is to tell where there is one alone."""
    if "bars" not in seen:
        return [f"{path}: not kept: {seen['reason']}"]
    meters, grid = seen["meters"], seen["grid"]
    names = list(dict.fromkeys(meter["meter"] for meter in meters))
    shown = ", ".join(names[:4]) + (", ..." if len(names) > 4 else "")
    kept = "ok" if seen["ok"] else f"not kept: {seen['reason']}"
    head = f"{path}: {kept}; {len(seen['bars'])} bars, {shown}, {len(seen['parts'])} parts"
    if not alone:
        return [head + "".join(f"; {warning}" for warning in seen["warnings"])]
    lines = [
        head,
        f"  read as {seen['format']}",
        f"  bar lines {seen['bar_lines']['source']}, {seen['bar_lines']['confidence']:.0%} sure: "
        f"{seen['bar_lines']['reason']}",
        f"  grid of {grid['steps_per_quarter']} steps a quarter, tightness "
        f"{grid['tightness_4']:.2f} at 4 and {grid['tightness_12']:.2f} at 12, "
        f"{grid['offset_s']:+.3f} s late" + (", drifting" if grid["drifts"] else ""),
        "  tempo " + ", ".join(f"{t['qpm']:g}" for t in seen["tempos"][:6]) + " quarters a minute",
    ]
    rows: list[tuple[str, ...]] = [("part", "program", "notes", "role", "why")]
    rows += [
        (
            one_line(part["name"]) or "-",
            "drums" if part["is_drum"] else str(part["program"]),
            str(part["notes"]),
            part["role"],
            part["why"],
        )
        for part in seen["parts"]
    ]
    lines += ["  " + line for line in columns(rows).split("\n")]
    lines += [f"  warning: {warning}" for warning in seen["warnings"]]
    return lines
