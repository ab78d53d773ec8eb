"""`musicvae train`: learn a latent space from a folder of MIDI."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from musicvae.cli.commands import completion
from musicvae.cli.console import (
    INPUT_PATH,
    FiniteFloat,
    device_option,
    emit,
    json_option,
    live_progress,
    progress_bar,
    progress_kwargs,
    stderr_console,
)
from musicvae.cli.options import ReportFile, read_options, report_option
from musicvae.cli.terminal import is_terminal
from musicvae.config.preset import Preset, load_preset
from musicvae.config.training import OBJECTIVES, PRECISIONS
from musicvae.io.options import ReadOptions
from musicvae.training.distributed import broadcast_choice, rank

if TYPE_CHECKING:
    from musicvae.training.finetune import RunStart
    from musicvae.training.train import RunSummary
from functools import partial
from typing import TYPE_CHECKING

from musicvae.cli.console import print_error
from musicvae.errors import MusicVAEError, one_line

if TYPE_CHECKING:
    from musicvae.cli.options import ReportFile
    from musicvae.song import Song
    from musicvae.training.train import RunSummary, TrainingResult


@click.command(name="train")
@click.argument("path", type=INPUT_PATH)
@click.option(
    "--preset",
    "preset_name",
    shell_complete=completion.complete_preset,
    help="A shipped preset or a TOML file; chosen by what the folder holds.",
)
@click.option(
    "--name", help="Name of the run: it writes checkpoints/NAME/. The preset's name if not given."
)
@click.option(
    "--minutes", type=FiniteFloat(min=0, min_open=True), help="Length of the run in minutes."
)
@click.option(
    "--steps",
    type=click.IntRange(min=1),
    help="Length of the run in steps: the same on every machine.",
)
@click.option(
    "--resume",
    is_flag=True,
    help="Go on with the run of --name, or the newest; --minutes and --steps make it longer.",
)
@click.option(
    "--objective",
    type=click.Choice(OBJECTIVES),
    help="Autoencoder, denoising or variational; the preset's if not given.",
)
@click.option(
    "--from",
    "origin",
    metavar="CHECKPOINT|scratch",
    shell_complete=completion.complete_origin,
    help="Go on from a trained model, with its preset; or from no model, however few the songs.",
)
@click.option(
    "--set", "settings", multiple=True, metavar="A.B=C", help="Change one value of the preset."
)
@click.option("--seed", type=click.IntRange(0, 2**32 - 1), help="Of split, weights and noise.")
@device_option
@click.option(
    "--devices", type=click.IntRange(min=1), default=1, show_default=True, help="How many, by DDP."
)
@click.option(
    "--precision",
    type=click.Choice(["auto", *PRECISIONS]),
    default="auto",
    show_default=True,
    help="Of the arithmetic: in bf16 where the device computes in it, unless asked otherwise.",
)
@click.option("--compile", "compiled", is_flag=True, help="Let torch.compile make the network.")
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
    compiled: bool,
    options: ReadOptions,
    report: ReportFile | None,
    as_json: bool,
) -> None:
    """Learn from the MIDI under PATH; write checkpoints/NAME/.

    States its plan first, then shows the loss, the F1 of free-running reconstructions of held-out
    songs, the KL in bits, and the time left. Ctrl-C keeps the best model; --resume goes on. With
    fewer than 500 windows to learn from, it goes on from the nearest shipped model.

    \b
    Examples:
      musicvae train data/midi/
      musicvae train data/midi/ --minutes 30 --name mine
      musicvae train data/midi/ --name mine --resume
      musicvae train my-songs/ --from melody-2bar
    """
    if rank():  # of a distributed run only the first process talks
        as_json, stderr_console().quiet = False, True
    if minutes is not None and steps is not None:
        raise click.UsageError("give --minutes or --steps, not both")
    if objective is not None:
        settings = (f"training.objective={objective}", *settings)
    if resume and (preset_name or settings or origin or seed is not None):
        raise click.UsageError(
            "a resumed run keeps its preset, settings, seed and beginning; leave them out"
        )
    from musicvae.checkpoints import find_run
    from musicvae.data import Shards, prepare_cached

    if name is not None and (not name or Path(name).name != name):
        raise click.UsageError(f"--name {name!r}: give a plain name, no path")
    asked = load_preset(preset_name) if preset_name else None
    folder = find_run(name) if resume else None
    if seed is not None:
        settings = (*settings, f"training.seed={seed}")
    start = (
        _start_from_checkpoint(origin, asked, settings) if origin and origin != "scratch" else None
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
            start = choose_start(Shards(prepared), asked, settings, scratch=scratch)
            for line in start.messages:
                stderr_console().print(line)
        preset, weights = start.preset, start.weights
        folder = Path("checkpoints") / _run_name(name, preset.name)
    live = _TrainingDisplay(as_json)
    with live_progress(live.progress):
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
            on_plan=live.plan,
            on_step=live.step,
            on_check=live.check,
            say=live.say,
        )
    f1 = result.metrics.get("valid_f1", 0.0)
    state = (
        f"stopped at step {result.steps:,} of {result.total_steps:,}"
        if result.interrupted
        else "done"
    )
    stderr_console().print(
        f"{state}: held-out F1 {f1:.3f}{_extra_metrics(result.metrics)}; the best model is {result.model}"
    )
    if result.interrupted:
        stderr_console().print(f"go on with: musicvae train {path} --name {folder.name} --resume")
    told = {"steps": result.steps, "metrics": result.metrics}
    if not rank():
        told["report"] = write_training_report(folder, result, live.announced, report)
    emit(as_json, "trained", path=str(result.model), **told)


def _start_from_checkpoint(
    origin: str, asked: Preset | None, settings: tuple[str, ...]
) -> RunStart:
    """The beginning that --from asks for."""
    from musicvae.checkpoints import find
    from musicvae.training.finetune import start_from_checkpoint

    start = start_from_checkpoint(find(origin), settings)
    if asked is not None and asked.name != start.preset.name:
        told = f"--from {origin} is of preset {start.preset.name}, not {asked.name}"
        raise click.UsageError(f"{told}; leave out --preset")
    return start


def _run_name(name: str | None, preset: str) -> str:
    """The run's name, the same for all processes of a distributed run."""
    from musicvae.checkpoints import unused_run_name

    return broadcast_choice(lambda: unused_run_name(name or preset, named=name is not None))


