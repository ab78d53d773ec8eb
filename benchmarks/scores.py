"""Speed of reading scores, as a ratio to music21 in the same run.

    python benchmarks/scores.py FOLDER [FOLDER ...] [--files 20] [--seed 0]

Reads a random sample of the scores of each folder with `musicvae.io.read_bytes` and with
music21's converter, one after the other for each file, and prints the processor time of
both and the ratio. What music21 cannot read is left out of both sums and counted.
"""

from __future__ import annotations

import gc
import random
import time
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any
from warnings import catch_warnings, simplefilter

import click

from musicvae.errors import MusicVAEError
from musicvae.io import load, read_bytes

_SUFFIXES = (".musicxml", ".xml", ".mxl", ".abc", ".krn")


def seconds(function: Callable[[], Any]) -> float:
    """Return the processor time of a call."""
    gc.collect()
    began = time.process_time()
    function()
    return time.process_time() - began


def parse_with_music21(path: Path) -> None:
    """Parse a score with music21, without its cache."""
    from music21.converter import Converter

    with catch_warnings(), redirect_stderr(StringIO()), redirect_stdout(StringIO()):
        simplefilter("ignore")
        Converter().parseFileNoPickle(path)


@click.command(help=__doc__)
@click.argument("folders", nargs=-1, required=True, type=click.Path(exists=True, file_okay=False))
@click.option("--files", "n_files", default=20, show_default=True)
@click.option("--seed", default=0, show_default=True)
def main(folders: tuple[str, ...], n_files: int, seed: int) -> None:
    """Print a table."""
    import music21  # noqa: F401  its import is not counted

    print(f"{'collection':16}{'files':>6}{'music21 s':>11}{'musicvae s':>12}{'ratio':>8}  left out")
    for folder in map(Path, folders):
        paths = sorted(p for p in folder.rglob("*") if p.suffix.lower() in _SUFFIXES)
        chosen = random.Random(seed).sample(paths, min(n_files, len(paths)))
        ours, theirs, n_left_out = 0.0, 0.0, 0
        for path in chosen:
            content = load(path)
            try:
                one = seconds(lambda: read_bytes(content, path))  # noqa: B023
                other = seconds(lambda: parse_with_music21(path))  # noqa: B023
            except MusicVAEError as error:
                print(error)
                n_left_out += 1
            except Exception:  # music21 raises many types
                n_left_out += 1
            else:
                ours, theirs = ours + one, theirs + other
        ratio = theirs / ours if ours else float("nan")
        n_read = len(chosen) - n_left_out
        print(f"{folder.name:16}{n_read:6}{theirs:11.1f}{ours:12.2f}{ratio:8.1f}  {n_left_out}")


if __name__ == "__main__":
    main()
