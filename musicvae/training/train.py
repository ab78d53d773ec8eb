"""Floor 7: one training run, from a folder to `checkpoints/NAME/`."""

from __future__ import annotations

import json
import logging
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.loggers import TensorBoardLogger

from musicvae.checkpoints import (
    MODEL_FILE,
    ORIGIN_FILE,
    STATE_FILE,
    Checkpoint,
    find,
    hash_of,
    is_finished,
    load,
    load_tensors,
    name_of,
)
from musicvae.config.preset import Preset, load_preset, preset_from_dict
from musicvae.data import Batch, Shards, WindowDataset, prepare_cached
from musicvae.data.prepare import Progress
from musicvae.data.report import skipped_in
from musicvae.errors import CheckpointError, DataError, TrainingError
from musicvae.networks.devices import autocast, compile_blocks, pick_device, pick_precision
from musicvae.networks.losses import deterministic_noise, objective
from musicvae.networks.vae import n_parameters
from musicvae.storage import writable_folder, write_bytes
from musicvae.training.callbacks import Interruptible, Keeper
from musicvae.training.distributed import give_back_memory, nothing_left, processes_and_nodes, rank
from musicvae.training.module import TrainingModule
from musicvae.training.provenance import provenance
from musicvae.training.replay import dreamt
from musicvae.training.sampler import Steps, WindowsModule
from musicvae.training.schedule import Plan

_PACE_STEPS = 8
_DREAMS = 4096  # windows that a fine-tuned model rehearses


@dataclass(frozen=True, kw_only=True)
class TrainingResult:
    """Where a run left its model, and how it ended."""

    folder: Path
    model: Path
    steps: int
    total_steps: int
    interrupted: bool
    resumed_at: int
    metrics: dict[str, float]
    """The validation of the model that was kept; see `training.checks.free_running`."""


@dataclass(frozen=True, kw_only=True)
class Announcement:
    """What is known before the first step: the plan a user is told."""

    counts: dict[str, dict[str, int]]
    """Songs, bars, windows and notes of each split."""
    files: int
    skipped: list[dict[str, str]]
    left_out: dict[str, int]
    untouched_notes: int
    parameters: int
    device: str
    windows_per_s: float
    total_steps: int
    epochs: float
    folder: Path
    resumed_at: int
    preset: str
    seed: int
    precision: str


