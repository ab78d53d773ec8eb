"""Peak memory of short trainings, each in a process of its own.

    python benchmarks/training_memory.py folk-midi/ chorales-midi/ [--steps 60]

The first folder is learned by `melody-2bar`, the second by `chorale-2bar`, from scratch. Prints the
peak of what was resident of the training process, its readers apart, and processor time. Folders
are prepared once before, as `musicvae train` finds them the second time.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import click

from musicvae.dataset import prepare_cached

_PRESETS = ("melody-2bar", "chorale-2bar")


def peak_of(command: list[str], folder: str) -> tuple[float, float]:
    """Peak MiB and processor seconds of a command."""
    log = Path(folder) / "log"
    with log.open("w") as sink:
        process = subprocess.Popen(command, cwd=folder, stdout=sink, stderr=subprocess.STDOUT)
        _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(log.read_text())
    return used.ru_maxrss / 1024, used.ru_utime + used.ru_stime


@click.command()
@click.argument("folders", nargs=-1, type=click.Path(exists=True, path_type=Path))
@click.option("--steps", default=60, show_default=True)
def main(folders: tuple[Path, ...], steps: int) -> None:
    """Train on each of `folders` and say what it took."""
    print(f"{'preset':16}{'peak MiB':>10}{'processor s':>13}")
    for folder, preset in zip(folders, _PRESETS, strict=False):
        prepare_cached(folder)
        learn = ["train", str(folder.resolve()), "--preset", preset, "--steps", str(steps)]
        with tempfile.TemporaryDirectory() as away:
            command = [sys.executable, "-m", "musicvae", *learn, "--from", "scratch"]
            peak, cpu = peak_of(command, away)
        print(f"{preset:16}{peak:10.0f}{cpu:13.1f}", flush=True)


if __name__ == "__main__":
    main()
