"""One training run: a folder of music -> `checkpoints/NAME/`."""

from __future__ import annotations

import json
import logging
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.loggers import TensorBoardLogger
from torch import Tensor

from musicvae.checkpoints import (
    MODEL_FILE,
    ORIGIN_FILE,
    STATE_FILE,
    Checkpoint,
    checkpoint_name,
    file_hash,
    find,
    is_finished,
    load,
    load_tensors,
    locked_checkpoint,
    read_header,
)
from musicvae.config.preset import Preset, load_preset, preset_from_dict
from musicvae.data import Batch, Shards, WindowDataset, prepare_cached
from musicvae.data.prepare import ProgressCallback
from musicvae.data.report import iter_skipped
from musicvae.errors import (
    CheckpointError,
    DataError,
    TrainingError,
    WriteError,
    os_reason,
)
from musicvae.networks.devices import autocast, compile_blocks, pick_device, pick_precision
from musicvae.networks.losses import compute_loss_terms, deterministic_noise
from musicvae.networks.memory import require_memory
from musicvae.networks.vae import n_parameters
from musicvae.processes import end_with_launcher
from musicvae.storage import ensure_writable_folder, write_bytes
from musicvae.training.callbacks import CheckpointCallback, StopOnSigint
from musicvae.training.distributed import (
    process_group_scope,
    processes_and_nodes,
    rank,
    trim_memory,
)
from musicvae.training.module import TrainingModule
from musicvae.training.provenance import provenance
from musicvae.training.replay import generate_replay
from musicvae.training.sampler import BatchSampler, WindowDataModule
from musicvae.training.schedule import Schedule

N_TIMED_STEPS = 8
N_REPLAY_WINDOWS = 4096  # windows sampled from the base model of a fine-tuning


@dataclass(frozen=True, kw_only=True)
class TrainingResult:
    """Files and outcome of a run."""

    folder: Path
    model: Path
    steps: int
    total_steps: int
    interrupted: bool
    resumed_at: int
    metrics: dict[str, float]
    """The validation of the kept model; see `validation.validate`."""


@dataclass(frozen=True, kw_only=True)
class RunSummary:
    """What is known before the first step."""

    counts: dict[str, dict[str, int]]
    """Songs, bars, windows and notes of each split."""
    files: int
    skipped: list[dict[str, str]]
    """`path` and `reason` of each skipped file."""
    skipped_windows: dict[str, int]
    """Number of training windows left out, by reason."""
    passthrough_notes: int
    """Notes that the preset cannot represent."""
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


