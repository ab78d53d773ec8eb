"""Peak memory of short training runs, each in a process of its own.

    python benchmarks/training_memory.py melody-2bar=folk/ groove-2bar=groove/ [--steps 60]

Trains each preset from scratch on the folder after it. Prints peak resident memory and processor
time of the training process, without readers: folders are prepared before.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import click

from musicvae.data import prepare_cached


def run_measured(command: list[str], folder: str) -> tuple[float, float]:
    """Return peak MiB and processor seconds of a command."""
    log = Path(folder) / "log"
    with log.open("w") as sink:
        process = subprocess.Popen(command, cwd=folder, stdout=sink, stderr=subprocess.STDOUT)
        _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(log.read_text())
    return used.ru_maxrss / 1024, used.ru_utime + used.ru_stime


@click.command()
@click.argument("runs", nargs=-1, required=True, metavar="PRESET=FOLDER...")
@click.option("--steps", default=60, show_default=True)
def main(runs: tuple[str, ...], steps: int) -> None:
    """Train each preset on its folder and print a table."""
    print(f"{'preset':16}{'peak MiB':>10}{'processor s':>13}")
    for run in runs:
        preset, _, name = run.partition("=")
        folder = Path(name)
        prepare_cached(folder)
        train = ["train", str(folder.resolve()), "--preset", preset, "--steps", str(steps)]
        with tempfile.TemporaryDirectory() as directory:
            command = [sys.executable, "-m", "musicvae", *train, "--from", "scratch"]
            peak, cpu = run_measured(command, directory)
        print(f"{preset:16}{peak:10.0f}{cpu:13.1f}", flush=True)


if __name__ == "__main__":
    main()
