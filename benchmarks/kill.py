"""Robustness of all commands that write: kill them at random moments and run them again.

    python benchmarks/kill.py [--kills 15] [--seed 0] [COMMAND ...]

Each round kills a command without warning at a random moment of the duration of a full run. Then no
process may be left, every file under a final name must be whole, and a second run must succeed; of
`prepare` it must give the same bytes as an uninterrupted run. Prints a row per command.
"""

from __future__ import annotations

import random
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

import click
from scenarios import (
    SCENARIOS,
    Scenario,
    broken_files,
    leftover_processes,
    run_rounds,
    run_to_end,
    start,
)


def kill_once(name: str, folder: Path, whole: Path, moment_s: float) -> list[str]:
    """Kill a command after some seconds and run it again; returns what is wrong."""
    scenario = SCENARIOS[name]
    mark, problems = uuid4().hex, []
    process = start(folder, scenario.words, mark)
    with suppress(subprocess.TimeoutExpired):
        process.communicate(timeout=moment_s)
    process.kill()
    process.wait()
    if left := leftover_processes(process.pid, mark):
        problems.append(f"processes left: {left}")
    problems += broken_files(folder)
    try:
        run_to_end(folder, again(scenario, folder))
    except RuntimeError as error:
        problems.append(str(error).strip())
    if name == "prepare" and contents(folder / "out") != contents(whole / "out"):
        problems.append("other bytes than an uninterrupted run")
    return [f"killed after {moment_s:.2f} s: {each}" for each in problems + broken_files(folder)]


def again(scenario: Scenario, folder: Path) -> str:
    """Return the words of the run after a kill; a run that saved no state begins anew."""
    resumable = any((folder / "checkpoints").glob("*/resume.safetensors"))
    if scenario.again == "same" or (scenario.writes_runs and not resumable):
        return scenario.words
    return scenario.again or f"{scenario.words} --force"


def contents(folder: Path) -> dict[str, bytes]:
    """Return the bytes of all files of a prepared folder, by name."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@click.command()
@click.argument("commands", nargs=-1, type=click.Choice(list(SCENARIOS)))
@click.option("--kills", default=15, show_default=True)
@click.option("--songs", default=12, show_default=True)
@click.option("--seed", default=0, show_default=True)
def main(commands: tuple[str, ...], kills: int, songs: int, seed: int) -> None:
    """Kill and run again; exit with 1 if anything is wrong."""
    rng = random.Random(seed)

    def play(name: str, folder: Path, whole: Path, duration_s: float) -> list[str]:
        return kill_once(name, folder, whole, rng.uniform(0, duration_s))

    sys.exit(1 if run_rounds(commands, kills, songs, play) else 0)


if __name__ == "__main__":
    main()