def train(
    source: str | Path,
    preset: Preset | str = "chorale-2bar",
    folder: str | Path | None = None,
    *,
    minutes: float | None = None,
    steps: int | None = None,
    resume: bool = False,
    weights: str | Path | None = None,
    device: str = "auto",
    devices: int = 1,
    precision: str = "auto",
    compiled: bool = False,
    source_name: str = "",
    on_prepare: Progress | None = None,
    on_plan: Callable[[Announcement], None] | None = None,
    on_step: Callable[[TrainingModule], None] | None = None,
    on_check: Callable[[dict[str, float]], None] | None = None,
    say: Callable[[str], None] | None = None,
) -> TrainingResult:
    """Train `preset` on the songs under `source`, writing to `folder`.

    Args:
        source: a folder of MIDI, or shards.
        preset: what to train, or its name; ignored when resuming, the run's own is used.
        folder: where to write, `checkpoints/` and the preset's name if not given; must hold no run
            unless `resume`.
        minutes, steps: the length of the run; `preset.training.minutes` if neither is given.
        resume: go on where the run in `folder` stopped; `minutes` are then added to those spent,
            `steps` are the new total.
        weights: begin from those of this checkpoint (a name or a path), whose network `preset` must
            have; `training.fine_tuning` makes a preset of it that is right for that.
        device: `auto`, `cpu`, `cuda` or `mps`; `devices` of them, by DDP if more than one. Begun by
            torchrun, as many as it started processes.
        precision: as Lightning names it, `32-true`, `bf16-mixed` or, on CUDA, `16-mixed`; `auto` is
            bf16 where the device computes in it, and in a resumed run what it had.
        compiled: let torch.compile make the network's blocks; without a C++ compiler the run goes
            on as usual.
        source_name: what the checkpoint calls the data; the folder's name if not given.
        on_prepare, on_plan, on_step, on_check, say: told of progress, the plan, every step, every
            validation, and trouble in words.

    Raises `DataError` without usable songs, `CheckpointError` when a run cannot be resumed or
    would be overwritten, `WriteError` when `folder` cannot be written.
    """
    if rank():  # one process of a distributed run does the talking
        on_plan = on_step = on_check = say = None
    say = say or (lambda words: None)
    preset = load_preset(preset) if isinstance(preset, str) else preset
    target = Path("checkpoints") / preset.name if folder is None else Path(folder)
    state: dict[str, Any] = {}
    tensors: dict[str, Any] = {}
    if resume:
        tensors, state = load_tensors(target / STATE_FILE)
        preset = preset_from_dict(state["preset"], str(target))
    elif (target / STATE_FILE).exists() or is_finished(target / MODEL_FILE):
        raise CheckpointError(
            target, "holds a run already", "choose --name, or go on with --resume"
        )
    if precision == "auto":
        precision = state.get("provenance", {}).get("precision", precision)
    precision = pick_precision(precision, device)
    shards = Shards(prepare_cached(source, progress=on_prepare))
    writable_folder(target)
    seed = preset.training.seed
    windows = WindowDataset(shards, preset, split="train", seed=seed)
    held_out = _held_out(shards, preset, seed, say)

    pl.seed_everything(seed, workers=False, verbose=False)
    plan = Plan(total_steps=1)
    module = TrainingModule(preset, plan)
    begun = _begun(target, None if state else weights)
    if begun is not None and not state:
        module.begin_from(begun)
    dreams = dreamt(begun, _DREAMS, seed) if begun and preset.training.rehearsal else None
    pace = _pace(module, windows, device, precision)
    if state:
        module.restore(tensors)
        plan.take_up(state["plan"], minutes=minutes, steps=steps)
        module.control.beta = state["control"]["beta"]
        module.control.mean_bits = state["control"]["mean_bits"]
        module.latest = dict(state["latest"])
    else:
        plan.begin(
            pace,
            minutes=preset.training.minutes if minutes is None else minutes,
            steps=steps,
            prior_minutes=preset.prior.minutes if preset.prior.kind == "flow" else 0.0,
        )
    batch = preset.training.batch * preset.training.accumulate
    announcement = Announcement(
        counts={
            "train": dict(windows.counts()),
            "valid": dict(held_out.counts()) if held_out.split == "valid" else {},
        },
        files=shards.index["report"]["files"],
        skipped=list(skipped_in(shards.folder, shards.index["shards"])),
        left_out=windows.left_out,
        untouched_notes=windows.n_untouched,
        parameters=n_parameters(module.vae),
        device=pick_device(device),
        windows_per_s=min(batch, len(windows)) / pace,
        total_steps=plan.total_steps,
        epochs=plan.total_steps * batch / max(len(windows), 1),
        folder=target,
        resumed_at=plan.step,
        preset=preset.name,
        seed=seed,
        precision=precision,
    )
    if on_plan:
        on_plan(announcement)

    origin = provenance(windows, source_name or Path(source).name, precision)
    if weights is not None:
        origin["from"] = {"name": name_of(find(weights)), "hash": hash_of(find(weights))}
    if state and "from" in state["provenance"]:
        origin["from"] = state["provenance"]["from"]
    if state and state["provenance"]["songs"] != origin["songs"]:
        before, now = state["provenance"]["songs"], origin["songs"]
        say(f"the songs have changed since this run began: {before:,} then, {now:,} now")
    keeper = Keeper(target, held_out, windows, origin, say, on_check or (lambda row: None), begun)
    if state:
        keeper.best, keeper.kept, keeper.rows = state["best"], state["kept"], state["rows"]
    elif not rank():
        write_bytes(target / "preset.json", json.dumps(preset.to_dict(), indent=1).encode())
    stopper = Interruptible()
    callbacks: list[pl.Callback] = [keeper, stopper]
    if on_step:
        callbacks.append(_Told(on_step))
    if compiled and (trouble := compile_blocks(module.vae, pick_device(device))):
        say(f"torch.compile does not work here ({trouble}); going on without it")
    plan.started = time.monotonic()
    if not plan.done:
        here, nodes = processes_and_nodes(devices)
        with quiet(), nothing_left():
            trainer = pl.Trainer(
                accelerator=pick_device(device),
                devices=here,
                num_nodes=nodes,
                strategy="ddp" if here * nodes > 1 else "auto",
                accumulate_grad_batches=preset.training.accumulate,
                precision=precision,  # type: ignore[arg-type]
                max_epochs=1,
                gradient_clip_val=preset.training.gradient_clip,
                logger=TensorBoardLogger(target, name="", version="tensorboard"),
                callbacks=callbacks,
                enable_checkpointing=False,
                enable_progress_bar=False,
                enable_model_summary=False,
                use_distributed_sampler=False,
                num_sanity_val_steps=0,
            )
            trainer.fit(module, datamodule=WindowsModule(windows, start=plan.step, dreams=dreams))
            if stopper.interrupted and not plan.done and not keeper.diverged:
                keeper.check(module)
            if keeper.diverged:
                raise TrainingError(
                    f"{target}: the loss stopped being a number at step {plan.step:,}; the best "
                    "model so far is kept there. Try --set training.learning_rate=0.0005"
                )
    return TrainingResult(
        folder=target,
        model=target / MODEL_FILE,
        steps=plan.step,
        total_steps=plan.total_steps,
        interrupted=stopper.interrupted and not plan.done,
        resumed_at=announcement.resumed_at,
        metrics=keeper.kept,
    )


