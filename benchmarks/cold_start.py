"""Time from a cold start to files on disk: `musicvae sample --n 8`, and `musicvae --help`.

    python benchmarks/cold_start.py [--checkpoint NAME|PATH] [--repeats 5]

Prints medians of the processor time of the process (all threads), of the wall-clock time, and of
peak memory. Quote processor time from a machine that does other work. On Windows only the
wall-clock time is known.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import click


def run_measured(command: list[str]) -> tuple[float, float, float]:
    """Return processor seconds, wall-clock seconds and peak MiB of a command."""
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    assert process.stderr is not None
    stderr = process.stderr.read().decode()
    if hasattr(os, "wait4"):
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        cpu, peak = used.ru_utime + used.ru_stime, used.ru_maxrss / 1024
    else:
        process.wait()
        cpu = peak = float("nan")
    if process.returncode:
        raise SystemExit(stderr)
    return cpu, time.perf_counter() - start, peak


@click.command()
@click.option("--checkpoint", help="As for `musicvae sample`.")
@click.option("--repeats", default=5, show_default=True)
def main(checkpoint: str | None, repeats: int) -> None:
    """Start `musicvae` repeatedly and print medians."""
    run = [sys.executable, "-m", "musicvae"]
    chosen = ["--checkpoint", checkpoint] if checkpoint else []
    print(f"{'':24}{'processor s':>12}{'clock s':>9}{'MiB':>7}")
    with tempfile.TemporaryDirectory() as folder:
        songs = ["sample", "--n", "8", "--out", str(Path(folder) / "songs"), *chosen]
        for name, command in {
            "--help": ["--help"],
            "sample --n 8": songs,
            "sample --n 8 --bars 2": [*songs, "--bars", "2"],
            "import torch": [],
        }.items():
            full = [*run, *command] if command else [sys.executable, "-c", "import torch"]
            rows = [run_measured(full) for _ in range(repeats)]
            cpu, clock, peak = (statistics.median(column) for column in zip(*rows, strict=True))
            print(f"{name:24}{cpu:12.2f}{clock:9.2f}{peak:7.0f}")


if __name__ == "__main__":
    main()
