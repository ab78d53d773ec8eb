"""Two processes at once: pairs of every command that writes, with the same output.

    python benchmarks/pairs.py [--pairs 20] [COMMAND ...]

Both processes of a pair begin together and write to the same --out or --name. Either both succeed,
and every file that one of them reports is there and whole and none is reported twice; or one is
refused in one line and the other's files are there. Prints a row per command.
"""

from __future__ import annotations

import json
import re
import shutil
import sys
import tempfile
from pathlib import Path

import click
from scenarios import SCENARIOS, broken_files, prepare_inputs, start

JSON_KINDS = ("song", "sound", "plot", "latents", "transcribed", "direction", "map", "refit")
SHARED = ("prepare", "corpus")
"""Commands of which both processes may report the same files, since these have the same bytes."""


def reported(output: str) -> list[str]:
    """Return the files that a process reports as written, as JSON."""
    lines = [json.loads(line) for line in output.splitlines() if line.startswith("{")]
    return [line["path"] for line in lines if line.get("kind") in JSON_KINDS]


def run_pair(name: str, inputs: Path, folder: Path) -> tuple[int, list[str]]:
    """Run a command twice at once; returns the number of refusals, and what is wrong."""
    shutil.copytree(inputs, folder)
    words = f"{SCENARIOS[name].words} --json"
    processes = [start(folder, words), start(folder, words)]
    outputs = [process.communicate() for process in processes]
    problems, files = broken_files(folder), []
    for process, (out, errors) in zip(processes, outputs, strict=True):
        files += reported(out)
        if "Traceback" in errors or process.returncode not in (0, 1):
            problems.append(f"not one line: {errors}")
        elif process.returncode and not re.search("^musicvae: ", errors, re.MULTILINE):
            problems.append(f"refused without a reason: {errors}")
    refusals = sum(process.returncode != 0 for process in processes)
    if refusals == len(processes):
        # Each may have won some of several files; together they must have written all.
        whole = folder.with_name(f"{name}-whole") / "out"
        names = {path.name for path in whole.rglob("*") if path.is_file()}
        if names - {path.name for path in (folder / "out").rglob("*")}:
            problems.append("both refused, and files are missing")
    if name not in SHARED and len(set(files)) < len(files):
        problems.append("a file was written by both")
    problems += [f"{file} was lost" for file in files if not (folder / file).exists()]
    return refusals, problems


@click.command()
@click.argument("commands", nargs=-1, type=click.Choice(list(SCENARIOS)))
@click.option("--pairs", default=20, show_default=True)
@click.option("--songs", default=12, show_default=True)
def main(commands: tuple[str, ...], pairs: int, songs: int) -> None:
    """Run pairs of all commands; exit with 1 if anything is wrong."""
    n_wrong = 0
    with tempfile.TemporaryDirectory() as place:
        inputs = Path(place, "inputs")
        inputs.mkdir()
        prepare_inputs(inputs, songs)
        for name in commands or SCENARIOS:
            whole = Path(place, f"{name}-whole")
            shutil.copytree(inputs, whole)
            start(whole, SCENARIOS[name].words).communicate()
            wrong = refused = 0
            for nth in range(pairs):
                folder = Path(place, f"{name}-{nth}")
                refusals, problems = run_pair(name, inputs, folder)
                for problem in problems:
                    print(f"  {name}, pair {nth + 1}: {problem}", flush=True)
                wrong, refused = wrong + bool(problems), refused + bool(refusals)
                shutil.rmtree(folder)
            n_wrong += wrong
            print(f"{name:12} {pairs - wrong} of {pairs} right, {refused} refused", flush=True)
    sys.exit(1 if n_wrong else 0)


if __name__ == "__main__":
    main()