class _Told(pl.Callback):
    """Tells a progress display of every step."""

    def __init__(self, on_step: Callable[[TrainingModule], None]) -> None:
        self.on_step = on_step

    def on_train_batch_end(
        self, trainer: pl.Trainer, module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        self.on_step(module)


def _begun(folder: Path, weights: str | Path | None) -> Checkpoint | None:
    """What a run begins from, or began from: a copy stays with it, for whoever resumes."""
    kept = folder / ORIGIN_FILE
    if weights is not None:
        found = load(find(weights))
        if not rank():
            write_bytes(kept, find(weights).read_bytes())
        return found
    return load(kept) if kept.exists() else None


def _held_out(
    shards: Shards, preset: Preset, seed: int, say: Callable[[str], None]
) -> WindowDataset:
    size = preset.grid.bars
    try:
        return WindowDataset(shards, preset, split="valid", hop=size, seed=seed)
    except DataError:
        say("too few songs to hold one out: the figures below are on the training songs themselves")
        return WindowDataset(shards, preset, split="train", hop=size, seed=seed)


def _pace(module: TrainingModule, windows: WindowDataset, device: str, precision: str) -> float:
    """Seconds of one training step, measured on steps of no length."""
    training = module.preset.training
    where = torch.device(pick_device(device))
    vae = module.vae.to(where)
    steps = Steps(windows, batch=training.batch, seed=training.seed, key_jitter=0.0)
    optimizer = torch.optim.AdamW(vae.parameters(), lr=0.0, weight_decay=0.0)  # moves nothing
    taken = []
    for i in range(_PACE_STEPS):
        began = time.monotonic()
        batch = Batch(*(tensor.to(where) for tensor in steps.at(i)))
        noise = deterministic_noise(0, i, (len(batch.notes), vae.Z)).to(where)
        with autocast(where, precision):
            loss = objective(vae, batch, noise)[0].loss(1.0, 1.0)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        optimizer.zero_grad()
        taken.append(time.monotonic() - began)
    del optimizer, loss
    give_back_memory()
    return min(taken) * training.accumulate


@contextmanager
def quiet() -> Iterator[None]:
    """Lightning's advice is for those who write trainers, not for those who use ours."""
    names = ("pytorch_lightning", "pytorch_lightning.utilities.rank_zero", "lightning_fabric")
    before = {name: logging.getLogger(name).level for name in names}
    for name in names:
        logging.getLogger(name).setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="pytorch_lightning.*")
            warnings.filterwarnings("ignore", message=".*pkg_resources.*")
            warnings.filterwarnings("ignore", message=".*does not have many workers.*")
            yield
    finally:
        for name, level in before.items():
            logging.getLogger(name).setLevel(level)
