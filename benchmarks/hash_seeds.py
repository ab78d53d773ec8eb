"""Determinism of `prepare`: the same bytes whatever the seed of Python's string hashes.

    python benchmarks/hash_seeds.py FOLDER [--seeds 10]

Prepares a folder once for each value of PYTHONHASHSEED and compares all files of the results.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import click

PREPARE_CODE = (
    "import sys; from musicvae.data.prepare import prepare; prepare(*sys.argv[1:3], workers=1)"
)


@click.command()
@click.argument("folder", type=click.Path(exists=True, path_type=Path))
@click.option("--seeds", default=10, show_default=True)
def main(folder: Path, seeds: int) -> None:
    """Prepare with each seed; exit with 1 if a byte differs."""
    results = []
    with tempfile.TemporaryDirectory() as place:
        for seed in range(seeds):
            out = Path(place, str(seed))
            subprocess.run(
                [sys.executable, "-c", PREPARE_CODE, str(folder), str(out)],
                env=os.environ | {"PYTHONHASHSEED": str(seed)},
                check=True,
            )
            found = {path.name: path.read_bytes() for path in out.iterdir()}
            names = sorted(found.keys() | (results[0].keys() if results else set()))
            different = [n for n in names if results and found.get(n) != results[0].get(n)]
            results.append(found)
            print(f"seed {seed}: {', '.join(different) or 'same bytes'}", flush=True)
    sys.exit(any(result != results[0] for result in results))


if __name__ == "__main__":
    main()
