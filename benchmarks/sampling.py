"""Speed of sampling: 512 songs of two bars in one process.

    python benchmarks/sampling.py [CHECKPOINT] [--n 512] [--bars 2]

Prints songs per second of processor time and of wall-clock time for `MusicVAE.sample`, with and
without the refinement of latents. Quote processor time from a machine that does other work; with
one thread both are the same on an idle one.
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

N_REPEATS = 9


def measure(work: Callable[[], object]) -> tuple[float, float]:
    """Return median processor and wall-clock seconds, after two runs to warm up."""
    work()
    work()
    times = []
    for _ in range(N_REPEATS):
        start, cpu = time.perf_counter(), time.process_time()
        work()
        times.append((time.process_time() - cpu, time.perf_counter() - start))
    middle = np.median(np.array(times), axis=0)
    return float(middle[0]), float(middle[1])


@click.command()
@click.argument("checkpoint", required=False)
@click.option("--n", default=512, show_default=True)
@click.option("--bars", default=2, show_default=True)
@click.option("--refine-steps", type=int, help="Refinement steps; by default those of the model.")
def main(checkpoint: str | None, n: int, bars: int, refine_steps: int | None) -> None:
    """Time the sampling of `n` songs."""
    model = MusicVAE.load(checkpoint, device="cpu")
    notes = sum(song.n_notes for song in model.sample(n, bars=bars, refine_steps=refine_steps))
    title = f"{model.preset.name}: {n} songs of {bars} bars, {notes / n:.1f} notes each"
    print(f"{title}, {torch.get_num_threads()} threads")
    print(f"{'':24}{'ms':>8}{'per s':>10}{'ms by clock':>13}{'per s':>10}")
    rows = {
        "songs": lambda: model.sample(n, bars=bars, refine_steps=refine_steps),
        "without refinement": lambda: model.sample(n, bars=bars, refine_steps=0),
    }
    for name, work in rows.items():
        cpu, clock = measure(work)
        print(f"{name:24}{1000 * cpu:8.1f}{n / cpu:10,.0f}{1000 * clock:13.1f}{n / clock:10,.0f}")


if __name__ == "__main__":
    main()