@dataclass(frozen=True, kw_only=True)
class _SavedState:
    """The state file of an interrupted run: its tensors and its header."""

    tensors: dict[str, Tensor]
    header: dict[str, Any]


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
    on_prepare: ProgressCallback | None = None,
    on_start: Callable[[RunSummary], None] | None = None,
    on_step: Callable[[TrainingModule], None] | None = None,
    on_validation: Callable[[dict[str, float]], None] | None = None,
    on_warning: Callable[[str], None] | None = None,
) -> TrainingResult:
    """Train `preset` on the songs under `source`, writing to `folder`.

    Args:
        source: a folder of music files, or of shards.
        preset: a preset or its name; a resumed run uses its own.
        folder: output folder, by default `checkpoints/` and the preset's name; it must not hold a
            run unless `resume`.
        minutes: length of the run, by default `preset.training.minutes`.
        steps: number of steps, in place of `minutes`.
        resume: continue the run in `folder`; `minutes` are added to those spent, `steps` are the
            new total.
        weights: a checkpoint (name or path) to start from, of the same network as `preset`; see
            `finetune.fine_tuning_preset`.
        device: `auto`, `cpu`, `cuda` or `mps`.
        devices: number of them, by DDP if more than one; torchrun sets it by itself.
        precision: `32-true`, `bf16-mixed` or, on CUDA, `16-mixed`, as in Lightning; `auto` is bf16
            where the device computes in it, and that of the run when resuming.
        compiled: compile the blocks of the network by torch.compile; without a C++ compiler the
            run continues uncompiled.
        source_name: name of the data in the checkpoint, by default that of the folder.
        on_prepare: called with the number of files read and the total.
        on_start: called before the first step.
        on_step: called after every step.
        on_validation: called with the metrics of every validation.
        on_warning: called with warnings, one sentence each.

    Raises `DataError` without usable songs, `CheckpointError` if a run cannot be resumed or would
    be overwritten, `WriteError` if `folder` cannot be written or another process trains there,
    `TrainingError` if it diverges.
    """
    if rank():  # only rank 0 of a distributed run reports
        end_with_launcher()
        on_start = on_step = on_validation = on_warning = None
    on_warning = on_warning or (lambda message: None)
    preset = load_preset(preset) if isinstance(preset, str) else preset
    target = Path("checkpoints") / preset.name if folder is None else Path(folder)
    if resume:
        read_header(target / STATE_FILE)  # raises before a folder is read
    else:
        require_new_run(target)
    shards = Shards(prepare_cached(source, progress=on_prepare))
    ensure_writable_folder(target)
    with nullcontext() if rank() else locked_checkpoint(target / MODEL_FILE):
        saved = _load_state(target) if resume else None
        if saved is not None:
            preset = preset_from_dict(saved.header["preset"], str(target))
            if precision == "auto":
                precision = saved.header["provenance"].get("precision", precision)
        elif not rank():
            require_new_run(target)
        precision = pick_precision(precision, device)
        windows = WindowDataset(shards, preset, split="train", seed=preset.training.seed)
        held_out = _held_out_windows(shards, preset, on_warning)

        require_memory(preset)
        pl.seed_everything(preset.training.seed, workers=False, verbose=False)
        module = TrainingModule(preset, Schedule(total_steps=1))
        base = _load_base(target, weights if saved is None else None)
        if base is not None and saved is None:
            module.load_weights(base)
        replay = None
        if base is not None and preset.training.replay_share:
            replay = generate_replay(base, N_REPLAY_WINDOWS, preset.training.seed)
        pace_s = _measure_step_s(module, windows, device, precision)
        if saved is None:
            _begin_schedule(module, pace_s, minutes=minutes, steps=steps)
        else:
            _restore_state(module, saved, minutes=minutes, steps=steps)
        summary = _summarize(module, shards, windows, held_out, pace_s, target, device, precision)
        if on_start:
            on_start(summary)

        facts = provenance(windows, source_name or Path(source).name, precision)
        facts |= _base_provenance(weights, saved)
        if saved is not None:
            _warn_if_songs_changed(saved, facts, on_warning)
        checkpoints = CheckpointCallback(
            target, held_out, windows, facts, on_warning, on_validation or (lambda row: None), base
        )
        if saved is not None:
            checkpoints.restore(saved.header)
        elif not rank():
            write_bytes(target / "preset.json", json.dumps(preset.to_dict(), indent=1).encode())
        if compiled and (trouble := compile_blocks(module.vae, pick_device(device))):
            on_warning(f"torch.compile does not work here ({trouble}); continuing without it")
        stopper = StopOnSigint()
        schedule = module.schedule
        schedule.started = time.monotonic()
        if not schedule.done:
            callbacks: list[pl.Callback] = [checkpoints, stopper]
            if on_step:
                callbacks.append(_StepCallback(on_step))
            data = WindowDataModule(windows, start=schedule.step, replay=replay)
            with silence_lightning(), process_group_scope():
                trainer = _make_trainer(preset, target, callbacks, device, devices, precision)
                trainer.fit(module, datamodule=data)
                if stopper.interrupted and not schedule.done and not checkpoints.has_diverged:
                    checkpoints.validate(module)
                if checkpoints.has_diverged:
                    raise TrainingError(
                        f"{target}: the loss became NaN or infinite at step {schedule.step:,}; the "
                        "best model so far is kept there. Try --set training.learning_rate=0.0005"
                    )
        return TrainingResult(
            folder=target,
            model=target / MODEL_FILE,
            steps=schedule.step,
            total_steps=schedule.total_steps,
            interrupted=stopper.interrupted and not schedule.done,
            resumed_at=summary.resumed_at,
            metrics=checkpoints.best_metrics,
        )


