"""Time of commands on a song of 64 bars, from a cold start to files on disk.

    python benchmarks/answers.py [--bars 64] [--runs 3] [--checkpoint melody-2bar]

The song is sampled from the checkpoint, so that the model fits it. Each command is a process of its
own, including imports; printed is the wall-clock time of the fastest run, with its processor time.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import click

COMMANDS = {
    "reconstruct": ["reconstruct", "a.mid"],
    "interpolate": ["interpolate", "a.mid", "b.mid"],
    "vary": ["vary", "a.mid", "--seed", "1"],
    "continue": ["continue", "a.mid", "--seed", "1"],
    "infill": ["infill", "a.mid", "--bars", "5-8", "--seed", "1"],
    "steer": ["steer", "a.mid", "--density", "+1"],
    "denoise": ["denoise", "a.mid"],
    "anomalies": ["anomalies", "a.mid"],
}
DENOISING = ("denoise", "anomalies")  # commands that choose a denoising model themselves
WITHOUT_FILES = ("anomalies",)  # commands that print alone


def run_timed(command: list[str], folder: Path) -> tuple[float, float, str]:
    """Return wall-clock and processor seconds of a command, and its error message."""
    before, start = os.times(), time.monotonic()
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    seconds, after = time.monotonic() - start, os.times()
    processor_s = sum(after[2:4]) - sum(before[2:4])
    error = (done.stderr.strip().splitlines() or [""])[-1] if done.returncode else ""
    return seconds, processor_s, error


@click.command()
@click.option("--bars", default=64, show_default=True)
@click.option("--runs", default=3, show_default=True)
@click.option("--checkpoint", default="melody-2bar", show_default=True)
def main(bars: int, runs: int, checkpoint: str) -> None:
    """Sample two songs, run every command on them, and print a table."""
    tool = [sys.executable, "-m", "musicvae"]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sample = ["sample", "--n", "2", "--bars", str(bars), "--seed", "1", "--out", "."]
        subprocess.run([*tool, *sample, "--checkpoint", checkpoint], cwd=folder, check=True)
        for song, new in zip(sorted(folder.glob("*.mid")), ("a.mid", "b.mid"), strict=True):
            song.rename(folder / new)
        print(f"{'command':14}{'clock s':>9}{'processor s':>13}")
        for title, command in COMMANDS.items():
            model = [] if title in DENOISING else ["--checkpoint", checkpoint]
            times = []
            for nth in range(runs):
                out = [] if title in WITHOUT_FILES else ["--out", f"{title}{nth}"]
                times.append(run_timed([*tool, *command, *out, *model], folder))
            seconds, processor_s, error = min(times)
            print(f"{title:14}{seconds:9.2f}{processor_s:13.2f}  {error}", flush=True)


if __name__ == "__main__":
    main()
