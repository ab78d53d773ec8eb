"""Two processes at once: pairs of every command that writes, with the same output.

    python benchmarks/pairs.py [--pairs 20] [COMMAND ...]

Both processes of a pair begin together and write to the same --out or --name. Either both succeed,
and every file that one of them reports is there and whole and none is reported twice; or one is
refused in one line and the other's files are there. Prints a row per command.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import click
from scenarios import SCENARIOS, broken_files, run_rounds, start

JSON_KINDS = ("song", "sound", "plot", "latents", "transcribed", "direction", "map", "refit")
"""Kinds of JSON lines that report a file as written by this process alone."""


def reported(output: str) -> list[str]:
    """Return the files that a process reports as written, as JSON."""
    lines = [json.loads(line) for line in output.splitlines() if line.startswith("{")]
    return [line["path"] for line in lines if line.get("kind") in JSON_KINDS]


def run_pair(name: str, folder: Path, whole: Path, duration_s: float) -> list[str]:
    """Run a command twice at once in a folder; returns what is wrong."""
    words = f"{SCENARIOS[name].words} --json"
    processes = [start(folder, words), start(folder, words)]
    outputs = [process.communicate() for process in processes]
    problems, files = broken_files(folder), []
    for process, (out, errors) in zip(processes, outputs, strict=True):
        files += reported(out)
        if "Traceback" in errors or process.returncode not in (0, 1):
            problems.append(f"ended with code {process.returncode}: {errors or 'no message'}")
        elif process.returncode and not re.search("^musicvae: ", errors, re.MULTILINE):
            problems.append(f"refused without a reason: {errors}")
    if all(process.returncode for process in processes):
        # Each may have won some of several files; together they must have written all.
        names = {path.name for path in (whole / "out").rglob("*") if path.is_file()}
        if names - {path.name for path in (folder / "out").rglob("*")}:
            problems.append("both refused, and files are missing")
    if len(set(files)) < len(files):
        problems.append("a file was written by both")
    return problems + [f"{file} was lost" for file in files if not (folder / file).exists()]


@click.command()
@click.argument("commands", nargs=-1, type=click.Choice(list(SCENARIOS)))
@click.option("--pairs", default=20, show_default=True)
@click.option("--songs", default=12, show_default=True)
def main(commands: tuple[str, ...], pairs: int, songs: int) -> None:
    """Run pairs of all commands; exit with 1 if anything is wrong."""
    sys.exit(1 if run_rounds(commands, pairs, songs, run_pair) else 0)


if __name__ == "__main__":
    main()
