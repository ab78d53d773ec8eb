"""Floor 7: what happens around the steps: validate, save, show, warn, stop."""

from __future__ import annotations

import csv
import io
import json
import math
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytorch_lightning as pl

from musicvae.checkpoints import MODEL_FILE, STATE_FILE, Checkpoint, load, save, save_tensors
from musicvae.config.training import TrainingConfig
from musicvae.data import WindowDataset
from musicvae.latent.surprisal import DEFAULT_CORRUPTION, fit_reference_stats
from musicvae.networks.priors import tensors_of
from musicvae.networks.vae import VAE
from musicvae.storage import write_bytes
from musicvae.training.distributed import give_back_memory
from musicvae.training.fit_directions import direction_tensors, fit_directions
from musicvae.training.fit_prior import fit_prior, quick_prior
from musicvae.training.module import TrainingModule
from musicvae.training.schedule import Plan
from musicvae.training.validation import free_running

Say = Callable[[str], None]


class Keeper(pl.Callback):
    """Validates when it is time, keeps the best model and everything that resuming needs.

    All files are replaced in one step each, the state last: whatever moment a process dies at,
    `--resume` finds a consistent run.
    """

    def __init__(
        self,
        folder: Path,
        held_out: WindowDataset,
        windows: WindowDataset,
        provenance: dict[str, Any],
        say: Say,
        on_check: Callable[[dict[str, float]], None],
        begun: Checkpoint | None = None,
    ) -> None:
        self.begun = begun
        self.folder, self.held_out, self.windows = folder, held_out, windows
        self.provenance, self.say, self.on_check = provenance, say, on_check
        self.best = -2.0
        self.kept: dict[str, float] = {}
        """The validation at which the kept model was taken."""
        self.diverged = False
        self.rows: list[dict[str, float]] = []
        self.warner = Warner(say)

    def on_train_batch_end(
        self, trainer: pl.Trainer, module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Validate and save if it is time; end the run when its plan is done."""
        if not all(math.isfinite(value) for value in module.latest.values()):
            self._diverged(trainer)
            return
        if trainer.world_size > 1:  # a Ctrl-C that one process saw is for all
            stop = trainer.strategy.reduce_boolean_decision(trainer.should_stop, all=False)
            trainer.should_stop = stop
        if module.plan.check_due:
            self.check(module)
        if module.plan.done:
            trainer.should_stop = True

    def check(self, module: TrainingModule) -> None:
        """Validate, keep the model if it is the best so far, and save the state."""
        plan, training = module.plan, module.preset.training
        give_back_memory()  # what steps need and what validation needs are not needed together
        scores = free_running(module.averaged, self.held_out)
        if not math.isfinite(scores["loss"]):
            self._diverged(module.trainer)
            return
        row = {
            "step": float(plan.step),
            "minutes": plan.elapsed_s / 60,
            **{f"train_{name}": value for name, value in module.latest.items()},
            **({} if training.deterministic else {"beta": module.control.beta}),
            **{f"valid_{name}": value for name, value in scores.items()},
        }
        self.rows.append(row)
        if module.logger is not None:
            module.logger.log_metrics(row, step=plan.step)
        self.warner.look(self.rows, training.asked_bits)
        plan.checked()
        _agree(module)
        if module.global_rank == 0:
            merit = _merit(row, training)
            if merit >= self.best or not (self.folder / MODEL_FILE).exists():
                self.best, self.kept = merit, row
                self.keep_model(module, scores)
            if plan.done:
                self.finish(plan)
            self.save_state(module)
        give_back_memory()
        self.on_check(row)

    def on_fit_start(self, trainer: pl.Trainer, pl_module: Any) -> None:
        """All processes of a distributed run go by the plan of the first."""
        _agree(pl_module)

    def _diverged(self, trainer: pl.Trainer) -> None:
        """Stop; nothing is saved any more, so the best model and the last good state stay."""
        self.diverged = trainer.should_stop = True

    def finish(self, plan: Plan) -> None:
        """Make the best model the result of a finished run, with a prior fitted to all songs, and
        directions to steer by.
        """
        kept = load(self.folder / MODEL_FILE)
        vae = VAE(kept.preset)
        vae.load_state_dict(kept.under("model"))
        steps = min(kept.preset.prior.steps, plan.total_steps)
        seconds = math.inf if plan.prior_s is None else plan.prior_s
        give_back_memory()
        start = self.begun.under("prior") if self.begun else None
        prior = fit_prior(vae.eval(), self.windows, steps=steps, seconds=seconds, start=start)
        tensors = {n: t for n, t in kept.tensors.items() if not n.startswith("prior.")}
        tensors |= tensors_of(prior)
        tensors |= direction_tensors(fit_directions(vae, self.windows, steps=plan.total_steps))
        provenance = kept.provenance | {"finished": True} | usual(vae, self.held_out)
        save(replace(kept, tensors=tensors, provenance=provenance), self.folder / MODEL_FILE)

    def keep_model(self, module: TrainingModule, scores: dict[str, float]) -> None:
        """Write the averaged weights, with a path prior fitted to them, as the run's model."""
        prior = quick_prior(module.averaged, self.windows)
        tensors = {f"model.{n}": t for n, t in module.averaged.state_dict().items()}
        tensors |= tensors_of(prior)
        provenance = {
            **self.provenance,
            "steps": module.plan.step,
            "minutes": round(module.plan.elapsed_s / 60, 2),
            "beta": round(module.control.beta, 5),
            "held_out": {name: round(value, 4) for name, value in scores.items()},
            "finished": False,
        }
        checkpoint = Checkpoint(preset=module.preset, tensors=tensors, provenance=provenance)
        save(checkpoint, self.folder / MODEL_FILE)

    def save_state(self, module: TrainingModule) -> None:
        """Write metrics and state, the state last."""
        write_bytes(self.folder / "metrics.csv", _csv(self.rows).encode())
        header = {
            "preset": module.preset.to_dict(),
            "provenance": self.provenance,
            "plan": module.plan.saved(),
            "control": {"beta": module.control.beta, "mean_bits": module.control.mean_bits},
            "best": self.best,
            "kept": self.kept,
            "latest": module.latest,
            "rows": self.rows,
        }
        save_tensors(self.folder / STATE_FILE, module.state(), json.loads(json.dumps(header)))


def usual(vae: VAE, windows: WindowDataset) -> dict[str, Any]:
    """For provenance: what is usual in these songs to a model that learned to mend."""
    knows = {*DEFAULT_CORRUPTION, "hidden"} <= set(vae.preset.training.told)
    norms = fit_reference_stats(vae, windows) if knows else None
    return {} if norms is None else {"norms": norms.to_dict()}


class Warner:
    """Says in words when a run begins to go wrong, once for each kind of trouble."""

    def __init__(self, say: Say) -> None:
        self.say = say
        self.said: set[str] = set()

    def look(self, rows: list[dict[str, float]], target_bits: float) -> None:
        """Judge the latest validation against those before it; `target_bits` 0: none is set."""
        row = rows[-1]
        best = min(r["valid_loss"] for r in rows)
        bits = row.get("valid_kl_bits", math.inf)  # absent where the code is a point
        if bits < max(1.0, 0.05 * target_bits) and row["beta"] > 0.01 and len(rows) > 2:
            asked = f" of the {target_bits:.0f} asked for" if target_bits else ""
            other = "a higher --set training.kl_target_bits" if target_bits else "a lower beta"
            self._once(
                "collapse",
                f"posterior collapse: the latent carries {bits:.1f} bits{asked}; the decoder "
                f"ignores it. Stop, and try {other} or a lower learning rate",
            )
        gap = (
            row["valid_loss"] > 1.1 * best and row["train_loss"] < rows[-2]["train_loss"]
            if (len(rows) > 2)
            else False
        )
        if gap:
            self._once(
                "overfitting",
                f"overfitting: held-out loss rose from {best:.1f} to {row['valid_loss']:.1f} nats "
                "while the training loss still falls; more songs or fewer minutes would help",
            )
        if len(rows) > 2 and row["train_loss"] > 2 * min(r["train_loss"] for r in rows):
            self._once(
                "divergence",
                f"diverging: the training loss rose to {row['train_loss']:.1f} nats, twice its "
                "lowest; try a lower --set training.learning_rate",
            )

    def _once(self, kind: str, words: str) -> None:
        if kind not in self.said:
            self.said.add(kind)
            self.say(words)


class Interruptible(pl.Callback):
    """The first Ctrl-C ends the run after the step it is in; a second one ends it at once."""

    def __init__(self) -> None:
        self.interrupted = False
        self._before: Any = None

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Take over the signal, where this is the main thread."""

        def stop(number: int, frame: Any) -> None:
            self.interrupted = trainer.should_stop = True
            signal.signal(number, self._before)

        try:
            self._before = signal.signal(signal.SIGINT, stop)
        except ValueError:  # not the main thread: the caller has the signal
            self._before = None

    def on_fit_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Give the signal back."""
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)


def _merit(row: dict[str, float], training: TrainingConfig) -> float:
    """F1, less one while the latent still carries more bits than it was asked to.

    Of `dae` the F1 from corrupted notes, which is what it is there for.
    """
    if training.deterministic:
        return row["valid_f1_denoised" if training.objective == "dae" else "valid_f1"]
    steered = training.kl_control == "target"
    return row["valid_f1"] - (steered and row["valid_kl_bits"] > 1.15 * training.kl_target_bits)


def _agree(module: TrainingModule) -> None:
    """Let the first process's plan hold for all: each would measure a pace of its own."""
    plan, strategy = module.plan, module.trainer.strategy
    if module.trainer.world_size > 1:
        plan.total_steps, plan.next_check = strategy.broadcast((plan.total_steps, plan.next_check))


def _csv(rows: list[dict[str, float]]) -> str:
    buffer = io.StringIO()
    names = list(dict.fromkeys(name for row in rows for name in row))
    writer = csv.DictWriter(buffer, names)
    writer.writeheader()
    for row in rows:
        writer.writerow({name: f"{value:.6g}" for name, value in row.items()})
    return buffer.getvalue()
