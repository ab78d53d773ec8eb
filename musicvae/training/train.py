"""One training run: a folder of music -> `checkpoints/NAME/`."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.loggers import Logger

from musicvae.checkpoints import (
    MODEL_FILE,
    STATE_FILE,
    default_run_name,
    load_header,
    locked_checkpoint,
)
from musicvae.config.preset import Preset, load_preset
from musicvae.config.training import check_logger
from musicvae.data import Batch, Shards, WindowDataset, prepare_cached
from musicvae.data.prepare import ProgressCallback
from musicvae.data.report import iter_skipped
from musicvae.errors import (
    DataError,
    TrainingError,
)
from musicvae.networks.devices import autocast, compile_blocks, pick_device, pick_precision
from musicvae.networks.losses import compute_loss_terms, deterministic_noise
from musicvae.networks.memory import require_memory
from musicvae.networks.vae import n_parameters
from musicvae.processes import end_with_launcher
from musicvae.storage import ensure_writable_folder, write_bytes
from musicvae.training.callbacks import CheckpointCallback, StopOnSigint
from musicvae.training.distributed import process_group_scope, rank, trim_memory
from musicvae.training.finishing import Finishing
from musicvae.training.module import TrainingModule
from musicvae.training.provenance import provenance
from musicvae.training.replay import generate_replay
from musicvae.training.run_folder import SavedState, base_provenance, load_base, require_new_run
from musicvae.training.sampler import BatchSampler, WindowDataModule
from musicvae.training.schedule import Schedule
from musicvae.training.trainer import make_loggers, make_trainer, silence_lightning

N_TIMED_STEPS, MAX_TIMING_SHARE = 8, 0.02  # to plan a run; of the minutes, at most this share
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
    minutes: float
    """Time of the run so far, from the beginning of the call, earlier sessions included."""
    budget_minutes: float | None
    """Time that was asked for; None if a number of steps was."""
    epochs: float
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
    """Length of the run; estimated if it is given in minutes."""
    budget_minutes: float | None
    """Time for the whole run; None if its number of steps is fixed."""
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
    logger: str | Logger | Sequence[Logger] = "auto",
    callbacks: Sequence[pl.Callback] = (),
    began: float | None = None,
    after_s: float = 0.0,
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
        folder: output folder, by default under `checkpoints/` by `default_run_name`; it must not
            hold a run unless `resume`.
        minutes: length of the run by the clock, from the beginning of this call to its end, by
            default `preset.training.minutes`.
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
        logger: `auto` (TensorBoard where it is installed), another of `config.training.LOGGERS`,
            or loggers of Lightning.
        callbacks: further callbacks of Lightning, which see the `TrainingModule`.
        began: when the minutes began, by `time.monotonic`; by default now.
        after_s: seconds of the minutes to leave to the caller, such as for a report, as on an idle
            machine.
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
    began = time.monotonic() if began is None else began
    if isinstance(logger, str):
        check_logger(logger)
    target = Path("checkpoints") / default_run_name(preset.name) if folder is None else Path(folder)
    if resume:
        load_header(target / STATE_FILE)  # raises before a folder is read
    else:
        require_new_run(target)
    shards = Shards(prepare_cached(source, progress=on_prepare))
    ensure_writable_folder(target)
    with nullcontext() if rank() else locked_checkpoint(target / MODEL_FILE):
        saved = SavedState.load(target) if resume else None
        if saved is not None:
            preset, earlier = load_header(saved.path)
            if precision == "auto":
                precision = earlier.get("precision", precision)
        elif not rank():
            require_new_run(target)
        precision = pick_precision(precision, device)
        windows = WindowDataset(shards, preset, split="train", seed=preset.training.seed)
        held_out = _held_out_windows(shards, preset, on_warning)

        require_memory(preset, pick_device(device))
        pl.seed_everything(preset.training.seed, workers=False, verbose=False)
        schedule = Schedule(total_steps=1, started=began)
        module = TrainingModule(preset, schedule)
        base = load_base(target, weights if saved is None else None)
        if base is not None and saved is None:
            module.load_weights(base)
        replay = None
        if base is not None and preset.training.replay_share:
            replay = generate_replay(base, N_REPLAY_WINDOWS, preset.training.seed)
        length = preset.training.minutes if minutes is None else minutes
        budget_s = 60 * length if steps is None else math.inf
        pace_s = _measure_step_s(module, windows, device, precision, MAX_TIMING_SHARE * budget_s)
        if saved is None:
            schedule.begin(minutes=length, steps=steps)
        else:
            saved.restore(module, minutes=minutes, steps=steps)
        finishing = Finishing(
            windows,
            held_out,
            pace_s,
            pick_device(device),
            on_warning=on_warning,
            origin=base,
            after_s=after_s,
        )
        schedule.start_steps(pace_s, finishing.validation_s, finishing.reserve_s(schedule.budget_s))
        if schedule.overrun_s > 1 and schedule.budget_s is not None:
            on_warning(
                f"{schedule.elapsed_s / 60:.1f} of {schedule.budget_s / 60:.3g} minutes were over "
                "before the first step; the run will take about "
                f"{schedule.overrun_s / 60:.1f} minutes more"
            )
        summary = _summarize(module, shards, windows, held_out, pace_s, target, device, precision)
        if on_start:
            on_start(summary)

        facts = provenance(windows, source_name or Path(source).name, precision)
        facts |= base_provenance(weights, saved)
        if saved is not None:
            saved.warn_if_songs_changed(facts, on_warning)
        keeper = CheckpointCallback(
            target,
            held_out,
            windows,
            facts,
            on_warning,
            on_validation or (lambda row: None),
            finishing,
        )
        if saved is not None:
            keeper.restore(saved.header)
        elif not rank():
            write_bytes(target / "preset.json", json.dumps(preset.to_dict(), indent=1).encode())
        if compiled and (trouble := compile_blocks(module.vae, pick_device(device))):
            on_warning(f"torch.compile does not work here ({trouble}); continuing without it")
        stopper = StopOnSigint()
        if not schedule.done:
            own = [keeper, stopper, *([_StepCallback(on_step)] if on_step else [])]
            data = WindowDataModule(windows, start=schedule.step, replay=replay)
            with silence_lightning(), process_group_scope():
                loggers, every = make_loggers(logger, target), [*own, *callbacks]
                trainer = make_trainer(preset, every, loggers, device, devices, precision)
                _fit(trainer, module, data, keeper, stopper)
        return TrainingResult(
            folder=target,
            model=target / MODEL_FILE,
            steps=schedule.step,
            total_steps=schedule.total_steps,
            interrupted=stopper.interrupted and not schedule.done,
            resumed_at=summary.resumed_at,
            minutes=schedule.elapsed_s / 60,
            budget_minutes=None if schedule.budget_s is None else schedule.budget_s / 60,
            epochs=_epochs(schedule.step, windows),
            metrics=keeper.best_metrics,
        )


def _fit(
    trainer: pl.Trainer,
    module: TrainingModule,
    data: WindowDataModule,
    keeper: CheckpointCallback,
    stopper: StopOnSigint,
) -> None:
    """Train up to the end of the schedule, or until Ctrl-C. Raises `TrainingError`."""
    schedule = module.schedule
    trainer.fit(module, datamodule=data)
    if stopper.interrupted and not schedule.done and not keeper.has_diverged:
        keeper.validate(module)
    if keeper.has_diverged:
        kept = "the best model so far is kept there" if keeper.rows else "no model is kept"
        raise TrainingError(
            f"{keeper.folder}: the loss or the weights became NaN or infinite at step "
            f"{schedule.step:,}; {kept}. Try --set training.learning_rate=0.0005"
        )


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
        budget_minutes=None if schedule.budget_s is None else schedule.budget_s / 60,
        epochs=_epochs(schedule.total_steps, windows),
        folder=folder,
        resumed_at=schedule.step,
        preset=preset.name,
        seed=preset.training.seed,
        precision=precision,
    )


def _epochs(steps: int, windows: WindowDataset) -> float:
    """Return how often `steps` see all windows."""
    training = windows.preset.training
    return steps * training.batch * training.accumulate / max(len(windows), 1)


class _StepCallback(pl.Callback):
    """Calls `on_step` after every micro-batch."""

    def __init__(self, on_step: Callable[[TrainingModule], None]) -> None:
        self.on_step = on_step

    def on_train_batch_end(
        self, trainer: pl.Trainer, module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        self.on_step(module)


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
    module: TrainingModule, windows: WindowDataset, device: str, precision: str, limit_s: float
) -> float:
    """Measure the seconds of one training step, with a learning rate of zero, for `limit_s`."""
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
        if sum(seconds) > limit_s:
            break
    del optimizer, loss
    trim_memory()
    return median(seconds) * training.accumulate
