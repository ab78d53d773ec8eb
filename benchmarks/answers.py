"""How long commands take to answer for a song of 64 bars, from a cold start to files on disk.

    python benchmarks/answers.py [--bars 64] [--runs 3] [--checkpoint melody-2bar]

The song is drawn by the checkpoint itself, so that the model fits it. Each command is a process of
its own, imports included; the best of the runs by the clock, and its processor time.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import click

_COMMANDS = {
    "reconstruct": ["reconstruct", "a.mid"],
    "interpolate": ["interpolate", "a.mid", "b.mid"],
    "vary": ["vary", "a.mid", "--seed", "1"],
    "continue": ["continue", "a.mid", "--seed", "1"],
    "infill": ["infill", "a.mid", "--bars", "5-8", "--seed", "1"],
    "steer": ["steer", "a.mid", "--density", "+1"],
    "denoise": ["denoise", "a.mid"],
    "score": ["score", "a.mid"],
}
_OWN = ("denoise", "score")  # choose a model that learned to mend themselves
_SAID = ("score",)  # write to the terminal alone


def timed(command: list[str], folder: Path) -> tuple[float, float, str]:
    """Seconds by the clock and of the processor, and what went wrong, of a command."""
    before, began = os.times(), time.monotonic()
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    seconds, after = time.monotonic() - began, os.times()
    spent = sum(after[2:4]) - sum(before[2:4])
    trouble = (done.stderr.strip().splitlines() or [""])[-1] if done.returncode else ""
    return seconds, spent, trouble


@click.command()
@click.option("--bars", default=64, show_default=True)
@click.option("--runs", default=3, show_default=True)
@click.option("--checkpoint", default="melody-2bar", show_default=True)
def main(bars: int, runs: int, checkpoint: str) -> None:
    """Draw two songs, run every command on them, print the table."""
    tool = [sys.executable, "-m", "musicvae"]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        wanted = ["sample", "--n", "2", "--bars", str(bars), "--seed", "1", "--out", "."]
        subprocess.run([*tool, *wanted, "--checkpoint", checkpoint], cwd=folder, check=True)
        for song, new in zip(sorted(folder.glob("*.mid")), ("a.mid", "b.mid"), strict=True):
            song.rename(folder / new)
        print(f"{'command':14}{'clock s':>9}{'processor s':>13}")
        for title, command in _COMMANDS.items():
            model = [] if title in _OWN else ["--checkpoint", checkpoint]
            times = []
            for nth in range(runs):
                out = [] if title in _SAID else ["--out", f"{title}{nth}"]
                times.append(timed([*tool, *command, *out, *model], folder))
            seconds, spent, trouble = min(times)
            print(f"{title:14}{seconds:9.2f}{spent:13.2f}  {trouble}", flush=True)


if __name__ == "__main__":
    main()
