"""`musicvae plot`: plot songs, sound, latents and training curves."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from musicvae.cli.console import (
    OutputPath,
    check_overwrite,
    emit,
    force_option,
    json_option,
    print_error,
    print_line,
    progress_bar,
    songs_argument,
    write_free,
)
from musicvae.cli.inputs import find_song_files, read_metrics, read_with_barlines
from musicvae.cli.options import theme_options
from musicvae.config.size_limits import MAX_BARS
from musicvae.errors import MusicVAEError
from musicvae.io.members import song_stem
from musicvae.io.options import ReadOptions
from musicvae.storage import exclusive_writes, is_folder

if TYPE_CHECKING:
    from musicvae.plots import Theme

PLOT_KINDS = ("auto", "roll", "sound", "latents", "curves")
_FORMATS = ("png", "svg", "pdf")
METRICS_FILE = "metrics.csv"


@click.command(name="plot")
@songs_argument
@click.option(
    "--out",
    type=OutputPath(*(f".{each}" for each in _FORMATS)),
    default=Path("plots"),
    show_default=True,
    help="Output folder, or a .png, .svg or .pdf file for a single plot.",
)
@click.option(
    "--as",
    "kind",
    type=click.Choice(PLOT_KINDS),
    default="auto",
    show_default=True,
    help="Kind of plot; by default piano rolls of songs, else what the file contains.",
)
@click.option(
    "--format",
    "suffix",
    type=click.Choice(_FORMATS),
    default="png",
    show_default=True,
    help="Format of the files in an output folder.",
)
@click.option(
    "--bars",
    type=click.IntRange(1, MAX_BARS),
    help="Bars per row; 8 by default, more in long songs.",
)
@click.option("--title", help="Title; the file name by default.")
@theme_options
@force_option
@json_option
def command(
    paths: tuple[Path, ...],
    out: Path,
    kind: str,
    suffix: str,
    bars: int | None,
    title: str | None,
    theme: Theme,
    force: bool,
    as_json: bool,
) -> None:
    """Plot songs (files or folders) as piano rolls, recordings as spectrograms, files of latents
    as paths, and a run's folder or its metrics.csv as training curves.

    In piano rolls, parts differ in color, louder notes are stronger, and drums have lanes of their
    own. Chords stand above, stated or found. Spectrograms have pitches as rows; songs are rendered
    for them, and bar lines are drawn. The beats of performances without a grid are tracked.

    \b
    Examples:
      musicvae plot song.mid --out song.png
      musicvae plot songs/ --out pictures/ --format svg --theme dark
      musicvae plot song.mid --as sound
      musicvae plot checkpoints/melody-2bar/metrics.csv --out run.png
    """
    from musicvae.plots.style import PICTURE_SUFFIXES

    files = [file for path in paths for file in _input_files(path, kind)]
    to_file = out.suffix.lower() in PICTURE_SUFFIXES and not out.is_dir()
    if to_file and len(files) > 1:
        raise click.UsageError(
            f"--out {out} is a single file for {len(files)} inputs; give a folder"
        )
    failed = False
    with progress_bar("plotting") as advance:
        for done, path in enumerate(files, start=1):
            try:
                plotted = kind if kind != "auto" else _plot_kind(path)
                draw = _PLOTS[plotted](path, bars)
                stem = path.parent.name if path.name == METRICS_FILE else song_stem(path)
                name = stem if title is None else title
                if to_file:
                    target = check_overwrite(out, force=force)
                    with exclusive_writes(not force):
                        figures = draw(target, name, theme)
                else:
                    figures = {}
                    target = write_free(
                        out,
                        stem,
                        f".{suffix}",
                        lambda to: figures.update(draw(to, name, theme)),  # noqa: B023 - now
                        force=force,
                    )
            except MusicVAEError as error:
                print_error(error)
                failed = True
                continue
            finally:
                advance(done, len(files))
            emit(as_json, "plot", path=target, source=str(path), drawn=plotted, **figures)
            if not as_json:
                print_line(str(target))
    if failed:
        raise SystemExit(1)


DrawFunction = Callable[[Path, str, "Theme"], dict[str, int | float]]


def _input_files(path: Path, kind: str) -> list[Path]:
    """Return the files to plot under a path: the metrics of a run, else songs and recordings.

    A recording beside a song of the same name is skipped unless `kind` is `sound`.
    """
    if not is_folder(path):
        return [path]
    if (path / METRICS_FILE).is_file():
        return [path / METRICS_FILE]
    from musicvae.data.discover import files_under
    from musicvae.io import SONG_SUFFIXES

    files = [path / name for name in files_under(path)]
    songs = [file for file in files if file.suffix.lower() in SONG_SUFFIXES]
    rendered = {file.with_suffix("") for file in songs} if kind != "sound" else set()
    recordings = {f for f in files if _is_recording(f) and f.with_suffix("") not in rendered}
    selected = recordings.union(songs)
    return [file for file in files if file in selected] or find_song_files([path])


def _is_recording(path: Path) -> bool:
    """Whether the suffix of a file is that of a recording."""
    from musicvae.io.audio.load import RECORDING_SUFFIXES

    return path.suffix.lower() in RECORDING_SUFFIXES


def _plot_kind(path: Path) -> str:
    """What a file is drawn as, by its name."""
    suffix = path.suffix.lower()
    if suffix == ".csv":
        return "curves"
    if suffix in (".z", ".safetensors"):
        return "latents"
    return "sound" if _is_recording(path) else "roll"


def _roll_plot(path: Path, bars: int | None) -> DrawFunction:
    """Return a function that plots the piano roll of a song."""
    from musicvae.harmony import with_chords
    from musicvae.plots import plot_song

    song = with_chords(read_with_barlines(path, ReadOptions(ungridded=True)).song)

    def draw(target: Path, title: str, theme: Theme) -> dict[str, int | float]:
        plot_song(song, target, title, bars_per_row=bars, theme=theme)
        return {"notes": song.n_notes}

    return draw


def _spectrogram_plot(path: Path, bars: int | None) -> DrawFunction:
    """Return a function that plots the spectrogram of a recording or a rendered song."""
    from musicvae.io.audio.render import RenderOptions, render
    from musicvae.plots import plot_spectrogram

    if _is_recording(path):
        from musicvae.io.audio.load import load_channels

        song, (samples, rate) = None, load_channels(path)
    else:
        from musicvae.cli.writer import announce_synthesizer

        song = read_with_barlines(path, ReadOptions(ungridded=True)).song
        announce_synthesizer(RenderOptions())
        samples, rate = render(song)

    def draw(target: Path, title: str, theme: Theme) -> dict[str, int | float]:
        plot_spectrogram(samples, rate, target, title, song=song, theme=theme)
        return {"duration_s": round(len(samples) / rate, 3)}

    return draw


def _latents_plot(path: Path, bars: int | None) -> DrawFunction:
    """Return a function that plots the latents of an encoded song."""
    from musicvae import latent
    from musicvae.plots import plot_latents

    encoding = latent.load(path).encoding

    def draw(target: Path, title: str, theme: Theme) -> dict[str, int | float]:
        plot_latents(encoding, target, title, theme=theme)
        return {"windows": encoding.n_windows, "kl_bits": round(encoding.kl_bits, 1)}

    return draw


def _curves_plot(path: Path, bars: int | None) -> DrawFunction:
    """Return a function that plots the training curves of a run."""
    from musicvae.plots import plot_training_curves

    rows = read_metrics(path)

    def draw(target: Path, title: str, theme: Theme) -> dict[str, int | float]:
        plot_training_curves(rows, target, title, theme=theme)
        return {"validations": len(rows)}

    return draw


_PLOTS: dict[str, Callable[[Path, int | None], DrawFunction]] = {
    "roll": _roll_plot,
    "sound": _spectrogram_plot,
    "latents": _latents_plot,
    "curves": _curves_plot,
}