def require_new_run(folder: Path) -> None:
    """Raise `CheckpointError` if a folder holds a run, `WriteError` if it cannot be written."""
    try:
        folder.lstat()
        is_run = (folder / STATE_FILE).exists() or is_finished(folder / MODEL_FILE)
    except FileNotFoundError:
        return
    except OSError as error:
        raise WriteError(folder, os_reason(error), "choose another --name") from None
    if is_run:
        hint = "choose --name, or go on with --resume"
        raise CheckpointError(folder, "holds a run already", hint)
    if not folder.is_dir():
        raise WriteError(folder, "is a file, not a folder", "choose another --name")


def _load_state(folder: Path) -> _SavedState:
    tensors, header = load_tensors(folder / STATE_FILE)
    return _SavedState(tensors=tensors, header=header)


def _begin_schedule(
    module: TrainingModule, pace_s: float, *, minutes: float | None, steps: int | None
) -> None:
    preset = module.preset
    module.schedule.begin(
        pace_s,
        minutes=preset.training.minutes if minutes is None else minutes,
        steps=steps,
        prior_minutes=preset.prior.minutes if preset.prior.kind == "flow" else 0.0,
    )


def _restore_state(
    module: TrainingModule, saved: _SavedState, *, minutes: float | None, steps: int | None
) -> None:
    """Restore weights, optimizer, schedule, beta and running metrics of an interrupted run."""
    header = saved.header
    module.restore(saved.tensors)
    module.schedule.resume(header["plan"], minutes=minutes, steps=steps)
    module.beta_controller.beta = header["control"]["beta"]
    module.beta_controller.mean_bits = header["control"]["mean_bits"]
    module.running_metrics = dict(header["latest"])


def _summarize(
    module: TrainingModule,
    shards: Shards,
    windows: WindowDataset,
    held_out: WindowDataset,
    pace_s: float,
    folder: Path,
    device: str,
    precision: str,
) -> RunSummary:
    preset, schedule = module.preset, module.schedule
    batch_size = preset.training.batch * preset.training.accumulate
    return RunSummary(
        counts={
            "train": dict(windows.counts()),
            "valid": dict(held_out.counts()) if held_out.split == "valid" else {},
        },
        files=shards.index["report"]["files"],
        skipped=list(iter_skipped(shards.folder, shards.index["shards"])),
        skipped_windows=windows.skipped_windows,
        passthrough_notes=windows.n_passthrough,
        parameters=n_parameters(module.vae),
        device=pick_device(device),
        windows_per_s=min(batch_size, len(windows)) / pace_s,
        total_steps=schedule.total_steps,
        epochs=schedule.total_steps * batch_size / max(len(windows), 1),
        folder=folder,
        resumed_at=schedule.step,
        preset=preset.name,
        seed=preset.training.seed,
        precision=precision,
    )


def _base_provenance(weights: str | Path | None, saved: _SavedState | None) -> dict[str, Any]:
    """Return name and hash of the checkpoint that the run started from, under `from`."""
    if saved is not None and "from" in saved.header["provenance"]:
        return {"from": saved.header["provenance"]["from"]}
    if weights is None:
        return {}
    path = find(weights)
    return {"from": {"name": checkpoint_name(path), "hash": file_hash(path)}}


def _warn_if_songs_changed(
    saved: _SavedState, facts: dict[str, Any], on_warning: Callable[[str], None]
) -> None:
    before, now = saved.header["provenance"]["songs"], facts["songs"]
    if before != now:
        on_warning(f"the songs have changed since this run began: {before:,} then, {now:,} now")