def _resumed_preset(folder: Path) -> Preset:
    from musicvae.checkpoints import STATE_FILE, read_header
    from musicvae.config.preset import preset_from_dict

    return preset_from_dict(read_header(folder / STATE_FILE)["preset"], str(folder))


def _extra_metrics(metrics: Mapping[str, float]) -> str:
    """What stands beside F1: of corrupted notes before and after, and the bits if there are any."""
    words = ""
    if "valid_f1_denoised" in metrics:
        noisy, mended = metrics["valid_f1_noisy"], metrics["valid_f1_denoised"]
        words += f", {noisy:.3f} corrupted and {mended:.3f} mended"
    if "valid_kl_bits" in metrics:
        words += f" at {metrics['valid_kl_bits']:3.0f} bits"
    return words


class _TrainingDisplay:
    """The plan, then a progress bar on a terminal, or a line for each validation elsewhere."""

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
        """State what is going to happen."""
        self.announced = plan
        train, valid = plan.counts["train"], plan.counts.get("valid", {})
        say, n_read = stderr_console().print, plan.files - len(plan.skipped)
        say(f"files    {plan.files:,}: {n_read:,} read, {len(plan.skipped):,} left out")
        reasons: dict[str, list[str]] = {}
        for skipped in plan.skipped:
            reasons.setdefault(skipped["reason"], []).append(skipped["path"])
        for reason, paths in sorted(reasons.items(), key=lambda item: -len(item[1]))[:5]:
            more = f" and {len(paths) - 1} more" if len(paths) > 1 else ""
            say(f"         {paths[0]}{more}: {reason}")
        held = valid.get("songs", 0)
        rest = plan.files - len(plan.skipped) - train["songs"] - held
        kept = f", {rest:,} for testing or of no use to the preset" if rest else ""
        say(f"songs    {train['songs']:,} to learn from, {held:,} held out{kept}")
        say(
            f"bars     {train['bars']:,}, in {train['windows']:,} windows "
            f"with {train['notes']:,} notes"
        )
        for reason, count in plan.skipped_windows.items():
            if count:
                say(f"         left out: {count:,} windows {reason}")
        if plan.passthrough_notes:
            notes = plan.passthrough_notes
            say(f"         left out: {notes:,} notes that the preset cannot represent")
        size = f"{plan.parameters / 1e6:.2f} million parameters"
        say(f"model    {plan.preset}: {size}, on {plan.device} in {plan.precision}")
        say(
            f"pace     {plan.windows_per_s:,.0f} windows a second; {plan.total_steps:,} steps, "
            f"{plan.epochs:.1f} passes over the songs"
        )
        say(f"writes   {plan.folder}/ (seed {plan.seed})")
        if plan.resumed_at:
            say(f"resumes  at step {plan.resumed_at:,}")
        emit(self.as_json, "plan", path=str(plan.folder), files=plan.files, counts=plan.counts)
        self.progress.update(self.task, visible=True)

    def step(self, module: object) -> None:
        """Move the bar on."""
        plan, latest = module.schedule, module.running_metrics  # type: ignore[attr-defined]
        if self.progress.disable:
            return
        figures = f"loss {latest['loss']:.1f}  F1 {self.f1:.3f}"
        if "kl_bits" in latest:
            figures += f"  KL {latest['kl_bits']:.0f} bits"
        minutes, seconds = divmod(round(plan.remaining_s), 60)
        self.progress.update(
            self.task,
            completed=plan.step,
            total=plan.total_steps,
            figures=figures,
            left=f"{minutes}:{seconds:02d} left",
        )

    def check(self, row: dict[str, float]) -> None:
        """Take note of a validation."""
        self.f1 = row["valid_f1"]
        line = (
            f"step {row['step']:>7,.0f}  {row['minutes']:5.1f} min  loss {row['valid_loss']:6.1f}  "
            f"F1 {row['valid_f1']:.3f}{_extra_metrics(row)}  "
            f"{row['valid_active_units']:.0f} active units"
        )
        stderr_console().print(line)
        emit(self.as_json, "check", path="", **row)

    def say(self, words: str) -> None:
        """Trouble, in words."""
        stderr_console().print(f"note: {words}", style="yellow")


