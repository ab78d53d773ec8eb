"""`musicvae steer`: change musical attributes of songs."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from musicvae.cli.console import ANY_PATH, FiniteFloat, print_line, songs_argument
from musicvae.cli.options import (
    GenerateOptions,
    check_plot_path,
    generate_options,
    print_plot_path,
    theme_options,
)
from musicvae.io.members import song_stem
from musicvae.storage import exclusive_writes

if TYPE_CHECKING:
    from musicvae.downbeats import BarlineEstimate
    from musicvae.plots import Theme

# The names of `attributes.ATTRIBUTES`, which is slow to import, in the same order (tested).
ATTRIBUTE_HELP = {
    "density": "More (+) or fewer (-) notes.",
    "range": "Wider or narrower pitch range.",
    "register": "Higher or lower pitches.",
    "syncopation": "More or fewer onsets off the beat.",
    "polyphony": "More or fewer simultaneous notes.",
    "note_length": "Longer (legato) or shorter notes.",
    "velocity": "Louder or softer.",
    "mode": "More major or more minor.",
    "chromaticism": "More or fewer notes outside the scale.",
    "repetition": "Bars more or less like the preceding bar.",
}
MAX_STEPS = 10.0  # standard deviations, or steps of a direction


def attribute_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add an option for each attribute, in standard deviations."""
    for name, text in reversed(ATTRIBUTE_HELP.items()):
        flag = "--" + name.replace("_", "-")
        option = click.option(
            flag, name, type=FiniteFloat(-MAX_STEPS, MAX_STEPS), metavar="±N", help=text
        )
        command = option(command)
    return command


@click.command(name="steer")
@songs_argument
@attribute_options
@click.option(
    "--direction",
    "directions",
    multiple=True,
    metavar="FILE=±N",
    help="File written by `musicvae direction`, and the number of steps to move along it.",
)
@click.option(
    "--plot",
    type=ANY_PATH,
    help="Plot the changes of all attributes of all songs to this PNG, SVG or PDF file.",
)
@theme_options
@generate_options("steered")
def command(
    paths: tuple[Path, ...],
    directions: tuple[str, ...],
    plot: Path | None,
    theme: Theme,
    shared: GenerateOptions,
    **attributes: float | None,
) -> None:
    """Change musical attributes of songs (files or folders) and write them to --out.

    Each option takes a change in standard deviations of the model's training data. Other
    attributes are kept as constant as possible; the changes achieved are printed. Length, tempo,
    meter and programs are kept.

    \b
    Examples:
      musicvae steer song.mid --density +2 --register -1
      musicvae steer song.mid --direction jig.safetensors=+1.5 --out jigs/
    """
    targets = {name: amount for name, amount in attributes.items() if amount is not None}
    steps = [_parse_direction(text) for text in directions]
    if not targets and not steps:
        raise click.UsageError("give an attribute to change, such as --density +1; see --help")
    if plot is not None:
        check_plot_path(plot)
    from musicvae.tools.attribute_vector import AttributeVector

    writer = shared.writer()
    loaded = [(AttributeVector.load(path), amount) for path, amount in steps]
    models = shared.models()
    arguments = " ".join(
        f"--{name.replace('_', '-')} {amount:+g}" for name, amount in targets.items()
    )
    arguments += "".join(f" --direction {path.name}={amount:+g}" for path, amount in steps)

    shifts: dict[str, dict[str, float]] = {}

    def process(path: Path, song: BarlineEstimate) -> None:
        model = models.for_song(song)
        result = model.steer_with_report(song, targets, directions=loaded)
        known = {n: round(v, 3) for n, v in result.changes.items() if math.isfinite(v)}
        note = f"musicvae steer {path.name} {arguments.strip()} checkpoint {model.hash}"
        figures = {"asked": targets, "moved": known, "source": str(path)}
        written = writer.write_numbered(result.song, song_stem(path), note=note, **figures)
        shifts[written.stem] = known
        if shared.as_json:
            return
        for name in targets:
            print_line(f"  {name} {known.get(name, 0.0):+.2f} of {targets[name]:+g}")
        others = {n: v for n, v in known.items() if n not in targets and abs(v) >= 0.1}
        if others:
            text = ", ".join(f"{name} {value:+.2f}" for name, value in others.items())
            print_line(f"  side effects: {text}")

    try:
        shared.for_each_song(paths, process)
    finally:
        if plot is not None and shifts:
            with exclusive_writes():
                _plot_shifts(shifts, targets, plot, theme)
            print_plot_path(plot, as_json=shared.as_json)


def _plot_shifts(
    shifts: dict[str, dict[str, float]], targets: dict[str, float], path: Path, theme: Theme
) -> None:
    """Plot the changes of attributes (columns) in songs (rows), the requested ones framed."""
    import numpy as np

    from musicvae.plots import plot_heatmap

    names = [name for name in ATTRIBUTE_HELP if any(name in result for result in shifts.values())]
    values = np.array([[result.get(n, math.nan) for n in names] for result in shifts.values()])
    marked = np.array([[name in targets for name in names]] * len(shifts))
    text = "  ·  ".join(f"{name.replace('_', ' ')} {amount:+g}" for name, amount in targets.items())
    title, facts = "Steered songs", f"requested: {text}  ·  in standard deviations"
    plot_heatmap(values, list(shifts), names, path, title, facts, marked=marked, theme=theme)


def _parse_direction(text: str) -> tuple[Path, float]:
    """Parse `FILE=+1.5` into a path and a number of steps, 1 by default."""
    path, equals, amount = text.rpartition("=")
    if not equals:
        return Path(text), 1.0
    try:
        steps = float(amount)
    except ValueError:
        steps = math.nan
    if not abs(steps) <= MAX_STEPS:
        raise click.UsageError(
            f"--direction {text}: write it as FILE=+1.5, at most {MAX_STEPS:g} steps"
        )
    return Path(path), steps
