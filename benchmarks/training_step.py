"""Time of a training step, against the rate of matrix products on the same machine.

    python benchmarks/training_step.py data/midi/ [--preset chorale-2bar] [--set a.b=c ...]

Prints for float32 and bfloat16: seconds per step, the share of slicing a batch, the arithmetic
rate, and that rate as a share of a plain matrix product's. Quote ratios: absolute times depend on
the machine and its load. Do not run it beside a training.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import click
import torch
from torch.utils.flop_counter import FlopCounterMode

from musicvae.config.preset import load_preset
from musicvae.data import WindowDataset
from musicvae.networks.losses import compute_loss_terms, deterministic_noise
from musicvae.networks.vae import VAE, n_parameters
from musicvae.training.sampler import BatchSampler

N_REPEATS = 15


def seconds(work: Callable[[], object]) -> float:
    """Return the first tercile of the times of a call, after two calls to warm up."""
    work()
    work()
    times = []
    for _ in range(N_REPEATS):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return sorted(times)[N_REPEATS // 3]


def matrix_rate(dtype: torch.dtype, size: int = 2048) -> float:
    """Return the operations per second of a matrix product."""
    a, b = (torch.randn(size, size).to(dtype) for _ in range(2))
    return 2 * size**3 / seconds(lambda: a @ b)


@click.command()
@click.argument("folder")
@click.option("--preset", "name", default="chorale-2bar", show_default=True)
@click.option("--set", "settings", multiple=True, metavar="A.B=C")
def main(folder: str, name: str, settings: tuple[str, ...]) -> None:
    """Profile training steps on the MIDI under FOLDER."""
    preset = load_preset(name).with_settings(settings)
    windows = WindowDataset(folder, preset)
    sampler = BatchSampler(windows, batch_size=preset.training.batch, seed=0, key_jitter=0.3)
    vae = VAE(preset)
    optimizer = torch.optim.AdamW(vae.parameters(), lr=1e-6)
    batch = sampler.batch(0)
    noise = deterministic_noise(0, 0, (len(batch.notes), vae.Z))

    def step(half: bool) -> None:
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            loss = compute_loss_terms(vae, batch, noise)[0].loss(
                0.3, preset.model.context_free_weight
            )
        loss.backward()
        torch.nn.utils.clip_grad_norm_(vae.parameters(), preset.training.gradient_clip)
        optimizer.step()
        optimizer.zero_grad()

    counter = FlopCounterMode(display=False)
    with counter:
        step(False)
    work = counter.get_total_flops()
    slicing_s = seconds(lambda: sampler.batch(1))
    print(f"{preset.name}, {preset.model.decoder}: {n_parameters(vae):,} parameters, ", end="")
    print(f"batches of {len(batch.notes)}, {torch.get_num_threads()} threads")
    print(f"{work / 1e9:.1f} GFLOP per step; slicing a batch {1000 * slicing_s:.1f} ms")
    print(f"{'':10}{'s / step':>10}{'windows/s':>11}{'slicing':>11}{'GFLOP/s':>9}{'of matmul':>11}")
    for label, dtype in (("float32", torch.float32), ("bfloat16", torch.bfloat16)):
        step_s = seconds(lambda half=dtype is torch.bfloat16: step(half))
        rate, best = work / step_s, matrix_rate(dtype)
        share = slicing_s / (step_s + slicing_s)
        print(
            f"{label:10}{step_s:10.3f}{len(batch.notes) / (step_s + slicing_s):11,.0f}{share:11.1%}"
            f"{rate / 1e9:9.0f}{rate / best:11.0%}"
        )


if __name__ == "__main__":
    main()
