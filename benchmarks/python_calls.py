"""A call from Python against the same work of the command line, on a quiet and on a busy machine.

    python benchmarks/python_calls.py [--checkpoint NAME|PATH] [--repeats 5] [--busy 2]

Each measurement is a fresh process that imports everything, then times loading a model, sampling
two songs of eight bars and writing them: once by `musicvae sample`, once by `MusicVAE`, with
`musicvae` or with `torch` imported first. Prints medians in seconds and their ratio to the command
line, without and with `--busy` other processes that compute all the time.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

import click

TIMED = """
import time
from pathlib import Path
{imports}
began = time.perf_counter()
{work}
print("seconds", time.perf_counter() - began)
"""
IMPORTS = "import musicvae, torch, musicvae.model, musicvae.cli.commands.sample, musicvae.io.midi"
COMMAND = (
    'musicvae.cli.main(["sample", "--n", "2", "--bars", "8", "--checkpoint", {checkpoint!r}, '
    '"--out", {out!r}], standalone_mode=False)'
)
CALL = """
songs = musicvae.MusicVAE.load({checkpoint!r}).sample(2, bars=8)
for number, song in enumerate(songs):
    musicvae.write(song, Path({out!r}) / f"{{number}}.mid")
"""
WAYS = {
    "command line": (IMPORTS, COMMAND),
    "Python": (IMPORTS, CALL),
    "Python, torch first": (f"import torch\n{IMPORTS}", CALL),
}


def measure(imports: str, work: str, checkpoint: str) -> float:
    """Return the seconds that the work takes in a fresh process."""
    with tempfile.TemporaryDirectory() as out:
        code = TIMED.format(imports=imports, work=work.format(checkpoint=checkpoint, out=out))
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stderr)
    return float(done.stdout.split("seconds")[-1])


@contextmanager
def busy(n: int) -> Iterator[None]:
    """Keep `n` processes computing."""
    others = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(n)]
    try:
        yield
    finally:
        for other in others:
            other.kill()
            other.wait()


@click.command()
@click.option("--checkpoint", default="chorale-4bar", show_default=True)
@click.option("--repeats", default=5, show_default=True)
@click.option("--busy", "n_busy", default=2, show_default=True, help="Other processes.")
def main(checkpoint: str, repeats: int, n_busy: int) -> None:
    """Compare the ways, taking turns so that other load falls on all of them."""
    for n in dict.fromkeys((0, n_busy)):
        with busy(n):
            rounds = [
                {way: measure(*code, checkpoint) for way, code in WAYS.items()}
                for _ in range(repeats)
            ]
        print(f"{n} other processes")
        medians = {way: statistics.median(times[way] for times in rounds) for way in WAYS}
        for way, seconds in medians.items():
            print(f"  {way:22}{seconds:7.2f} s{seconds / medians['command line']:7.2f}")


if __name__ == "__main__":
    main()