REPORT_FILE = "report.html"
N_REPORT_SONGS = 4


def write_training_report(
    folder: Path, result: TrainingResult, plan: RunSummary | None, report: ReportFile | None
) -> str:
    """Write `report.html` into the folder of a run, without sound, which takes longer; and one with
    sound where `--report` says. Returns the path of the first, empty if it could not be written.
    """
    from musicvae.report import NO_AUDIO, training_page

    try:
        songs = _sample_songs(result.model)
        told = (
            f"Training of {folder.name}",
            f"{result.steps:,} of {result.total_steps:,} steps, {result.model.name}",
            _metrics_rows(folder),
            _run_facts(plan),
            songs,
            [f"sample {nth}" for nth in range(1, len(songs) + 1)],
        )
        path = training_page(*told, embedding=NO_AUDIO).save(folder / REPORT_FILE)
    except MusicVAEError as error:
        print_error(error)  # the model is there all the same
        return ""
    stderr_console().print(one_line(f"a page about it is {path}"))
    if report:
        page = partial(training_page, *told)
        report.write(lambda how, advance: page(embedding=how, progress=advance))
    return str(path)


def _sample_songs(model: Path) -> list[Song]:
    """Songs of a model, if it makes any."""
    from musicvae.model import MusicVAE

    loaded = MusicVAE.load(model)
    if loaded.preset.training.objective == "dae" or loaded.preset.prior.kind == "none":
        return []
    try:
        return loaded.sample(N_REPORT_SONGS, bars=max(8, loaded.preset.grid.bars), seed=1)
    except MusicVAEError:
        return []  # an autoencoder has nothing to draw from


def _metrics_rows(folder: Path) -> list[dict[str, str]]:
    from musicvae.cli.commands.plot import read_metrics

    try:
        return read_metrics(folder / "metrics.csv")
    except MusicVAEError:
        return []  # it was stopped before the first validation


def _run_facts(plan: RunSummary | None) -> list[tuple[str, str]]:
    if plan is None:
        return []
    learned, held = plan.counts["train"], plan.counts.get("valid", {})
    rows: list[tuple[str, int | float | str]] = [
        ("preset", plan.preset),
        ("parameters", plan.parameters),
        ("files read", plan.files - len(plan.skipped)),
        ("files left out", len(plan.skipped)),
        ("songs to learn from", learned["songs"]),
        ("songs held out", held.get("songs", 0)),
        ("windows to learn from", learned["windows"]),
        ("notes in them", learned["notes"]),
        ("device", f"{plan.device} in {plan.precision}"),
        ("steps", plan.total_steps),
        ("passes over the songs", round(plan.epochs, 1)),
        ("seed", str(plan.seed)),
    ]
    return [(name, v if isinstance(v, str) else f"{v:,}") for name, v in rows]
