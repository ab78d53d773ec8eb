"""`musicvae train`: train a model on a folder of MIDI."""

from __future__ import annotations

import math
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
    progress_bar,
    stderr_console,
)
from musicvae.cli.options import ReportFile, read_options, report_option
from musicvae.cli.training_display import TrainingDisplay, extra_metrics, time_taken
from musicvae.cli.training_report import write_training_report
from musicvae.config.preset import Preset, load_preset, preset_names
from musicvae.config.size_limits import MAX_STEPS
from musicvae.config.training import LOGGERS, OBJECTIVES, PRECISIONS, check_logger
from musicvae.errors import ConfigError
from musicvae.io.options import ReadOptions
from musicvae.training.distributed import broadcast_choice, rank

if TYPE_CHECKING:
    from musicvae.training.finetune import RunStart

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
    display = TrainingDisplay(as_json)
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
    state = f"{'stopped' if result.interrupted else 'done'} after {time_taken(result)}"
    announced = display.announced
    is_held_out = announced is None or announced.counts["valid"]
    whose = "held-out F1" if is_held_out else "F1 on the training songs"
    metrics = f"{whose} {f1:.3f}{extra_metrics(result.metrics)}"
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


def _report_s(minutes: float | None) -> float:
    """Return the seconds of a run's minutes that are left for its report."""
    return min(REPORT_S, MAX_REPORT_SHARE * 60 * (minutes or math.inf))
