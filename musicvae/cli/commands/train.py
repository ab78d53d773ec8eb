"""`musicvae train`: train a model on a folder of MIDI."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from musicvae.cli import BEGAN, completion
from musicvae.cli.console import (
    ANY_PATH,
    TEXT,
    FiniteFloat,
    RunName,
    device_option,
    emit,
    json_option,
    live_progress,
    print_error,
    progress_bar,
    progress_kwargs,
    stderr_console,
)
from musicvae.cli.options import ReportFile, read_options, report_option
from musicvae.cli.terminal import is_terminal
from musicvae.config.preset import Preset, load_preset, preset_names
from musicvae.config.size_limits import MAX_STEPS
from musicvae.config.training import LOGGERS, OBJECTIVES, PRECISIONS, check_logger
from musicvae.errors import ConfigError, MusicVAEError, one_line
from musicvae.io.options import ReadOptions
from musicvae.training.distributed import broadcast_choice, rank

if TYPE_CHECKING:
    from musicvae.song import Song
    from musicvae.training.finetune import RunStart
    from musicvae.training.train import RunSummary, TrainingResult

REPORT_FILE = "report.html"
N_REPORT_SONGS = 4
REPORT_S, MAX_REPORT_SHARE = 6.0, 0.1  # time for the report, at most this share of the minutes


@click.command(name="train")
@click.argument("path", type=ANY_PATH)
@click.option(
    "--preset",
    "preset_name",
    type=TEXT,
    shell_complete=completion.complete_preset,
    help="A shipped preset or a TOML file; by default the one that fits most songs.",
)
@click.option(
    "--name",
    type=RunName(),
    help="Name of the run, written to checkpoints/NAME/; by default the preset's, or my-PRESET "
    "where a shipped model has that name.",
)
@click.option(
    "--minutes",
    type=FiniteFloat(min=0, min_open=True),
    help="Time of the whole run in minutes, from reading to the report.",
)
@click.option(
    "--steps",
    type=click.IntRange(1, MAX_STEPS),
    help="Number of training steps, independent of the machine's speed.",
)
@click.option(
    "--resume",
    is_flag=True,
    help="Resume the run --name, or the newest one; --minutes and --steps extend it.",
)
@click.option(
    "--objective",
    type=TEXT,
    metavar="|".join(OBJECTIVES),
    help="Autoencoder, denoising or variational, or a plug-in; the preset's by default.",
)
@click.option(
    "--from",
    "origin",
    type=TEXT,
    metavar="CHECKPOINT|scratch",
    shell_complete=completion.complete_origin,
    help="Fine-tune a trained model, with its preset; or `scratch` for random weights.",
)
@click.option(
    "--set",
    "settings",
    type=TEXT,
    multiple=True,
    metavar="A.B=C",
    help="Override a value of the preset.",
)
@click.option(
    "--seed",
    type=click.IntRange(0, 2**32 - 1),
    help="Random seed of the split, the weights and the noise.",
)
@device_option
@click.option(
    "--devices",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Number of devices (DDP).",
)
@click.option(
    "--precision",
    type=click.Choice(["auto", *PRECISIONS]),
    default="auto",
    show_default=True,
    help="Arithmetic precision; by default bf16 on devices that support it.",
)
@click.option(
    "--logger",
    type=click.Choice(LOGGERS),
    default="auto",
    show_default=True,
    help="Logger of Lightning for the curves; by default TensorBoard if it is installed.",
)
@click.option("--compile", "compiled", is_flag=True, help="Compile the network with torch.compile.")
@read_options
@report_option
@json_option
def command(
    path: Path,
    preset_name: str | None,
    name: str | None,
    minutes: float | None,
    steps: int | None,
    resume: bool,
    objective: str | None,
    origin: str | None,
    settings: tuple[str, ...],
    seed: int | None,
    device: str,
    devices: int,
    precision: str,
    logger: str,
    compiled: bool,
    options: ReadOptions,
    report: ReportFile | None,
    as_json: bool,
) -> None:
    """Train a model on the MIDI under PATH and write it to checkpoints/NAME/.

    Prints a plan, then the loss, the F1 of free-running reconstructions of held-out songs, the KL
    in bits and the remaining time. Ctrl-C keeps the best model; --resume continues. With fewer than
    500 training windows, the nearest shipped model is fine-tuned.

    \b
    Examples:
      musicvae train data/midi/
      musicvae train data/midi/ --minutes 30 --name mine
      musicvae train data/midi/ --name mine --resume
      musicvae train my-songs/ --from melody-2bar
    """
    if rank():  # only the first process of a distributed run prints
        as_json, stderr_console().quiet = False, True
    if minutes is not None and steps is not None:
        raise click.UsageError("give --minutes or --steps, not both")
    if objective is not None:
        settings = (f"training.objective={objective}", *settings)
    if resume and (preset_name or settings or origin or seed is not None):
        raise click.UsageError(
            "a resumed run keeps its preset, settings, seed and initial weights; omit these options"
        )
    from musicvae.checkpoints import find_run
    from musicvae.data import Shards
    from musicvae.data.prepare import prepare_cached

    check_logger(logger)
    requested = load_preset(preset_name) if preset_name else None
    folder = find_run(name) if resume else None
    if seed is not None:
        settings = (*settings, f"training.seed={seed}")
    _check_before_reading(name, requested, settings, resume=resume)
    start = (
        _start_from_checkpoint(origin, requested, settings)
        if origin and origin != "scratch"
        else None
    )
    with progress_bar("reading") as reading:
        prepared = prepare_cached(path, options=options, progress=reading)
    from musicvae.training import train
    from musicvae.training.finetune import choose_start

    weights = None
    if folder is not None:
        preset = _resumed_preset(folder)
    else:
        if start is None:
            scratch = origin == "scratch"
            start = choose_start(Shards(prepared), requested, settings, scratch=scratch)
            for line in start.messages:
                stderr_console().print(line)
        preset, weights = start.preset, start.weights
        folder = Path("checkpoints") / _run_name(name, preset.name)
    display = _TrainingDisplay(as_json)
    with live_progress(display.progress):
        result = train(
            prepared,
            preset,
            folder,
            minutes=minutes,
            steps=steps,
            resume=resume,
            weights=weights,
            device=device,
            devices=devices,
            precision=precision,
            compiled=compiled,
            source_name=path.name,
            logger=logger,
            began=click.get_current_context().meta.get(BEGAN),
            after_s=_report_s(minutes),
            on_start=display.plan,
            on_step=display.step,
            on_validation=display.check,
            on_warning=display.print_warning,
        )
    f1 = result.metrics.get("valid_f1", 0.0)
    state = f"{'stopped' if result.interrupted else 'done'} after {_taken(result)}"
    announced = display.announced
    is_held_out = announced is None or announced.counts["valid"]
    whose = "held-out F1" if is_held_out else "F1 on the training songs"
    metrics = f"{whose} {f1:.3f}{_extra_metrics(result.metrics)}"
    stderr_console().print(f"{state}: {metrics}; the best model is {result.model}")
    if result.interrupted:
        stderr_console().print(f"resume with: musicvae train {path} --name {folder.name} --resume")
    arguments = {"steps": result.steps, "metrics": result.metrics}
    if not rank():
        arguments["report"] = write_training_report(folder, result, display.announced, report)
    emit(as_json, "trained", path=str(result.model), **arguments)


def _check_before_reading(
    name: str | None, requested: Preset | None, settings: tuple[str, ...], *, resume: bool
) -> None:
    """Raise for a run that could not be written, and for settings that no preset accepts.

    Reading a folder may take an hour.
    """
    from musicvae.checkpoints import require_own_name
    from musicvae.training.run_folder import require_new_run

    if not resume:
        if name is not None:
            require_own_name(name)
        require_new_run(Path("checkpoints") / (name or "run"))
    if requested is not None:
        requested.with_settings(settings)
        return
    errors = []
    for each in preset_names():
        try:
            load_preset(each).with_settings(settings)
            return
        except ConfigError as error:
            errors.append(error)
    raise errors[0]


def _start_from_checkpoint(
    origin: str, requested: Preset | None, settings: tuple[str, ...]
) -> RunStart:
    """Return the initial weights and preset that --from names."""
    from musicvae.checkpoints import find
    from musicvae.training.finetune import start_from_checkpoint

    start = start_from_checkpoint(find(origin), settings)
    if requested is not None and requested.name != start.preset.name:
        raise click.UsageError(
            f"--from {origin} has preset {start.preset.name}, not {requested.name}; omit --preset"
        )
    return start


def _run_name(name: str | None, preset: str) -> str:
    """Return an unused run name, the same for all processes of a distributed run."""
    from musicvae.checkpoints import claim_run_name, default_run_name

    wanted = name or default_run_name(preset)
    return broadcast_choice(lambda: claim_run_name(wanted, user_chosen=name is not None))


def _resumed_preset(folder: Path) -> Preset:
    """Return the preset of a run that is resumed."""
    from musicvae.checkpoints import STATE_FILE, load_header

    return load_header(folder / STATE_FILE).preset


def _taken(result: TrainingResult) -> str:
    """Return how long a run was, and with a plan that is not fulfilled, what was planned."""
    if result.budget_minutes is not None:
        asked = f"{result.minutes:.1f} of {result.budget_minutes:.3g} minutes"
        return f"{asked}, {result.steps:,} steps"
    planned = f" of {result.total_steps:,}" if result.interrupted else ""
    return f"{result.steps:,}{planned} steps, {result.minutes:.1f} minutes"


def _report_s(minutes: float | None) -> float:
    """Return the seconds of a run's minutes that are left for its report."""
    return min(REPORT_S, MAX_REPORT_SHARE * 60 * (minutes or math.inf))


