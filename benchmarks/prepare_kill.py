"""Robustness of `prepare`: kill it at random moments, resume, and compare the output by bytes.

    python benchmarks/prepare_kill.py [--songs 3000] [--kills 20] [--workers 2] [--seed 0]

Each round kills a run, leaving its readers behind, at a random moment of the duration of a full
run; then another run finishes, and its folder is compared with that of an uninterrupted run. Prints
a row per kill: the moment, the number of shards then, and whether all bytes agree.
"""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import click
from prepare_memory import write_songs

PREPARE_CODE = """
import sys
from musicvae.data.prepare import prepare
prepare(*sys.argv[1:3], workers=int(sys.argv[3]))
"""


def contents(folder: Path) -> dict[str, bytes]:
    """Return the bytes of all files in a folder, by name."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@click.command()
@click.option("--songs", default=3000, show_default=True)
@click.option("--kills", default=20, show_default=True)
@click.option("--workers", default=2, show_default=True)
@click.option("--seed", default=0, show_default=True)
def main(songs: int, kills: int, workers: int, seed: int) -> None:
    """Kill and resume; exit with 1 if a byte differs."""
    rng, n_different = random.Random(seed), 0
    with tempfile.TemporaryDirectory() as place:
        folder, out = Path(place, "midi"), Path(place, "out")
        write_songs(folder, songs)

        def command(target: Path) -> list[str]:
            return [sys.executable, "-c", PREPARE_CODE, str(folder), str(target), str(workers)]

        began = time.monotonic()
        subprocess.run(command(Path(place, "uninterrupted")), check=True)
        duration_s = time.monotonic() - began
        expected = contents(Path(place, "uninterrupted"))
        for kill in range(kills):
            moment = rng.uniform(0, duration_s)
            run = subprocess.Popen(command(out))
            try:
                run.wait(moment)
            except subprocess.TimeoutExpired:
                run.kill()
            run.wait()
            shards = len(list(out.glob("shard-*"))) if out.exists() else 0
            subprocess.run(command(out), check=True)
            same = contents(out) == expected
            n_different += not same
            print(
                f"{kill + 1:3} killed at {moment:6.2f} of {duration_s:.2f} s, {shards:3} of "
                f"{len(expected) - 4} shards: {'same bytes' if same else 'DIFFERENT BYTES'}"
            )
            shutil.rmtree(out)
    sys.exit(1 if n_different else 0)


if __name__ == "__main__":
    main()
