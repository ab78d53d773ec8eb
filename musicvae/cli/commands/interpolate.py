"""`musicvae interpolate`: songs between songs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from musicvae.cli.console import INPUT_PATH
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

if TYPE_CHECKING:
    from musicvae.downbeats import BarlineEstimate
    from musicvae.model import MusicVAE
    from musicvae.plots import Theme
    from musicvae.report import Embedding, Page
    from musicvae.report.audio import Progress
    from musicvae.song import Song


@click.command(name="interpolate")
@click.argument("paths", nargs=-1, required=True, type=INPUT_PATH, metavar="A B [C ...]")
@click.option(
    "--steps",
    type=click.IntRange(min=2),
    help="Songs to write, both ends included, 7 if not given; of a grid rows and columns, 5.",
)
@click.option(
    "--how",
    type=click.Choice(["slerp", "lerp"]),
    default="slerp",
    show_default=True,
    help="Along great circles, or straight.",
)
@click.option("--morph", is_flag=True, help="One song that turns from A into B while it plays.")
@click.option("--bars", type=click.IntRange(min=1), help="Of a morph; the mean of both songs.")
@click.option("--grid", is_flag=True, help="Rows and columns of songs between four corners.")
@click.option("--align", is_flag=True, help="Pair windows that are alike, not those in one place.")
@click.option(
    "--like",
    type=click.Choice(["A", "B"], case_sensitive=False),
    help="Whose meter, key, parts and programs all have; the nearer end's if not given.",
)
@click.option(
    "--part",
    "rates",
    multiple=True,
    metavar="NAME=A|B|0..1",
    help="A part, by name or role, that stays at A, at B or between. May be repeated.",
)
@click.option(
    "--plot",
    type=click.Path(path_type=Path),
    help="A picture of all steps, of a grid in a square: PNG, SVG or PDF.",
)
@theme_options
@report_option
@generate_options(None, help="Folder to write to; A-to-B beside you if not given.")
def command(
    paths: tuple[Path, ...],
    steps: int | None,
    how: str,
    morph: bool,
    bars: int | None,
    grid: bool,
    align: bool,
    like: str | None,
    rates: tuple[str, ...],
    plot: Path | None,
    theme: Theme,
    report: ReportFile | None,
    shared: GenerateOptions,
) -> None:
    """Make songs on the way from A to B (to C ...). The ends are their reconstructions.

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
        paths, steps, morph=morph, grid=grid, bars=bars, align=align, like=like, rates=rates
    )
    if plot is not None:
        check_plot_path(plot)
    parts = dict(_parse_part_position(words) for words in rates)
    songs = [read_with_barlines(path, shared.options) for path in paths]
    writer = shared.writer(shared.out or Path(f"{paths[0].stem}-to-{paths[-1].stem}"))
    model = shared.model(songs=songs)
    names = " ".join(path.name for path in paths)
    note = f"musicvae interpolate {names} checkpoint {model.hash}"
    way: dict[str, Any] = {"how": how, "align": align, "like": like and like.upper()}
    stems = [path.stem for path in paths]
    title, facts = " to ".join((stems[0], stems[-1])), f"{model.preset.name}, {model.hash}"
    if grid:
        title, rows = "Between " + ", ".join(stems), steps or 5
        made = _write_grid(writer, model, songs, rows, how, note)
        found = InterpolationResult(
            made, [f"{n // rows + 1}, {n % rows + 1}" for n in range(len(made))], rows
        )
    elif morph:
        made = [model.morph(songs[0], songs[1], bars=bars, parts=parts, **way)]
        found = InterpolationResult(made, [writer.write_numbered(made[0], "morph", note=note).stem])
    else:
        made = model.interpolate(*songs, steps=steps or 7, parts=parts, **way)
        for song in made:
            writer.write_numbered(song, "step", note=note)
        found = InterpolationResult(made, _position_labels(len(made)))
    if plot is not None:
        found.plot(plot, title, facts, theme)
        print_plot_path(plot, as_json=shared.as_json)
    if report:
        report.write(lambda *how: found.page(title, facts, *how))


class InterpolationResult(NamedTuple):
    """Songs between songs, with names of their places; of a grid how many columns."""

    songs: list[Song]
    names: list[str]
    columns: int | None = None

    def plot(self, path: Path, title: str, facts: str, theme: Theme) -> None:
        """All of them in one picture; one alone as any song."""
        from musicvae.plots import plot_song, plot_square, plot_strip

        if len(self.songs) == 1:
            plot_song(self.songs[0], path, title, theme=theme)
        elif self.columns:
            n = self.columns
            rows = [self.songs[i : i + n] for i in range(0, len(self.songs), n)]
            plot_square(rows, path, title, facts, theme=theme)
        else:
            plot_strip(self.songs, path, title, facts, names=self.names, theme=theme)

    def page(self, title: str, facts: str, how: Embedding, advance: Progress) -> Page:
        """All of them to be listened to."""
        from musicvae.report import songs_page, way_page

        told = (title, facts, self.songs, self.names)
        if len(self.songs) == 1:
            return songs_page(*told, embedding=how, progress=advance)
        return way_page(*told, columns=self.columns, embedding=how, progress=advance)


def _position_labels(n: int) -> list[str]:
    """A, shares of the way, B."""
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
    rates: Sequence[str],
) -> None:
    """Raise a usage error for options that do not go together."""
    n, wrong = len(paths), ""
    if n < 2:
        wrong = "give at least two songs: musicvae interpolate a.mid b.mid"
    elif grid and (morph or align or like or rates):
        wrong = "--grid goes with --steps and --how only"
    elif grid and n != 4:
        wrong = f"--grid has four corners, not {n}: A and B above, C and D below"
    elif morph and (n != 2 or steps):
        wrong = "--morph makes one song of two, without --steps"
    elif bars and not morph:
        wrong = "--bars is for --morph"
    elif n > 2 and (like or rates):
        wrong = "--like and --part are for two songs"
    elif not grid and steps is not None and steps < n:
        wrong = f"--steps {steps} is fewer than the {n} songs given"
    if wrong:
        raise click.UsageError(wrong)


def _parse_part_position(words: str) -> tuple[str, str | float]:
    """A part's name, and where it stays, from `name=where`."""
    name, equals, where = words.rpartition("=")
    if equals and where.upper() in ("A", "B"):
        return name, where.upper()
    try:
        at = float(where)
    except ValueError:
        at = -1.0
    if not equals or not 0 <= at <= 1:
        raise click.UsageError(f"--part {words}: write it as drums=A, drums=B or drums=0.3")
    return name, at


def _write_grid(
    writer: SongWriter,
    model: MusicVAE,
    songs: Sequence[BarlineEstimate],
    steps: int,
    how: str,
    note: str,
) -> list[Song]:
    """Files named by the grid's number, and by row and column, both from 1; returns the songs."""
    stem, made = writer.next_free_stem("grid"), []
    a, b, c, d = songs
    for row, line in enumerate(model.grid(a, b, c, d, steps, how=how), start=1):
        for column, song in enumerate(line, start=1):
            writer.write_named(song, f"{stem}-row-{row}-column-{column}", force=False, note=note)
            made.append(song)
    return made
