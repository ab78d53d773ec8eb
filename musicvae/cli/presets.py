"""`musicvae presets`: the shipped presets."""

from __future__ import annotations

from dataclasses import asdict

import click

from musicvae.cli.common import columns, emit, json_option
from musicvae.config import load_preset, preset_names


@click.command(name="presets")
@json_option
def command(as_json: bool) -> None:
    """The presets to train with, by --preset NAME. A TOML file of your own works as well."""
    rows: list[tuple[str, ...]] = [("NAME", "BARS", "PARTS", "KL BITS", "MINUTES", "WHAT")]
    for name in preset_names():
        preset = load_preset(name)
        emit(as_json, "preset", path=f"presets/{name}.toml", **asdict(preset))
        parts = ", ".join(part.name for part in preset.parts)
        bits, minutes = preset.training.kl_target_bits, preset.training.minutes
        figures = (str(preset.grid.bars), parts, f"{bits:g}", f"{minutes:g}")
        rows.append((name, *figures, preset.description))
    if not as_json:
        click.echo(columns(rows))
