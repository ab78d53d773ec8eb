"""`musicvae inspect`: what the pipeline sees in a file, what it would keep, and why."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from musicvae.cli.console import (
    emit,
    json_option,
    print_error,
    print_line,
    progress_bar,
    songs_argument,
)
from musicvae.cli.inputs import read_with_barlines
from musicvae.cli.options import read_options
from musicvae.cli.pianoroll import check_roll, print_roll, roll_option
from musicvae.cli.terminal import print_table, print_wrapped
from musicvae.errors import DataError, ReadError, one_line
from musicvae.io.options import ReadOptions
from musicvae.storage import is_folder


@click.command(name="inspect")
@songs_argument
@read_options
@roll_option
@json_option
@click.pass_context
def command(
    ctx: click.Context,
    paths: tuple[Path, ...],
    options: ReadOptions,
    roll: bool | None,
    as_json: bool,
) -> None:
    """Show what is read from each of PATHS, files or folders: bar lines, parts, what is kept.

    \b
    Examples:
      musicvae inspect song.mid
      musicvae inspect downloads/ --json
    """
    from musicvae.data.inspect import inspect_file, inspect_files

    files = _input_files(paths)
    check_roll(roll, as_json=as_json, songs=len(files))
    failed, alone = 0, len(files) == 1
    with progress_bar("reading") as advance:
        for done, (path, seen) in enumerate(inspect_files(files, options), start=1):
            if not seen["ok"] and path in paths and _is_recording(path):
                seen = inspect_file(path, options, transcribe=True)
            failed += not seen["ok"]
            emit(as_json, "inspected", path=path, **seen)
            if not as_json and not alone:
                for line in _summary_lines(path, seen, alone=False):
                    print_line(line)
            advance(done, len(files))
    if alone and not as_json:
        _print_details(path, seen)
    if failed == len(files):
        ctx.exit(1)
    if alone and not as_json:
        print_roll(read_with_barlines(files[0], replace(options, ungridded=True)).song, roll)


def _is_recording(path: Path) -> bool:
    """Whether a file is a recording. In folders they are passed over, as `prepare` does."""
    from musicvae.io import load
    from musicvae.io.detect import detect_format

    try:
        return detect_format(load(path)) == "audio"
    except ReadError:
        return False


def _input_files(paths: tuple[Path, ...]) -> list[Path]:
    """These files, and all that `prepare` would read in these folders, in its order."""
    from musicvae.data.discover import files_under

    found: list[Path] = []
    for path in paths:
        inside = [path / name for name in files_under(path)] if is_folder(path) else [path]
        if not inside:
            print_error(DataError(f"{path}: an empty folder; give files, or another folder"))
        found += inside
    return found


def _summary_lines(path: Path, seen: dict[str, Any], *, alone: bool) -> list[str]:
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
    return [
        head,
        f"  read as {seen['format']}",
        f"  bar lines {seen['bar_lines']['source']}, {seen['bar_lines']['confidence']:.0%} sure: "
        f"{seen['bar_lines']['reason']}",
        f"  grid of {grid['steps_per_quarter']} steps a quarter, tightness "
        f"{grid['tightness_4']:.2f} at 4 and {grid['tightness_12']:.2f} at 12, "
        f"{grid['offset_s']:+.3f} s late" + (", drifting" if grid["drifts"] else ""),
        "  tempo " + ", ".join(f"{t['qpm']:g}" for t in seen["tempos"][:6]) + " quarters a minute",
    ]


def _print_details(path: Path, seen: dict[str, Any]) -> None:
    """All there is to tell of one file alone."""
    for line in _summary_lines(path, seen, alone=True):
        print_wrapped(line)
    if "bars" not in seen:
        return
    rows = [
        (
            one_line(part["name"]) or "-",
            "drums" if part["is_drum"] else str(part["program"]),
            str(part["notes"]),
            part["role"],
            part["why"],
        )
        for part in seen["parts"]
    ]
    print_table(("part", "program", "notes", "role", "why"), rows, numeric=(2,), indent=2)
    for warning in seen["warnings"]:
        print_wrapped(f"  warning: {warning}")
