"""`musicvae inspect`: show what is read from files, what is kept, and why."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from musicvae.chords import format_symbol, parse_harte
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
from musicvae.cli.pianoroll import check_roll, print_roll, roll_option, shows_roll
from musicvae.cli.terminal import print_table, print_wrapped
from musicvae.errors import DataError, ReadError, one_line
from musicvae.io.options import ReadOptions
from musicvae.storage import is_folder

_MAX_CHORDS_SHOWN = 12


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
    """Show what is read from files or folders: bar lines, grid, parts, and what is kept.

    \b
    Examples:
      musicvae inspect song.mid
      musicvae inspect downloads/ --json
    """
    from musicvae.data.inspect import inspect_file, inspect_files

    files = _input_files(paths)
    check_roll(roll, as_json=as_json, songs=len(files))
    failed, single = 0, len(files) == 1
    with progress_bar("reading") as advance:
        for done, (path, info) in enumerate(inspect_files(files, options), start=1):
            if not info["ok"] and path in paths and _is_recording(path):
                info = inspect_file(path, options, transcribe=True)
            failed += not info["ok"]
            emit(as_json, "inspected", path=path, **info)
            if not as_json and not single:
                for line in _summary_lines(path, info, single=False):
                    print_line(line)
            advance(done, len(files))
    if single and not as_json:
        _print_details(path, info)
    if failed == len(files):
        ctx.exit(1)
    if single and not as_json and shows_roll(roll):
        from musicvae.harmony import with_chords

        options = replace(options, ungridded=True)
        print_roll(with_chords(read_with_barlines(files[0], options, quiet=True).song))


def _is_recording(path: Path) -> bool:
    """Whether a file is a recording; those in folders are skipped as in `prepare`."""
    from musicvae.io import load
    from musicvae.io.detect import detect_format

    try:
        return detect_format(load(path)) == "audio"
    except ReadError:
        return False


def _input_files(paths: tuple[Path, ...]) -> list[Path]:
    """Return the given files and all files that `prepare` would read in the given folders."""
    from musicvae.data.discover import files_under
    from musicvae.io import expand

    files: list[Path] = []
    for path in paths:
        files_here = [path / name for name in files_under(path)] if is_folder(path) else [path]
        if not files_here:
            print_error(DataError(f"{path}: an empty folder; give files or another folder"))
        files += [song for file in files_here for song in expand(file)]
    return files


def _summary_lines(path: Path, info: dict[str, Any], *, single: bool) -> list[str]:
    """Return one line for a file of several, or all lines but the parts for a single file."""
    if "bars" not in info:
        return [f"{path}: not kept: {info['reason']}"]
    meters, grid, bar_lines = info["meters"], info["grid"], info["bar_lines"]
    names = list(dict.fromkeys(meter["meter"] for meter in meters))
    meter_names = ", ".join(names[:4]) + (", ..." if len(names) > 4 else "")
    kept = "ok" if info["ok"] else f"not kept: {info['reason']}"
    summary = f"{path}: {kept}; {len(info['bars'])} bars, {meter_names}, {len(info['parts'])} parts"
    if not single:
        return [summary + "".join(f"; {warning}" for warning in info["warnings"])]
    return [
        summary,
        f"  read as {info['format']}",
        f"  bar lines {bar_lines['source']}, {bar_lines['confidence']:.0%} confidence: "
        f"{bar_lines['reason']}",
        f"  grid of {grid['steps_per_quarter']} steps per quarter, tightness "
        f"{grid['tightness_4']:.2f} at 4 and {grid['tightness_12']:.2f} at 12, "
        f"{grid['offset_s']:+.3f} s late"
        + (", tracked" if grid["tracked"] else ", drifting" if grid["drifts"] else ""),
        "  tempo "
        + ", ".join(f"{t['qpm']:g}" for t in info["tempos"][:6])
        + (", ..." if len(info["tempos"]) > 6 else "")
        + " quarters per minute",
        *(f"  swing {s['ratio']:.3g}:1 in {s['unit']}" for s in [info["swing"]] if s),
    ]


def _print_details(path: Path, info: dict[str, Any]) -> None:
    """Print everything about a single file."""
    for line in _summary_lines(path, info, single=True):
        print_wrapped(line)
    if "bars" not in info:
        return
    rows = [
        (
            one_line(part["name"]) or "-",
            "drums" if part["is_drum"] else str(part["program"]),
            str(part["notes"]),
            part["role"],
            part["why"],
        )
        for part in info["parts"]
    ]
    print_table(("part", "program", "notes", "role", "why"), rows, numeric=(2,), indent=2)
    if info["chords"]:
        print_wrapped(f"  {_chord_summary(info['chords'])}")
    for warning in info["warnings"]:
        print_wrapped(f"  warning: {warning}")


def _chord_summary(chords: list[dict[str, Any]]) -> str:
    """Return a line with the first chords and how many there are."""
    shown = [
        parsed[0] for each in chords[:_MAX_CHORDS_SHOWN] if (parsed := parse_harte(each["label"]))
    ]
    more = f", ... ({len(chords)} in all)" if len(chords) > _MAX_CHORDS_SHOWN else ""
    source = chords[0]["source"]
    kind = "guessed from a melody alone" if source == "guess" else source
    return f"chords {kind}: {' '.join(map(format_symbol, shown))}{more}"