def _extra_metrics(metrics: Mapping[str, float]) -> str:
    """Return the metrics printed after F1: F1 before and after denoising, and KL bits."""
    text = ""
    if "valid_f1_denoised" in metrics:
        noisy, denoised = metrics["valid_f1_noisy"], metrics["valid_f1_denoised"]
        text += f", {noisy:.3f} corrupted and {denoised:.3f} denoised"
    if "valid_kl_bits" in metrics:
        text += f" at {metrics['valid_kl_bits']:3.0f} bits"
    return text


class _TrainingDisplay:
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
            f"F1 {row['valid_f1']:.3f}{_extra_metrics(row)}  "
            f"{row['valid_active_units']:.0f} active units"
        )
        stderr_console().print(line)
        emit(self.as_json, "check", path="", **row)

    def print_warning(self, text: str) -> None:
        """Print a warning."""
        stderr_console().print(f"note: {text}", style="yellow")


def write_training_report(
    folder: Path, result: TrainingResult, plan: RunSummary | None, report: ReportFile | None
) -> str:
    """Write `report.html` into the folder of a run, and with `--report` a page with sound.

    Returns the path of the first page, or an empty string if it could not be written.
    """
    from musicvae.report import NO_AUDIO, training_page

    try:
        songs = _sample_songs(result.model)
        arguments = (
            f"Training of {folder.name}",
            f"{_taken(result)}, {result.model.name}",
            _metrics_rows(folder),
            _run_facts(plan, result),
            songs,
            [f"sample {nth}" for nth in range(1, len(songs) + 1)],
        )
        path = training_page(*arguments, embedding=NO_AUDIO).save(folder / REPORT_FILE)
    except MusicVAEError as error:
        print_error(error)  # the model is saved in any case
        return ""
    stderr_console().print(one_line(f"report: {path}"))
    if report:
        page = partial(training_page, *arguments)
        report.write(lambda how, advance: page(embedding=how, progress=advance))
    return str(path)


