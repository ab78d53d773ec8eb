"""What a training run shows while it goes on: its plan, its validations, its progress."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING

from musicvae.cli.console import emit, progress_kwargs, stderr_console
from musicvae.cli.terminal import is_terminal

if TYPE_CHECKING:
    from musicvae.training.train import RunSummary, TrainingResult


class TrainingDisplay:
    """Output of a run: the plan, a line for each validation, and on a terminal a progress bar."""

    def __init__(self, as_json: bool) -> None:
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

        self.as_json = as_json
        self.f1 = 0.0
        self.announced: RunSummary | None = None
        self.progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[figures]}"),
            TimeElapsedColumn(),
            TextColumn("{task.fields[left]}"),
            **progress_kwargs(disable=not is_terminal(sys.stderr)),
        )
        self.task = self.progress.add_task(
            "training", total=None, figures="", left="", visible=False
        )

    def plan(self, plan: RunSummary) -> None:
        """Print the plan of the run."""
        self.announced = plan
        train, valid = plan.counts["train"], plan.counts.get("valid", {})
        write, n_read = stderr_console().print, plan.files - len(plan.skipped)
        write(f"files    {plan.files:,}: {n_read:,} read, {len(plan.skipped):,} skipped")
        reasons: dict[str, list[str]] = {}
        for skipped in plan.skipped:
            reasons.setdefault(skipped["reason"], []).append(skipped["path"])
        for reason, paths in sorted(reasons.items(), key=lambda item: -len(item[1]))[:5]:
            more = f" and {len(paths) - 1} more" if len(paths) > 1 else ""
            write(f"         {paths[0]}{more}: {reason}")
        held_out = valid.get("songs", 0)
        rest = plan.files - len(plan.skipped) - train["songs"] - held_out
        rest_text = f", {rest:,} for testing or unusable with the preset" if rest else ""
        write(f"songs    {train['songs']:,} for training, {held_out:,} held out{rest_text}")
        write(
            f"bars     {train['bars']:,}, in {train['windows']:,} windows "
            f"with {train['notes']:,} notes"
        )
        for reason, count in plan.skipped_windows.items():
            if count:
                write(f"         skipped: {count:,} windows {reason}")
        if plan.passthrough_notes:
            notes = plan.passthrough_notes
            write(f"         skipped: {notes:,} notes that the preset cannot represent")
        about = "" if plan.budget_minutes is None else f"{plan.budget_minutes:.3g} minutes, about "
        size = f"{plan.parameters / 1e6:.2f} million parameters"
        write(f"model    {plan.preset}: {size}, on {plan.device} in {plan.precision}")
        write(
            f"pace     {plan.windows_per_s:,.0f} windows per second; {about}{plan.total_steps:,} "
            f"steps, {plan.epochs:.1f} epochs"
        )
        write(f"writes   {plan.folder}/ (seed {plan.seed})")
        if plan.resumed_at:
            write(f"resumes  at step {plan.resumed_at:,}")
        emit(self.as_json, "plan", path=str(plan.folder), files=plan.files, counts=plan.counts)
        self.progress.update(self.task, visible=True)

    def step(self, module: object) -> None:
        """Update the progress bar after a training step."""
        plan, latest = module.schedule, module.running_metrics  # type: ignore[attr-defined]
        if self.progress.disable:
            return
        figures = f"loss {latest['loss']:.1f}  F1 {self.f1:.3f}"
        if "kl_bits" in latest:
            figures += f"  KL {latest['kl_bits']:.0f} bits"
        minutes, seconds = divmod(round(plan.remaining_s), 60)
        self.progress.update(
            self.task,
            completed=plan.progress,
            total=1.0,
            figures=figures,
            left=f"{minutes}:{seconds:02d} left",
        )

    def check(self, row: dict[str, float]) -> None:
        """Print the metrics of a validation."""
        self.f1 = row["valid_f1"]
        line = (
            f"step {row['step']:>7,.0f}  {row['minutes']:5.1f} min  loss {row['valid_loss']:6.1f}  "
            f"F1 {row['valid_f1']:.3f}{extra_metrics(row)}  "
            f"{row['valid_active_units']:.0f} active units"
        )
        stderr_console().print(line)
        emit(self.as_json, "check", path="", **row)

    def print_warning(self, text: str) -> None:
        """Print a warning."""
        stderr_console().print(f"note: {text}", style="yellow")


def time_taken(result: TrainingResult) -> str:
    """Return how long a run was, and with a plan that is not fulfilled, what was planned."""
    if result.budget_minutes is not None:
        asked = f"{result.minutes:.1f} of {result.budget_minutes:.3g} minutes"
        return f"{asked}, {result.steps:,} steps"
    planned = f" of {result.total_steps:,}" if result.interrupted else ""
    return f"{result.steps:,}{planned} steps, {result.minutes:.1f} minutes"


def extra_metrics(metrics: Mapping[str, float]) -> str:
    """Return the metrics printed after F1: F1 before and after denoising, and KL bits."""
    text = ""
    if "valid_f1_denoised" in metrics:
        noisy, denoised = metrics["valid_f1_noisy"], metrics["valid_f1_denoised"]
        text += f", {noisy:.3f} corrupted and {denoised:.3f} denoised"
    if "valid_kl_bits" in metrics:
        text += f" at {metrics['valid_kl_bits']:3.0f} bits"
    return text
