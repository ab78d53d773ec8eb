"""`musicvae presets`: list the shipped presets."""

from __future__ import annotations

from dataclasses import asdict

import click

from musicvae.checkpoints import load_header, shipped_checkpoints
from musicvae.cli.console import emit, json_option
from musicvae.cli.terminal import print_table
from musicvae.config.preset import load_preset, preset_names


@click.command(name="presets")
@json_option
def command(as_json: bool) -> None:
    """List the presets for `musicvae train --preset NAME`, which also takes your own TOML files.

    WEIGHTS names the shipped model of a preset, for --checkpoint.

    \b
    Example:
      musicvae presets
    """
    header = ("NAME", "BARS", "PARTS", "KL BITS", "MINUTES", "WEIGHTS", "DESCRIPTION")
    rows: list[tuple[str, ...]] = []
    weights: dict[str, list[str]] = {}
    for path in shipped_checkpoints():
        weights.setdefault(load_header(path).preset.name, []).append(path.stem)
    for name in preset_names():
        preset, shipped = load_preset(name), weights.get(name, [])
        emit(as_json, "preset", path=f"presets/{name}.toml", weights=shipped, **asdict(preset))
        parts = ", ".join(part.name for part in preset.parts)
        bits, minutes = preset.training.kl_target_bits, preset.training.minutes
        figures = (str(preset.grid.bars), parts, f"{bits:g}", f"{minutes:g}")
        rows.append((name, *figures, ", ".join(shipped) or "-", preset.description))
    if not as_json:
        print_table(header, rows, numeric=(1, 3, 4))
