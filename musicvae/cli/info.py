"""`musicvae info`: what a checkpoint is."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import click

from musicvae.checkpoints import find, read_header
from musicvae.cli.common import columns, emit, json_option
from musicvae.config import Preset, TrainingConfig, preset_from_dict
from musicvae.errors import CheckpointError, ConfigError


@click.command(name="info")
@click.argument("checkpoint", metavar="CHECKPOINT", required=False)
@json_option
def command(checkpoint: str | None, as_json: bool) -> None:
    """Tell what CHECKPOINT is: its preset, what it learned from, how well, how large.

    A name under checkpoints/, the name of a shipped model, or a path; without one, the newest run.
    """
    path = find(checkpoint)
    header = read_header(path)
    try:
        preset = preset_from_dict(header["preset"], str(path))
    except (KeyError, ConfigError) as error:
        reason = "carries no preset" if isinstance(error, KeyError) else str(error)
        raise CheckpointError(path, reason, "use the version that wrote it") from None
    provenance: dict[str, Any] = header.get("provenance", {})
    parameters = _parameters(path)
    n_bytes = path.stat().st_size
    emit(
        as_json,
        "checkpoint",
        path=path,
        format=header["format"],
        parameters=parameters,
        bytes=n_bytes,
        preset=preset.to_dict(),
        provenance=provenance,
    )
    if not as_json:
        n_model = parameters.get("model", 0)
        size = f"{n_model:,} parameters, {n_bytes / 1e6:.1f} MB"
        extra = [f"{name} {n:,}" for name, n in parameters.items() if name != "model"]
        rows = [("checkpoint", str(path)), ("size", ", ".join([size, *extra]))]
        click.echo(columns([*rows, *_preset_rows(preset), *_provenance_rows(provenance)]))


def _parameters(path: Path) -> dict[str, int]:
    """Numbers held, by the first word of their tensors' names (`model`, `prior`)."""
    from safetensors import SafetensorError, safe_open

    count: dict[str, int] = {}
    try:
        with safe_open(path, framework="numpy") as file:
            for name in file.keys():  # noqa: SIM118 - not a mapping
                group = name.partition(".")[0]
                count[group] = count.get(group, 0) + math.prod(file.get_slice(name).get_shape())
    except (SafetensorError, OSError) as error:
        raise CheckpointError(path, f"damaged ({error})", "copy it again or train anew") from None
    return dict(sorted(count.items()))


def _preset_rows(preset: Preset) -> list[tuple[str, str]]:
    grid = preset.grid
    return [
        ("preset", f"{preset.name}: {preset.description}" if preset.description else preset.name),
        ("window", f"{grid.bars} bars, {grid.steps_per_quarter} steps a quarter"),
        ("parts", ", ".join(f"{part.name} ({part.kind})" for part in preset.parts)),
        ("objective", _objective(preset.training)),
    ]


def _objective(training: TrainingConfig) -> str:
    words = training.objective
    if training.noise != "none":
        words += f", {training.noise} notes {training.corruption_amount:g}"
    return f"{words}, {training.asked_bits:g} bits" if training.asked_bits else words


def _provenance_rows(provenance: dict[str, Any]) -> list[tuple[str, str]]:
    """What is known of the training; long lists (histograms) are for --json."""
    rows = []
    for name, value in provenance.items():
        if isinstance(value, (str, int, float)):
            rows.append((name.replace("_", " "), f"{value}"))
    held_out = provenance.get("held_out", {})
    if isinstance(held_out, dict):
        rows += [(f"held out {name.replace('_', ' ')}", f"{v}") for name, v in held_out.items()]
    return rows
