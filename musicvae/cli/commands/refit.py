"""`musicvae refit`: fit a trained model's prior, directions or reference statistics again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from musicvae.cli import completion
from musicvae.cli.console import (
    ANY_PATH,
    TEXT,
    FiniteFloat,
    check_option_path,
    emit,
    force_option,
    json_option,
    print_line,
)
from musicvae.config.sections import PRIORS, PriorConfig
from musicvae.config.size_limits import MAX_STEPS
from musicvae.errors import ConfigError


@click.command(name="refit")
@click.argument(
    "checkpoint", type=TEXT, metavar="CHECKPOINT", shell_complete=completion.complete_checkpoint
)
@click.argument("folder", type=ANY_PATH)
@click.option("--prior", is_flag=True, help="Fit the prior, from which songs are sampled.")
@click.option("--directions", is_flag=True, help="Fit the attribute directions for `steer`.")
@click.option("--norms", is_flag=True, help="Fit the reference statistics for `anomalies`.")
@click.option(
    "--statistics",
    is_flag=True,
    help="Count keys, tempos, meters, pickups and swing of the songs, which samples follow.",
)
@click.option(
    "--minutes",
    type=FiniteFloat(min=0, min_open=True),
    help="Time limit for the prior; by default as in the preset.",
)
@click.option(
    "--steps",
    type=click.IntRange(1, MAX_STEPS),
    help="Limit of training steps for the prior; by default as in the preset.",
)
@click.option(
    "--kind",
    type=TEXT,
    metavar="|".join(PRIORS),
    help="Kind of prior, or a plug-in; by default as in the preset.",
)
@click.option("--out", type=ANY_PATH, help="File to write; by default CHECKPOINT itself.")
@force_option
@json_option
def command(
    checkpoint: str,
    folder: Path,
    prior: bool,
    directions: bool,
    norms: bool,
    statistics: bool,
    minutes: float | None,
    steps: int | None,
    kind: str | None,
    out: Path | None,
    force: bool,
    as_json: bool,
) -> None:
    """Fit parts of the trained model CHECKPOINT again; its weights stay as they are.

    FOLDER must hold the songs that the model was trained on. Without --prior, --directions,
    --norms or --statistics, the first three of these that the checkpoint has are fitted.

    \b
    Examples:
      musicvae refit mine songs/
      musicvae refit mine songs/ --prior --minutes 5
      musicvae refit melody-2bar songs/ --directions --out steerable.safetensors
    """
    flags = {
        "prior": prior,
        "directions": directions,
        "norms": norms,
        "statistics": statistics,
    }
    parts = [part for part, chosen in flags.items() if chosen]
    given: dict[str, Any] = {"minutes": minutes, "steps": steps, "kind": kind}
    changes = {name: value for name, value in given.items() if value is not None}
    if changes and parts and not prior:
        raise click.UsageError(f"--{next(iter(changes))} needs --prior")
    from musicvae.checkpoints import find, shipped_checkpoints
    from musicvae.training.refit import refit

    path = find(checkpoint)
    if out is not None:
        check_option_path(out, "--out", force=force)
    elif path in shipped_checkpoints():
        raise ConfigError(f"{path}: a shipped model; write a copy with --out FILE")

    def change(config: PriorConfig) -> PriorConfig:
        return replace(config, **changes)

    replace_out = out is None or force
    result = refit(path, folder, parts, change_prior=change, out=out, overwrite=replace_out)
    emit(as_json, "refit", path=result.path, parts=list(result.parts))
    if not as_json:
        print_line(f"{result.path}: fitted {', '.join(result.parts)}")