def _make_trainer(
    preset: Preset,
    folder: Path,
    callbacks: list[pl.Callback],
    device: str,
    devices: int,
    precision: str,
) -> pl.Trainer:
    """Return a trainer that leaves data, progress, checkpoints and validation to this package."""
    per_node, nodes = processes_and_nodes(devices)
    return pl.Trainer(
        accelerator=pick_device(device),
        devices=per_node,
        num_nodes=nodes,
        strategy="ddp" if per_node * nodes > 1 else "auto",
        accumulate_grad_batches=preset.training.accumulate,
        precision=precision,  # type: ignore[arg-type]
        max_epochs=1,
        gradient_clip_val=preset.training.gradient_clip,
        logger=_tensorboard_logger(folder) or False,
        callbacks=callbacks,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
        num_sanity_val_steps=0,
    )


def _tensorboard_logger(folder: Path) -> TensorBoardLogger | None:
    """Return a logger to `folder`/tensorboard, None if TensorBoard is not installed."""
    if find_spec("tensorboard") is None:
        return None
    return TensorBoardLogger(folder, name="", version="tensorboard")


class _StepCallback(pl.Callback):
    """Calls `on_step` after every micro-batch."""

    def __init__(self, on_step: Callable[[TrainingModule], None]) -> None:
        self.on_step = on_step

    def on_train_batch_end(
        self, trainer: pl.Trainer, module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        self.on_step(module)


def _load_base(folder: Path, weights: str | Path | None) -> Checkpoint | None:
    """Load the checkpoint a run starts from; a copy in the run's folder serves resumed sessions."""
    copy = folder / ORIGIN_FILE
    if weights is not None:
        base = load(find(weights))
        if not rank():
            write_bytes(copy, find(weights).read_bytes())
        return base
    return load(copy) if copy.exists() else None


def _held_out_windows(
    shards: Shards, preset: Preset, on_warning: Callable[[str], None]
) -> WindowDataset:
    """Return the windows to validate on: those of held-out songs, or with few songs of training."""
    size, seed = preset.grid.bars, preset.training.seed
    try:
        return WindowDataset(shards, preset, split="valid", hop_bars=size, seed=seed)
    except DataError:
        on_warning(
            "too few songs to hold one out: the metrics below are on the training songs themselves"
        )
        return WindowDataset(shards, preset, split="train", hop_bars=size, seed=seed)


def _measure_step_s(
    module: TrainingModule, windows: WindowDataset, device: str, precision: str
) -> float:
    """Measure the seconds of one training step, with a learning rate of zero."""
    training = module.preset.training
    torch_device = torch.device(pick_device(device))
    vae = module.vae.to(torch_device)
    sampler = BatchSampler(windows, batch_size=training.batch, seed=training.seed, key_jitter=0.0)
    optimizer = torch.optim.AdamW(vae.parameters(), lr=0.0, weight_decay=0.0)
    seconds = []
    for i in range(N_TIMED_STEPS):
        began = time.monotonic()
        batch = Batch(*(tensor.to(torch_device) for tensor in sampler.batch(i)))
        noise = deterministic_noise(0, i, (len(batch.notes), vae.Z)).to(torch_device)
        with autocast(torch_device, precision):
            loss = compute_loss_terms(vae, batch, noise)[0].loss(1.0, 1.0)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        optimizer.zero_grad()
        seconds.append(time.monotonic() - began)
    del optimizer, loss
    trim_memory()
    return min(seconds) * training.accumulate


@contextmanager
def silence_lightning() -> Iterator[None]:
    """Silence Lightning's warnings and log messages."""
    names = ("pytorch_lightning", "pytorch_lightning.utilities.rank_zero", "lightning_fabric")
    levels = {name: logging.getLogger(name).level for name in names}
    for name in names:
        logging.getLogger(name).setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="pytorch_lightning.*")
            warnings.filterwarnings("ignore", message=".*pkg_resources.*")
            warnings.filterwarnings("ignore", message=".*does not have many workers.*")
            yield
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
