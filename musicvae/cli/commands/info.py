"""`musicvae info`: describe a checkpoint, or list all checkpoints."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import click

from musicvae.checkpoints import (
    FORMAT_VERSION,
    checkpoint_name,
    find,
    finished_runs,
    load_header,
    shipped_checkpoints,
)
from musicvae.checkpoints.checkpoint import flatten_figures
from musicvae.cli import completion
from musicvae.cli.console import TEXT, emit, json_option
from musicvae.cli.inputs import print_unreadable_runs
from musicvae.cli.terminal import print_table
from musicvae.config.preset import Preset
from musicvae.config.training import TrainingConfig
from musicvae.errors import CheckpointError, one_line

# Fields shown first, and fields shown only with --json.
FIRST_FIELDS = (
    "data",
    "source",
    "licence",
    "credits",
    "songs",
    "windows",
    "minutes",
    "machine",
    "steps",
)
HIDDEN_FIELDS = ("beta", "finished")


@click.command(name="info")
@click.argument(
    "checkpoint",
    type=TEXT,
    metavar="CHECKPOINT",
    required=False,
    shell_complete=completion.complete_checkpoint,
)
@json_option
def command(checkpoint: str | None, as_json: bool) -> None:
    """Describe CHECKPOINT: its preset, training data, quality and size.

    CHECKPOINT is a name under checkpoints/, the name of a shipped model, or a path. Without it, all
    shipped models and all finished runs are listed.

    \b
    Examples:
      musicvae info
      musicvae info melody-2bar
    """
    if checkpoint is None:
        _print_all(as_json)
        return
    path = find(checkpoint)
    preset, provenance = load_header(path)
    parameters = _count_parameters(path)
    n_bytes = path.stat().st_size
    emit(
        as_json,
        "checkpoint",
        path=path,
        format=FORMAT_VERSION,
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
        print_table(("", ""), [*rows, *_preset_rows(preset), *_provenance_rows(provenance)])


def _print_all(as_json: bool) -> None:
    """Print all shipped models and all finished runs, the newest run first."""
    rows: list[tuple[str, ...]] = []
    print_unreadable_runs()
    shipped = shipped_checkpoints()
    for path in (*shipped, *finished_runs()):
        preset, provenance = load_header(path)
        held_out = provenance.get("held_out", {})
        origin = "shipped" if path in shipped else "run"
        emit(
            as_json,
            "checkpoint",
            path=path,
            name=checkpoint_name(path),
            shipped=origin == "shipped",
            preset=preset.to_dict(),
            provenance=provenance,
        )
        parts = ", ".join(part.name for part in preset.parts)
        f1 = held_out.get("f1", math.nan)
        bits = f"{held_out['kl_bits']:.0f}" if "kl_bits" in held_out else "none"
        figures = (f"{f1:.3f}", bits, f"{provenance.get('minutes', math.nan):g}")
        data = str(provenance.get("data") or provenance.get("source", ""))
        rows.append((checkpoint_name(path), origin, preset.name, parts, *figures, one_line(data)))
    if as_json:
        return
    if not rows:
        click.echo("there are no shipped models and no finished runs under checkpoints/")
        return
    columns = ("NAME", "ORIGIN", "PRESET", "PARTS", "F1", "KL BITS", "MINUTES", "TRAINED ON")
    print_table(columns, rows, numeric=(4, 5, 6))


def _count_parameters(path: Path) -> dict[str, int]:
    """Return the number of parameters by the first word of tensor names (`model`, `prior`)."""
    from safetensors import SafetensorError, safe_open

    counts: dict[str, int] = {}
    try:
        with safe_open(path, framework="numpy") as file:
            for name in file.keys():  # noqa: SIM118 - not a mapping
                group = name.partition(".")[0]
                counts[group] = counts.get(group, 0) + math.prod(file.get_slice(name).get_shape())
    except (SafetensorError, OSError) as error:
        raise CheckpointError(path, f"damaged ({error})", "copy it again or train again") from None
    return dict(sorted(counts.items()))


def _preset_rows(preset: Preset) -> list[tuple[str, str]]:
    """Return the rows that describe a preset."""
    grid = preset.grid
    return [
        ("preset", f"{preset.name}: {preset.description}" if preset.description else preset.name),
        ("window", f"{grid.bars} bars, {grid.steps_per_quarter} steps per quarter"),
        ("parts", ", ".join(f"{part.name} ({part.kind})" for part in preset.parts)),
        ("objective", _objective_text(preset.training)),
    ]


def _objective_text(training: TrainingConfig) -> str:
    """Return the objective with its corruption and KL target."""
    text = training.objective
    if training.effective_corruption != "none":
        text += f", {training.effective_corruption} notes {training.corruption_amount:g}"
    return (
        f"{text}, {training.effective_kl_target_bits:g} bits"
        if training.effective_kl_target_bits
        else text
    )


def _provenance_rows(provenance: dict[str, Any]) -> list[tuple[str, str]]:
    """Return the rows of provenance; long lists (histograms) are only in --json."""
    values = {
        name: str(value)
        for name, value in provenance.items()
        if isinstance(value, (str, int, float)) and name not in HIDDEN_FIELDS
    }
    names = [name for name in FIRST_FIELDS if name in values] + [
        n for n in values if n not in FIRST_FIELDS
    ]
    rows = [(name.replace("_", " "), one_line(values[name])) for name in names]
    if origin := provenance.get("from"):
        rows.append(("fine-tuned from", one_line(f"{origin.get('name')} ({origin.get('hash')})")))
    validated = "validation" if "validated_on" in provenance else "held out"
    for title, key in (("evaluated", "figures"), (validated, "held_out")):
        rows += [
            (f"{title}: {name}", f"{value:.4g}")
            for name, value in flatten_figures(provenance.get(key, {}))
        ]
    return rows
