"""`musicvae interpolate`: interpolate between songs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from musicvae.cli.console import ANY_PATH
from musicvae.cli.inputs import read_with_barlines
from musicvae.cli.options import (
    GenerateOptions,
    ReportFile,
    check_plot_path,
    generate_options,
    print_plot_path,
    report_option,
    theme_options,
)
from musicvae.cli.writer import SongWriter
from musicvae.config.size_limits import MAX_BARS, MAX_GRID_STEPS, MAX_INTERPOLATION_STEPS
from musicvae.storage import exclusive_writes

if TYPE_CHECKING:
    from musicvae.downbeats import BarlineEstimate
    from musicvae.model import MusicVAE
    from musicvae.plots import Theme
    from musicvae.report import AudioEmbedding, Page
    from musicvae.report.audio import ProgressCallback
    from musicvae.song import Song


@click.command(name="interpolate")
@click.argument("paths", nargs=-1, required=True, type=ANY_PATH, metavar="A B [C ...]")
@click.option(
    "--steps",
    type=click.IntRange(2, MAX_INTERPOLATION_STEPS),
    help="Number of songs including both ends, 7 by default; with --grid, of rows and columns, 5.",
)
@click.option(
    "--how",
    type=click.Choice(["slerp", "lerp"]),
    default="slerp",
    show_default=True,
    help="Spherical or linear interpolation.",
)
@click.option("--morph", is_flag=True, help="Write one song that turns from A into B.")
@click.option(
    "--bars",
    type=click.IntRange(1, MAX_BARS),
    help="Length of a morph in bars; the mean of both songs by default.",
)
@click.option("--grid", is_flag=True, help="Write a grid of songs between four corners.")
@click.option(
    "--align", is_flag=True, help="Match similar windows instead of those at the same position."
)
@click.option(
    "--like",
    type=click.Choice(["A", "B"], case_sensitive=False),
    help="Song whose meter, key, parts and programs are used; by default the nearer end's.",
)
@click.option(
    "--part",
    "part_positions",
    multiple=True,
    metavar="NAME=A|B|0..1",
    help="Hold a part, by name or role, at A, at B or in between. May be repeated.",
)
@click.option(
    "--plot",
    type=ANY_PATH,
    help="Plot all songs to this PNG, SVG or PDF file.",
)
@theme_options
@report_option
@generate_options(None, help="Output folder; A-to-B by default.")
def command(
    paths: tuple[Path, ...],
    steps: int | None,
    how: str,
    morph: bool,
    bars: int | None,
    grid: bool,
    align: bool,
    like: str | None,
    part_positions: tuple[str, ...],
    plot: Path | None,
    theme: Theme,
    report: ReportFile | None,
    shared: GenerateOptions,
) -> None:
    """Interpolate between songs A and B (and C ...). The ends are reconstructions of the inputs.

    Songs may differ in length, tempo, meter, key and instruments.

    \b
    Examples:
      musicvae interpolate a.mid b.mid
      musicvae interpolate a.mid b.mid c.mid --steps 13 --out morph/ --audio
      musicvae interpolate a.mid b.mid --plot way.png --report way.html
      musicvae interpolate a.mid b.mid --morph --bars 32
      musicvae interpolate a.mid b.mid --part drums=A --part bass=0.5
      musicvae interpolate a.mid b.mid c.mid d.mid --grid --steps 3
    """
    _check_options(
        paths,
        steps,
        morph=morph,
        grid=grid,
        bars=bars,
        align=align,
        like=like,
        part_positions=part_positions,
    )
    if plot is not None:
        check_plot_path(plot)
    parts = dict(_parse_part_position(text) for text in part_positions)
    songs = [read_with_barlines(path, shared.options) for path in paths]
    writer = shared.writer(shared.out or Path(f"{paths[0].stem}-to-{paths[-1].stem}"))
    model = shared.model(songs=songs)
    names = " ".join(path.name for path in paths)
    note = f"musicvae interpolate {names} checkpoint {model.hash}"
    settings: dict[str, Any] = {"how": how, "align": align, "like": like and like.upper()}
    stems = [path.stem for path in paths]
    title, facts = " to ".join((stems[0], stems[-1])), f"{model.preset.name}, {model.hash}"
    if grid:
        title, rows = "Between " + ", ".join(stems), steps or 5
        outputs = _write_grid(writer, model, songs, rows, how, note)
        result = InterpolationResult(
            outputs, [f"{n // rows + 1}, {n % rows + 1}" for n in range(len(outputs))], rows
        )
    elif morph:
        outputs = [model.morph(songs[0], songs[1], bars=bars, parts=parts, **settings)]
        result = InterpolationResult(
            outputs, [writer.write_numbered(outputs[0], "morph", note=note).stem]
        )
    else:
        outputs = model.interpolate(*songs, steps=steps or 7, parts=parts, **settings)
        for song in outputs:
            writer.write_numbered(song, "step", note=note)
        result = InterpolationResult(outputs, _position_labels(len(outputs)))
    if plot is not None:
        with exclusive_writes():
            result.plot(plot, title, facts, theme)
        print_plot_path(plot, as_json=shared.as_json)
    if report:
        report.write(lambda *how: result.page(title, facts, *how))


class InterpolationResult(NamedTuple):
    """Songs between songs, labels of their positions, and the number of columns of a grid."""

    songs: list[Song]
    names: list[str]
    columns: int | None = None

    def plot(self, path: Path, title: str, facts: str, theme: Theme) -> None:
        """Plot all songs in one picture."""
        from musicvae.plots import plot_comparison, plot_grid, plot_song

        if len(self.songs) == 1:
            plot_song(self.songs[0], path, title, theme=theme)
        elif self.columns:
            n = self.columns
            rows = [self.songs[i : i + n] for i in range(0, len(self.songs), n)]
            plot_grid(rows, path, title, facts, theme=theme)
        else:
            plot_comparison(self.songs, path, title, facts, names=self.names, theme=theme)

    def page(self, title: str, facts: str, how: AudioEmbedding, advance: ProgressCallback) -> Page:
        """Return an HTML page that plays all songs."""
        from musicvae.report import interpolation_page, songs_page

        arguments = (title, facts, self.songs, self.names)
        if len(self.songs) == 1:
            return songs_page(*arguments, embedding=how, progress=advance)
        return interpolation_page(*arguments, columns=self.columns, embedding=how, progress=advance)


def _position_labels(n: int) -> list[str]:
    """Return the labels of `n` steps: A, fractions, B."""
    return ["A", *(f"{k / (n - 1):.2f}" for k in range(1, n - 1)), "B"]


def _check_options(
    paths: Sequence[Path],
    steps: int | None,
    *,
    morph: bool,
    grid: bool,
    bars: int | None,
    align: bool,
    like: str | None,
    part_positions: Sequence[str],
) -> None:
    """Raise a usage error for options that exclude each other."""
    n, problem = len(paths), ""
    if n < 2:
        problem = "give at least two songs: musicvae interpolate a.mid b.mid"
    elif grid and (morph or align or like or part_positions):
        problem = "--grid combines only with --steps and --how"
    elif grid and n != 4:
        problem = f"--grid needs four songs, not {n}: A and B on top, C and D at the bottom"
    elif grid and steps is not None and steps > MAX_GRID_STEPS:
        problem = f"--steps {steps} is more than the {MAX_GRID_STEPS} rows that a grid may have"
    elif morph and (n != 2 or steps):
        problem = "--morph takes two songs and no --steps"
    elif bars and not morph:
        problem = "--bars needs --morph"
    elif n > 2 and (like or part_positions):
        problem = "--like and --part need exactly two songs"
    elif not grid and steps is not None and steps < n:
        problem = f"--steps {steps} is fewer than the {n} songs given"
    if problem:
        raise click.UsageError(problem)


def _parse_part_position(text: str) -> tuple[str, str | float]:
    """Parse `name=A`, `name=B` or `name=0.3` into a part's name and position."""
    name, equals, position = text.rpartition("=")
    if equals and position.upper() in ("A", "B"):
        return name, position.upper()
    try:
        share = float(position)
    except ValueError:
        share = -1.0
    if not equals or not 0 <= share <= 1:
        raise click.UsageError(f"--part {text}: write it as drums=A, drums=B or drums=0.3")
    return name, share


def _write_grid(
    writer: SongWriter,
    model: MusicVAE,
    songs: Sequence[BarlineEstimate],
    steps: int,
    how: str,
    note: str,
) -> list[Song]:
    """Write and return the songs of a grid, in files numbered by grid, row and column from 1."""
    a, b, c, d = songs
    cells = {
        f"-row-{row}-column-{column}": song
        for row, line in enumerate(model.grid(a, b, c, d, steps, how=how), start=1)
        for column, song in enumerate(line, start=1)
    }
    writer.write_group(cells, "grid", note=note)
    return list(cells.values())
