"""Callbacks of a training run: validate and save, warn of trouble, stop on Ctrl-C."""

from __future__ import annotations

import csv
import io
import json
import math
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytorch_lightning as pl

from musicvae.checkpoints import (
    MODEL_FILE,
    STATE_FILE,
    Checkpoint,
    first_not_finite,
    save,
    save_tensors,
)
from musicvae.config.training import TrainingConfig
from musicvae.data import WindowDataset
from musicvae.networks.priors import prior_tensors
from musicvae.storage import write_bytes
from musicvae.training.distributed import trim_memory
from musicvae.training.finishing import Finishing
from musicvae.training.fit_prior import fit_interim_prior
from musicvae.training.module import TrainingModule
from musicvae.training.validation import validate

OnWarning = Callable[[str], None]


class CheckpointCallback(pl.Callback):
    """Validation at regular intervals, with the best model and the state for resuming.

    Each file is replaced atomically, the state last: whenever a process dies, `--resume` finds a
    consistent run.

    Attributes:
        best_score: selection score of the kept model.
        best_metrics: the validation at which the kept model was taken.
        rows: metrics of all validations, the rows of `metrics.csv`.
        has_diverged: whether the run was stopped since its loss was not finite.
    """

    def __init__(
        self,
        folder: Path,
        held_out: WindowDataset,
        windows: WindowDataset,
        provenance: dict[str, Any],
        on_warning: OnWarning,
        on_validation: Callable[[dict[str, float]], None],
        finishing: Finishing,
    ) -> None:
        self.folder, self.held_out, self.windows = folder, held_out, windows
        self.provenance, self.on_validation = provenance, on_validation
        self.finishing = finishing
        self.best_score = -2.0
        self.best_metrics: dict[str, float] = {}
        self.rows: list[dict[str, float]] = []
        self.has_diverged = False
        self.on_warning = on_warning
        self.monitor = TrainingMonitor(on_warning)

    def restore(self, header: dict[str, Any]) -> None:
        """Restore the best model's metrics and all validations from the header of a state file."""
        self.best_score, self.best_metrics = header["best"], header["kept"]
        self.rows = header["rows"]

    def on_train_batch_end(
        self, trainer: pl.Trainer, module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Validate and save if it is time; stop after the last step."""
        if not all(math.isfinite(value) for value in module.running_metrics.values()):
            self._stop_diverged(trainer)
            return
        if trainer.world_size > 1:  # a Ctrl-C in one process stops all
            stop = trainer.strategy.reduce_boolean_decision(trainer.should_stop, all=False)
            trainer.should_stop = stop
        if module.schedule.budget_s is not None:
            _broadcast_schedule(module)
        if module.schedule.validation_due:
            self.validate(module)
        if module.schedule.done:
            trainer.should_stop = True

    def validate(self, module: TrainingModule) -> None:
        """Validate, keep the model if it is the best so far, and save the state."""
        schedule, training = module.schedule, module.preset.training
        began = time.monotonic()
        trim_memory()  # steps and validation need memory at different times
        scores = validate(module.averaged, self.held_out)
        if not math.isfinite(scores["loss"]) or first_not_finite(module.state()) is not None:
            self._stop_diverged(module.trainer)
            return
        row = {
            "step": float(schedule.step),
            "minutes": schedule.elapsed_s / 60,
            **{f"train_{name}": value for name, value in module.running_metrics.items()},
            **({} if training.deterministic else {"beta": module.beta_controller.beta}),
            **{f"valid_{name}": value for name, value in scores.items()},
        }
        self.rows.append(row)
        if module.logger is not None:
            module.logger.log_metrics(row, step=schedule.step)
        self.monitor.check(self.rows, training.effective_kl_target_bits)
        if module.global_rank == 0:
            score = _selection_score(row, training)
            score = score if math.isfinite(score) else -2.0
            if score >= self.best_score or not (self.folder / MODEL_FILE).exists():
                self.best_score, self.best_metrics = score, row
                self.save_model(module, scores)
            if schedule.done:
                self.finishing.finish(self.folder / MODEL_FILE, schedule)
        self.finishing.validation_s = time.monotonic() - began
        schedule.record_validation(
            self.finishing.validation_s, self.finishing.reserve_s(schedule.budget_s)
        )
        _broadcast_schedule(module)
        if module.global_rank == 0:
            self.save_state(module)
        trim_memory()
        self.on_validation(row)

    def on_fit_start(self, trainer: pl.Trainer, pl_module: Any) -> None:
        """Use the schedule of rank 0 in all processes of a distributed run."""
        _broadcast_schedule(pl_module)

    def _stop_diverged(self, trainer: pl.Trainer) -> None:
        """Stop without saving: the best model and the last good state stay."""
        self.has_diverged = trainer.should_stop = True

    def save_model(self, module: TrainingModule, scores: dict[str, float]) -> None:
        """Write the averaged weights, with an interim prior, as the run's model."""
        with self.finishing.timed_encoding():
            prior = fit_interim_prior(module.averaged, self.windows)
        tensors = {f"model.{n}": t for n, t in module.averaged.state_dict().items()}
        tensors |= prior_tensors(prior)
        provenance = {
            **self.provenance,
            "steps": module.schedule.step,
            "minutes": round(module.schedule.elapsed_s / 60, 2),
            "beta": round(module.beta_controller.beta, 5),
            "held_out": {name: round(value, 4) for name, value in scores.items()},
            **({} if self.held_out.split == "valid" else {"validated_on": "the training songs"}),
            "finished": False,
        }
        checkpoint = Checkpoint(preset=module.preset, tensors=tensors, provenance=provenance)
        save(checkpoint, self.folder / MODEL_FILE)

    def save_state(self, module: TrainingModule) -> None:
        """Write metrics and state, the state last."""
        write_bytes(self.folder / "metrics.csv", _to_csv(self.rows).encode())
        header = {
            "preset": module.preset.to_dict(),
            "provenance": self.provenance,
            "plan": module.schedule.to_dict(),
            "control": {
                "beta": module.beta_controller.beta,
                "mean_bits": module.beta_controller.mean_bits,
            },
            "best": self.best_score,
            "kept": self.best_metrics,
            "latest": module.running_metrics,
            "rows": self.rows,
        }
        save_tensors(self.folder / STATE_FILE, module.state(), json.loads(json.dumps(header)))


class TrainingMonitor:
    """Detection of posterior collapse, overfitting and divergence, with one warning for each."""

    def __init__(self, on_warning: OnWarning) -> None:
        self.on_warning = on_warning
        self._reported: set[str] = set()

    def check(self, rows: list[dict[str, float]], target_bits: float) -> None:
        """Compare the last validation with earlier ones; `target_bits` is 0 without a target."""
        row = rows[-1]
        best = min(r["valid_loss"] for r in rows)
        bits = row.get("valid_kl_bits", math.inf)  # absent for deterministic codes
        if bits < max(1.0, 0.05 * target_bits) and row["beta"] > 0.01 and len(rows) > 2:
            target = f" of the target of {target_bits:.0f}" if target_bits else ""
            remedy = "a higher --set training.kl_target_bits" if target_bits else "a lower beta"
            self._report(
                "collapse",
                f"posterior collapse: the latent carries {bits:.1f} bits{target}; the decoder "
                f"ignores it. Stop, and try {remedy} or a lower learning rate",
            )
        gap = (
            row["valid_loss"] > 1.1 * best and row["train_loss"] < rows[-2]["train_loss"]
            if (len(rows) > 2)
            else False
        )
        if gap:
            self._report(
                "overfitting",
                f"overfitting: the validation loss rose from {best:.1f} to {row['valid_loss']:.1f} "
                "nats while the training loss still falls; more songs or fewer minutes would help",
            )
        if len(rows) > 2 and row["train_loss"] > 2 * min(r["train_loss"] for r in rows):
            self._report(
                "divergence",
                f"diverging: the training loss rose to {row['train_loss']:.1f} nats, twice its "
                "lowest; try a lower --set training.learning_rate",
            )

    def _report(self, kind: str, message: str) -> None:
        if kind not in self._reported:
            self._reported.add(kind)
            self.on_warning(message)


class StopOnSigint(pl.Callback):
    """A first Ctrl-C ends the run after the current step, a second one at once."""

    def __init__(self) -> None:
        self.interrupted = False
        self._previous_handler: Any = None

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Install the signal handler, in the main thread."""

        def stop(number: int, frame: Any) -> None:
            self.interrupted = trainer.should_stop = True
            signal.signal(number, self._previous_handler)

        try:
            self._previous_handler = signal.signal(signal.SIGINT, stop)
        except ValueError:  # not the main thread: the caller handles the signal
            self._previous_handler = None

    def on_fit_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Restore the previous signal handler."""
        if self._previous_handler is not None:
            signal.signal(signal.SIGINT, self._previous_handler)


def _selection_score(row: dict[str, float], training: TrainingConfig) -> float:
    """Return the validation F1 by which the best model is kept, and which is shown for it.

    For `dae`: F1 of reconstructions from corrupted input.
    """
    return row["valid_f1_denoised" if training.objective == "dae" else "valid_f1"]


def _broadcast_schedule(module: TrainingModule) -> None:
    """Broadcast the schedule of rank 0: each process would measure another pace."""
    schedule, strategy = module.schedule, module.trainer.strategy
    if module.trainer.world_size > 1:
        schedule.plan = strategy.broadcast(schedule.plan)


def _to_csv(rows: list[dict[str, float]]) -> str:
    buffer = io.StringIO()
    names = list(dict.fromkeys(name for row in rows for name in row))
    writer = csv.DictWriter(buffer, names)
    writer.writeheader()
    for row in rows:
        writer.writerow({name: f"{value:.6g}" for name, value in row.items()})
    return buffer.getvalue()
