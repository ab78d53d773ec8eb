"""Kill `prepare` at random moments, go on, and compare what comes out byte for byte.

    python benchmarks/prepare_kill.py [--songs 3000] [--kills 20] [--workers 2] [--seed 0]

Each round kills a run outright, with its readers left behind, at a random moment of the time that a
whole run takes; then a run is let finish, and its folder is compared with that of a run nobody
disturbed. Prints a row a kill: the moment, the shards that were there, and whether all bytes agree.
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

_RUN = """
import sys
from musicvae.data.prepare import prepare
prepare(*sys.argv[1:3], workers=int(sys.argv[3]))
"""


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@click.command()
@click.option("--songs", default=3000, show_default=True)
@click.option("--kills", default=20, show_default=True)
@click.option("--workers", default=2, show_default=True)
@click.option("--seed", default=0, show_default=True)
def main(songs: int, kills: int, workers: int, seed: int) -> None:
    """Kill and resume; exit 1 if a byte differs."""
    rng, differing = random.Random(seed), 0
    with tempfile.TemporaryDirectory() as place:
        folder, out = Path(place, "midi"), Path(place, "out")
        write_songs(folder, songs)

        def command(target: Path) -> list[str]:
            return [sys.executable, "-c", _RUN, str(folder), str(target), str(workers)]

        began = time.monotonic()
        subprocess.run(command(Path(place, "whole")), check=True)
        lasted = time.monotonic() - began
        whole = contents(Path(place, "whole"))
        for kill in range(kills):
            moment = rng.uniform(0, lasted)
            run = subprocess.Popen(command(out))
            try:
                run.wait(moment)
            except subprocess.TimeoutExpired:
                run.kill()
            run.wait()
            shards = len(list(out.glob("shard-*"))) if out.exists() else 0
            subprocess.run(command(out), check=True)
            same = contents(out) == whole
            differing += not same
            print(
                f"{kill + 1:3} killed at {moment:6.2f} of {lasted:.2f} s, {shards:3} of "
                f"{len(whole) - 4} shards there: {'same bytes' if same else 'OTHER BYTES'}"
            )
            shutil.rmtree(out)
    sys.exit(1 if differing else 0)


if __name__ == "__main__":
    main()
