"""Comparison of model variants at equal processor time and equal KL, on held-out songs.

    python -m experiments.architecture folk/ --preset melody-2bar --bits 58 --seconds 60 \
        --group width --group blocks [--seed 0 --seed 1] [--log runs.jsonl]

Each run trains as `musicvae train` does, with the same module, batches, schedule and KL control.
Its length is given in seconds of one undisturbed thread: as many steps as fit at the pace of its
faster steps in process time, so that other load has little effect. Prints a table in Markdown,
means over seeds. With `--log` each run is appended to a file, and runs already there are skipped.
`--variant "name: section.key=value ..."` adds variants to those of the groups.
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import click
import pytorch_lightning as pl
import torch

from experiments.common import markdown_head, markdown_row
from musicvae.config.preset import Preset, load_preset
from musicvae.data import Shards, WindowDataset, prepare_cached
from musicvae.networks.devices import pick_precision
from musicvae.networks.vae import n_parameters
from musicvae.training.module import TrainingModule
from musicvae.training.sampler import WindowDataModule
from musicvae.training.schedule import Schedule
from musicvae.training.train import silence_lightning
from musicvae.training.validation import validate

_WINDOW = ["model.slices=window", "model.latent=128"]
_FLAT = ["model.decoder=flat", *_WINDOW]
_LIST = ["model.decoder=list", "model.hidden=128"]
_WARM = "training.beta_warmup_steps=200"
_FREE = ["training.kl_control=free_bits", "training.free_bits=58", "training.beta=0.5", _WARM]
GROUPS: dict[str, dict[str, list[str]]] = {
    "default": {"default": []},
    "encoder": {
        "linear encoder": [],
        "recurrent encoder": ["model.encoder=recurrent", "model.blocks=1"],
    },
    "decoder": {
        "decoder cells": ["model.decoder=cells"],
        "decoder list": _LIST,
        "decoder flat": _FLAT,
        "decoder roll": ["model.decoder=roll"],
    },
    "slices": {
        "a latent of 64 a bar": [],
        "16 a quarter": ["model.slices=quarter", "model.latent=16"],
        "one of 128": _WINDOW,
    },
    "kl": {
        "KL controlled": [],
        "beta .2, warm-up 200": ["training.kl_control=beta", "training.beta=0.2", _WARM],
        "58 free bits, beta .5, warm-up 200": _FREE,
    },
    "hidden": {
        "list": _LIST,
        "list, input dropout .2": [*_LIST, "training.decoder_input_dropout=0.2"],
        "flat": _FLAT,
        "flat, scheduled sampling .3": [*_FLAT, "training.scheduled_sampling=0.3"],
        "encoder, 10% of notes deleted": [
            "training.corruption=deletion",
            "training.corruption_amount=0.1",
        ],
    },
    "latent": {f"latent {n}": [f"model.latent={n}"] for n in (16, 32, 64, 128)},
    "width": {f"width {n}": [f"model.width={n}"] for n in (96, 128, 192, 256, 384)},
    "blocks": {f"blocks {n}": [f"model.blocks={n}"] for n in (1, 2, 3, 4)},
    "kernel": {f"kernel {n}": [f"model.kernel={n}"] for n in (3, 5)},
    "dropout": {f"dropout {n}": [f"model.dropout={n}"] for n in (0.0, 0.1)},
    "rate": {f"rate {n}": [f"training.learning_rate={n}"] for n in (2e-3, 4e-3, 8e-3)},
    "batch": {f"batch {n}": [f"training.batch={n}"] for n in (64, 128, 256)},
    "decay": {f"decay {n}": [f"training.weight_decay={n}"] for n in (0.0, 0.01, 0.1)},
    "average": {f"average {n}": [f"training.ema_decay={n}"] for n in (0.99, 0.995, 0.999)},
    "jitter": {f"key jitter {n}": [f"training.key_jitter={n}"] for n in (0.0, 0.3, 0.6)},
    "parts": {f"part dropout {n}": [f"training.part_dropout={n}"] for n in (0.0, 0.15, 0.3)},
}
COLUMNS = {
    "windows seen": ("seen", "{:,.0f}"),
    "KL bits": ("kl_bits", "{:.0f}"),
    "F1": ("f1", "{:.3f}"),
    "with duration": ("f1_duration", "{:.3f}"),
    "perfect": ("perfect", "{:.1%}"),
    "F1 sampled": ("f1_sampled", "{:.3f}"),
    "loss": ("loss", "{:.1f}"),
    "parameters": ("parameters", "{:,.0f}"),
}


class Budget(pl.Callback):
    """Stop after as many steps as fit into `seconds` at the pace of the faster steps."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.taken: list[float] = []
        self.last = 0.0

    def on_train_start(self, trainer: pl.Trainer, pl_module: Any) -> None:
        self.last = time.process_time()

    def on_train_batch_end(
        self, trainer: pl.Trainer, module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        now, plan = time.process_time(), module.schedule
        self.taken.append(now - self.last)
        self.last = now
        pace = sorted(self.taken)[len(self.taken) // 10]
        plan.total_steps = max(plan.step, round(self.seconds / pace))
        trainer.should_stop = plan.step >= plan.total_steps


class Data:
    """Windows of a folder, cached for each grid that variants need."""

    def __init__(self, folder: str) -> None:
        self.shards = Shards(prepare_cached(folder))
        self.cache: dict[str, WindowDataset] = {}

    def windows(self, preset: Preset, split: str) -> WindowDataset:
        """Return the training or held-out windows of a preset."""
        key = repr((preset.grid, preset.parts, preset.meters, split))
        if key not in self.cache:
            hop = 1 if split == "train" else preset.grid.bars
            self.cache[key] = WindowDataset(self.shards, preset, split=split, hop_bars=hop)
        self.cache[key].preset = preset  # the same windows under other training settings
        return self.cache[key]


def run(data: Data, preset: Preset, seconds: float, precision: str) -> dict[str, float]:
    """Train for `seconds` of processor time, then validate on held-out songs."""
    windows = data.windows(preset, "train")
    pl.seed_everything(preset.training.seed, workers=False, verbose=False)
    module = TrainingModule(preset, Schedule(total_steps=1000))
    with silence_lightning():
        trainer = pl.Trainer(
            accelerator="cpu",
            devices=1,
            precision=precision,  # type: ignore[arg-type]
            max_epochs=1,
            gradient_clip_val=preset.training.gradient_clip,
            logger=False,
            callbacks=[Budget(seconds)],
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
        )
        trainer.fit(module, datamodule=WindowDataModule(windows))
    scores = validate(module.averaged, data.windows(preset, "valid"))
    steps, size = module.schedule.step, min(preset.training.batch, len(windows))
    return {
        **scores,
        "train_loss": module.running_metrics["loss"],
        "steps": float(steps),
        "seen": float(steps * size),
        "parameters": float(n_parameters(module.vae)),
    }


def difference(one: dict[str, Any], other: dict[str, Any], at: str = "") -> dict[str, Any]:
    """Return the settings that differ in `other`, by dotted name."""
    found: dict[str, Any] = {}
    for name, value in other.items():
        if isinstance(value, dict):
            found |= difference(one[name], value, f"{at}{name}.")
        elif value != one[name]:
            found[at + name] = value
    return found


def table(rows: dict[str, list[dict[str, float]]]) -> str:
    """Return a Markdown table with a row for each variant, means over its seeds."""
    lines = [markdown_head(["", *COLUMNS, "seeds"])]
    for name, found in rows.items():
        means = [
            form.format(sum(row[key] for row in found) / len(found))
            for key, form in COLUMNS.values()
        ]
        lines.append(markdown_row([name, *means, len(found)]))
    return "\n".join(lines)


@click.command()
@click.argument("folder")
@click.option("--preset", "preset_name", default="melody-2bar", show_default=True)
@click.option("--set", "settings", multiple=True, metavar="A.B=C", help="For all variants.")
@click.option("--bits", type=float, help="Target KL in bits; by default that of the preset.")
@click.option(
    "--seconds",
    default=60.0,
    show_default=True,
    help="Length of a training, in seconds of one thread.",
)
@click.option("--group", "groups", multiple=True, type=click.Choice(sorted(GROUPS)))
@click.option("--variant", "variants", multiple=True, metavar="'NAME: A.B=C ...'")
@click.option("--seed", "seeds", multiple=True, type=int, default=(0,))
@click.option("--precision", default="auto", show_default=True)
@click.option("--log", type=click.Path(path_type=Path), help="JSON Lines file, one run a line.")
def main(
    folder: str,
    preset_name: str,
    settings: tuple[str, ...],
    bits: float | None,
    seconds: float,
    groups: tuple[str, ...],
    variants: tuple[str, ...],
    seeds: tuple[int, ...],
    precision: str,
    log: Path | None,
) -> None:
    """Compare variants of a preset on the songs under FOLDER."""
    torch.set_num_threads(1)
    precision = pick_precision(precision, "cpu")
    chosen = {name: sets for group in groups for name, sets in GROUPS[group].items()}
    for each in variants:
        name, _, sets = each.partition(":")
        chosen[name.strip()] = sets.split()
    data, base = Data(folder), load_preset(preset_name).with_settings(settings)
    if bits is not None:
        base = base.with_settings([f"training.kl_target_bits={bits}"])
    lines = log.read_text("utf-8").splitlines() if log and log.exists() else []
    done = {line["key"]: line["scores"] for line in map(json.loads, lines)}
    rows: dict[str, list[dict[str, float]]] = {}
    for name, sets in chosen.items():
        for seed in seeds:
            preset = base.with_settings([*sets, f"training.seed={seed}"])
            changed = difference(load_preset(preset_name).to_dict(), preset.to_dict())
            key = json.dumps([Path(folder).name, preset_name, seconds, precision, changed])
            if key not in done:
                done[key] = run(data, preset, seconds, precision)
                if log:
                    line = json.dumps({"name": name, "key": key, "scores": done[key]})
                    with log.open("a", encoding="utf-8") as file:
                        file.write(line + "\n")
                click.echo(f"{name}, seed {seed}: F1 {done[key]['f1']:.3f}", err=True)
            rows.setdefault(name, []).append(done[key])
    click.echo(table(rows))


if __name__ == "__main__":
    main()
