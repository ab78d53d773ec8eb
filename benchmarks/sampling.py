"""How fast a model makes songs: 512 of two bars in one process, as songs and as notes.

    python benchmarks/sampling.py [CHECKPOINT] [--n 512] [--bars 2]

Prints songs a second by processor time and by the clock, for `MusicVAE.sample`, for decoding the
same latents to notes of windows, and for the network alone. Processor time is what to quote from
a machine that does other work; with one thread both are the same on a quiet one.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import click
import numpy as np
import torch

from musicvae import MusicVAE

_REPEATS = 9


def measured(work: Callable[[], object]) -> tuple[float, float]:
    """Median seconds of processor time and of the clock, after two runs to warm up."""
    work()
    work()
    taken = []
    for _ in range(_REPEATS):
        began, cpu = time.perf_counter(), time.process_time()
        work()
        taken.append((time.process_time() - cpu, time.perf_counter() - began))
    middle = np.median(np.array(taken), axis=0)
    return float(middle[0]), float(middle[1])


@click.command()
@click.argument("checkpoint", required=False)
@click.option("--n", default=512, show_default=True)
@click.option("--bars", default=2, show_default=True)
@click.option("--settle", type=int, help="Steps of the walk; the model's own if not given.")
def main(checkpoint: str | None, n: int, bars: int, settle: int | None) -> None:
    """Time the sampling of `n` songs."""
    model = MusicVAE.load(checkpoint, device="cpu")
    notes = sum(song.n_notes for song in model.sample(n, bars=bars, settle=settle))
    told = f"{model.preset.name}: {n} songs of {bars} bars, {notes / n:.1f} notes each"
    print(f"{told}, {torch.get_num_threads()} threads")
    print(f"{'':24}{'ms':>8}{'a second':>10}{'ms by clock':>13}{'a second':>10}")
    rows = {
        "songs": lambda: model.sample(n, bars=bars, settle=settle),
        "songs, no walk": lambda: model.sample(n, bars=bars, settle=0),
    }
    for name, work in rows.items():
        cpu, clock = measured(work)
        print(f"{name:24}{1000 * cpu:8.1f}{n / cpu:10,.0f}{1000 * clock:13.1f}{n / clock:10,.0f}")


if __name__ == "__main__":
    main()