def _sample_songs(model: Path) -> list[Song]:
    """Return songs sampled from a model, none if it cannot sample."""
    from musicvae.model import MusicVAE

    loaded = MusicVAE.load(model)
    if loaded.preset.training.objective == "dae" or loaded.preset.prior.kind == "none":
        return []
    try:
        return loaded.sample(N_REPORT_SONGS, bars=max(8, loaded.preset.grid.bars), seed=1)
    except MusicVAEError:
        return []  # an autoencoder has no prior


def _metrics_rows(folder: Path) -> list[dict[str, str]]:
    """Return the rows of `metrics.csv`, none if there is no validation yet."""
    from musicvae.cli.commands.plot import read_metrics

    try:
        return read_metrics(folder / "metrics.csv")
    except MusicVAEError:
        return []  # stopped before the first validation


def _run_facts(plan: RunSummary | None, result: TrainingResult) -> list[tuple[str, str]]:
    """Return rows of names and values that describe a run: what was done, not what was planned."""
    if plan is None:
        return []
    train, held_out = plan.counts["train"], plan.counts.get("valid", {})
    rows: list[tuple[str, int | float | str]] = [
        ("preset", plan.preset),
        ("parameters", plan.parameters),
        ("files read", plan.files - len(plan.skipped)),
        ("files skipped", len(plan.skipped)),
        ("training songs", train["songs"]),
        ("held-out songs", held_out.get("songs", 0)),
        ("training windows", train["windows"]),
        ("training notes", train["notes"]),
        ("device", f"{plan.device} in {plan.precision}"),
        ("steps", result.steps),
        ("kept at step", int(result.metrics.get("step", 0))),
        ("epochs", round(result.epochs, 1)),
        ("minutes", f"{result.minutes:.1f}"),
        ("seed", str(plan.seed)),
    ]
    return [(name, v if isinstance(v, str) else f"{v:,}") for name, v in rows]
