"""Where the time of a training step goes, beside this machine's own matrix rate in the same run.

    python benchmarks/training_step.py data/midi/ [--preset chorale-2bar] [--set a.b=c ...]

Prints for float32 and bfloat16: seconds a step, the data path's share of it (cutting a batch), the
arithmetic rate, and that rate as a share of a plain matrix product's. Ratios are what to quote:
absolute times change with the machine and with what else it does. Do not run beside a training.
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
from musicvae.data import Windows
from musicvae.networks.losses import deterministic_noise, objective
from musicvae.networks.vae import VAE, n_parameters
from musicvae.training.sampler import Steps

_REPEATS = 15


def seconds(work: Callable[[], object]) -> float:
    """The quicker third of repeated runs, after two to warm up."""
    work()
    work()
    taken = []
    for _ in range(_REPEATS):
        began = time.perf_counter()
        work()
        taken.append(time.perf_counter() - began)
    return sorted(taken)[_REPEATS // 3]


def matrix_rate(dtype: torch.dtype, size: int = 2048) -> float:
    """Operations a second of a plain matrix product."""
    a, b = (torch.randn(size, size).to(dtype) for _ in range(2))
    return 2 * size**3 / seconds(lambda: a @ b)


@click.command()
@click.argument("folder")
@click.option("--preset", "name", default="chorale-2bar", show_default=True)
@click.option("--set", "settings", multiple=True, metavar="A.B=C")
def main(folder: str, name: str, settings: tuple[str, ...]) -> None:
    """Profile training steps on the MIDI under FOLDER."""
    preset = load_preset(name).with_settings(settings)
    windows = Windows(folder, preset)
    steps = Steps(windows, batch=preset.training.batch, seed=0, key_jitter=0.3)
    vae = VAE(preset)
    optimizer = torch.optim.AdamW(vae.parameters(), lr=1e-6)
    batch = steps.at(0)
    noise = deterministic_noise(0, 0, (len(batch.notes), vae.Z))

    def step(half: bool) -> None:
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            loss = objective(vae, batch, noise)[0].loss(0.3, preset.model.direct_weight)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(vae.parameters(), preset.training.gradient_clip)
        optimizer.step()
        optimizer.zero_grad()

    counter = FlopCounterMode(display=False)
    with counter:
        step(False)
    work = counter.get_total_flops()
    cutting = seconds(lambda: steps.at(1))
    print(f"{preset.name}, {preset.model.decoder}: {n_parameters(vae):,} parameters, ", end="")
    print(f"batches of {len(batch.notes)}, {torch.get_num_threads()} threads")
    print(f"{work / 1e9:.1f} GFLOP a step; cutting a batch {1000 * cutting:.1f} ms")
    print(
        f"{'':10}{'s a step':>10}{'windows/s':>11}{'data path':>11}{'GFLOP/s':>9}{'of matmul':>11}"
    )
    for label, dtype in (("float32", torch.float32), ("bfloat16", torch.bfloat16)):
        taken = seconds(lambda half=dtype is torch.bfloat16: step(half))
        rate, best = work / taken, matrix_rate(dtype)
        share = cutting / (taken + cutting)
        print(
            f"{label:10}{taken:10.3f}{len(batch.notes) / (taken + cutting):11,.0f}{share:11.1%}"
            f"{rate / 1e9:9.0f}{rate / best:11.0%}"
        )


if __name__ == "__main__":
    main()
