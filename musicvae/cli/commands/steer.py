"""`musicvae steer`: songs turned by musical knobs."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from musicvae.cli.console import FiniteFloat, print_line, songs_argument
from musicvae.cli.options import (
    GenerateOptions,
    check_plot_path,
    generate_options,
    print_plot_path,
    theme_options,
)

# `attributes.ATTRIBUTES` in its order, which a test holds it to; that one is heavy to import.
ATTRIBUTE_HELP = {
    "density": "More notes, or fewer.",
    "range": "A wider line, or a narrower one.",
    "register": "Higher, or lower.",
    "syncopation": "More onsets off the beat, or fewer.",
    "polyphony": "More notes at once, or fewer.",
    "note_length": "Longer notes in the time they have, or shorter.",
    "velocity": "Louder, or softer.",
    "mode": "More major, or more minor.",
    "chromaticism": "More notes outside the scale, or fewer.",
    "repetition": "Bars more like the one before, or less.",
}
MAX_STEPS = 10.0


def attribute_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """An option for each attribute, in standard deviations."""
    for name, words in reversed(ATTRIBUTE_HELP.items()):
        flag = "--" + name.replace("_", "-")
        option = click.option(
            flag, name, type=FiniteFloat(-MAX_STEPS, MAX_STEPS), metavar="±N", help=words
        )
        command = option(command)
    return command


if TYPE_CHECKING:
    from musicvae.downbeats import BarlineEstimate
    from musicvae.plots import Theme


@click.command(name="steer")
@songs_argument
@attribute_options
@click.option(
    "--direction",
    "directions",
    multiple=True,
    metavar="FILE=±N",
    help="A direction made by `musicvae direction`, and how many steps to go along it.",
)
@click.option(
    "--plot",
    type=click.Path(path_type=Path),
    help="A picture of how far all attributes of all songs moved: PNG, SVG or PDF.",
)
@theme_options
@generate_options("steered")
def command(
    paths: tuple[Path, ...],
    directions: tuple[str, ...],
    plot: Path | None,
    theme: Theme,
    shared: GenerateOptions,
    **knobs: float | None,
) -> None:
    """Turn songs (files or folders) by musical knobs, and write them to --out.

    A knob says by how many standard deviations of the music that the model learned from an
    attribute should move; the other attributes stay where they are, as far as can be. What became
    of each is told. Length, tempo, meter and programs are kept.

    \b
    Examples:
      musicvae steer song.mid --density +2 --register -1
      musicvae steer song.mid --direction jig.safetensors=+1.5 --out jigs/
    """
    asked = {name: amount for name, amount in knobs.items() if amount is not None}
    ways = [_parse_direction(word) for word in directions]
    if not asked and not ways:
        raise click.UsageError("say what to turn, such as --density +1; see --help")
    if plot is not None:
        check_plot_path(plot)
    from musicvae.tools.attribute_vector import AttributeVector
    from musicvae.tools.steer import steer

    writer = shared.writer()
    loaded = [(AttributeVector.load(path), amount) for path, amount in ways]
    models = shared.models()
    turned = " ".join(f"--{name.replace('_', '-')} {amount:+g}" for name, amount in asked.items())
    turned += "".join(f" --direction {path.name}={amount:+g}" for path, amount in ways)

    moved: dict[str, dict[str, float]] = {}

    def process(path: Path, song: BarlineEstimate) -> None:
        model = models.for_song(song)
        found = steer(model, song, asked, directions=loaded)
        known = {n: round(v, 3) for n, v in found.moved.items() if math.isfinite(v)}
        note = f"musicvae steer {path.name} {turned.strip()} checkpoint {model.hash}"
        figures = {"asked": asked, "moved": known, "source": str(path)}
        moved[writer.write_numbered(found.song, path.stem, note=note, **figures).stem] = known
        if shared.as_json:
            return
        for name in asked:
            print_line(f"  {name} {known.get(name, 0.0):+.2f} of {asked[name]:+g}")
        others = {n: v for n, v in known.items() if n not in asked and abs(v) >= 0.1}
        if others:
            told = ", ".join(f"{name} {value:+.2f}" for name, value in others.items())
            print_line(f"  with it {told}")

    try:
        shared.for_each_song(paths, process)
    finally:
        if plot is not None and moved:
            _plot_shifts(moved, asked, plot, theme)
            print_plot_path(plot, as_json=shared.as_json)


def _plot_shifts(
    moved: dict[str, dict[str, float]], asked: dict[str, float], path: Path, theme: Theme
) -> None:
    """The attributes of songs (rows), by how far they moved; what was asked for is framed."""
    import numpy as np

    from musicvae.plots import plot_matrix

    names = [name for name in ATTRIBUTE_HELP if any(name in found for found in moved.values())]
    values = np.array([[found.get(n, math.nan) for n in names] for found in moved.values()])
    marked = np.array([[name in asked for name in names]] * len(moved))
    told = "  ·  ".join(f"{name.replace('_', ' ')} {amount:+g}" for name, amount in asked.items())
    title, facts = "Steered", f"asked for: {told}  ·  in standard deviations"
    plot_matrix(values, list(moved), names, path, title, facts, marked=marked, theme=theme)


def _parse_direction(word: str) -> tuple[Path, float]:
    """`FILE=+1.5` taken apart; one step if no number is given."""
    path, equals, amount = word.rpartition("=")
    if not equals:
        return Path(word), 1.0
    try:
        steps = float(amount)
    except ValueError:
        steps = math.nan
    if not abs(steps) <= MAX_STEPS:
        raise click.UsageError(
            f"--direction {word}: write it as FILE=+1.5, at most {MAX_STEPS:g} steps"
        )
    return Path(path), steps
