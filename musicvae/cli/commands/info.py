"""`musicvae info`: what a checkpoint is, or which ones there are."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import click

from musicvae.checkpoints import (
    checkpoint_name,
    find,
    finished_runs,
    preset_from_header,
    read_header,
    shipped_checkpoints,
)
from musicvae.checkpoints.release import flat_figures
from musicvae.cli.commands import completion
from musicvae.cli.console import emit, json_option
from musicvae.cli.terminal import print_table
from musicvae.config.preset import Preset
from musicvae.config.training import TrainingConfig
from musicvae.errors import CheckpointError, one_line

# What people read first; numbers that only a program needs are for --json.
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
    metavar="CHECKPOINT",
    required=False,
    shell_complete=completion.complete_checkpoint,
)
@json_option
def command(checkpoint: str | None, as_json: bool) -> None:
    """Tell what CHECKPOINT is: its preset, what it learned from, how well, how large.

    A name under checkpoints/, the name of a shipped model, or a path; without one, which shipped
    models and which finished runs of yours there are.

    \b
    Examples:
      musicvae info
      musicvae info melody-2bar
    """
    if checkpoint is None:
        _print_all(as_json)
        return
    path = find(checkpoint)
    header = read_header(path)
    preset = preset_from_header(header, path)
    provenance: dict[str, Any] = header.get("provenance", {})
    parameters = _count_parameters(path)
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
        print_table(("", ""), [*rows, *_preset_rows(preset), *_provenance_rows(provenance)])


def _print_all(as_json: bool) -> None:
    """Each shipped model and each finished run, the newest run first."""
    rows: list[tuple[str, ...]] = []
    for path in (*shipped_checkpoints(), *finished_runs()):
        header = read_header(path)
        preset, known = preset_from_header(header, path), header.get("provenance", {})
        held_out = known.get("held_out", {})
        whose = "run" if path in finished_runs() else "shipped"
        emit(
            as_json,
            "checkpoint",
            path=path,
            name=checkpoint_name(path),
            shipped=whose == "shipped",
            preset=preset.to_dict(),
            provenance=known,
        )
        parts = ", ".join(part.name for part in preset.parts)
        f1 = held_out.get("f1", math.nan)
        bits = f"{held_out['kl_bits']:.0f}" if "kl_bits" in held_out else "none"
        figures = (f"{f1:.3f}", bits, f"{known.get('minutes', math.nan):g}")
        data = str(known.get("data") or known.get("source", ""))
        rows.append((checkpoint_name(path), whose, preset.name, parts, *figures, one_line(data)))
    if as_json:
        return
    if not rows:
        click.echo("no model is shipped, and there is no finished run under checkpoints/")
        return
    head = ("NAME", "WHOSE", "PRESET", "PARTS", "F1", "KL BITS", "MINUTES", "LEARNED FROM")
    print_table(head, rows, numeric=(4, 5, 6))


def _count_parameters(path: Path) -> dict[str, int]:
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
        ("objective", _objective_text(preset.training)),
    ]


def _objective_text(training: TrainingConfig) -> str:
    words = training.objective
    if training.effective_corruption != "none":
        words += f", {training.effective_corruption} notes {training.corruption_amount:g}"
    return (
        f"{words}, {training.effective_kl_target_bits:g} bits"
        if training.effective_kl_target_bits
        else words
    )


def _provenance_rows(provenance: dict[str, Any]) -> list[tuple[str, str]]:
    """What is known of the training; long lists (histograms) are for --json."""
    plain = {
        name: str(value)
        for name, value in provenance.items()
        if isinstance(value, (str, int, float)) and name not in HIDDEN_FIELDS
    }
    names = [name for name in FIRST_FIELDS if name in plain] + [
        n for n in plain if n not in FIRST_FIELDS
    ]
    rows = [(name.replace("_", " "), one_line(plain[name])) for name in names]
    if origin := provenance.get("from"):
        rows.append(("goes on from", one_line(f"{origin.get('name')} ({origin.get('hash')})")))
    for title, key in (("evaluated", "figures"), ("held out", "held_out")):
        rows += [
            (f"{title}: {name}", f"{value:.4g}")
            for name, value in flat_figures(provenance.get(key, {}))
        ]
    return rows
