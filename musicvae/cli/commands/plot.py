"""Floor 11: `musicvae plot`: songs, sound, latents and training runs as pictures."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from musicvae.cli.console import (
    OutPath,
    complain,
    emit,
    force_option,
    free_path,
    json_option,
    named_path,
    progress_bar,
    say,
    songs_argument,
)
from musicvae.cli.inputs import read_aligned, songs_under
from musicvae.cli.options import look_options
from musicvae.errors import MusicVAEError, ReadError, reason_of
from musicvae.io.options import ReadOptions
from musicvae.storage import is_folder

if TYPE_CHECKING:
    from musicvae.plots import Theme

KINDS = ("auto", "roll", "sound", "latents", "curves")
_FORMATS = ("png", "svg", "pdf")
_METRICS = "metrics.csv"


@click.command(name="plot")
@songs_argument
@click.option(
    "--out",
    type=OutPath(*(f".{each}" for each in _FORMATS)),
    default=Path("plots"),
    show_default=True,
    help="Folder to write to; or, for one picture, a .png, .svg or .pdf file.",
)
@click.option(
    "--as",
    "kind",
    type=click.Choice(KINDS),
    default="auto",
    show_default=True,
    help="What to draw: of songs a roll, or the sound they make; else what the file is.",
)
@click.option(
    "--format",
    "suffix",
    type=click.Choice(_FORMATS),
    default="png",
    show_default=True,
    help="Of the pictures in a folder.",
)
@click.option("--bars", type=click.IntRange(1), help="Bars of a row; 8 if not given, more if long.")
@click.option("--title", help="Above the picture; the file's name if not given.")
@look_options
@force_option
@json_option
def command(
    paths: tuple[Path, ...],
    out: Path,
    kind: str,
    suffix: str,
    bars: int | None,
    title: str | None,
    look: Theme,
    force: bool,
    as_json: bool,
) -> None:
    """Draw songs (files or folders) as piano rolls, a picture each; recordings as spectrograms,
    files of latents as paths, a run's folder or its metrics.csv as curves.

    On a roll each part has a colour, louder notes are stronger, drums have a lane of their own. A
    spectrogram has pitches for rows; of a song, which is rendered for it, with its bar lines.

    \b
    Examples:
      musicvae plot song.mid --out song.png
      musicvae plot songs/ --out pictures/ --format svg --theme dark
      musicvae plot song.mid --as sound
      musicvae plot checkpoints/melody-2bar/metrics.csv --out run.png
    """
    from musicvae.plots.style import SUFFIXES

    files = [file for path in paths for file in _files(path, kind)]
    to_file = out.suffix.lower() in SUFFIXES and not out.is_dir()
    if to_file and len(files) > 1:
        raise click.UsageError(f"--out {out} is one file for {len(files)} songs; give a folder")
    failed = False
    with progress_bar("drawing") as advance:
        for done, path in enumerate(files, start=1):
            try:
                drawn = kind if kind != "auto" else _kind_of(path)
                draw = _DRAWERS[drawn](path, bars)
                stem = path.parent.name if path.name == _METRICS else path.stem
                if to_file:
                    target = named_path(out, force=force)
                else:
                    target = free_path(out, stem, f".{suffix}", force=force)
                figures = draw(target, stem if title is None else title, look)
            except MusicVAEError as error:
                complain(error)
                failed = True
                continue
            finally:
                advance(done, len(files))
            emit(as_json, "plot", path=target, source=str(path), drawn=drawn, **figures)
            if not as_json:
                say(str(target))
    if failed:
        raise SystemExit(1)


Draw = Callable[[Path, str, "Theme"], dict[str, int | float]]


def _files(path: Path, kind: str) -> list[Path]:
    """What to draw under a path: of a run its metrics, of another folder songs and recordings. A
    recording beside the song that it is of is left out, unless sound is what is to be drawn.
    """
    if not is_folder(path):
        return [path]
    if (path / _METRICS).is_file():
        return [path / _METRICS]
    from musicvae.data.discover import files_under
    from musicvae.io import SUFFIXES

    inside = [path / name for name in files_under(path)]
    songs = [file for file in inside if file.suffix.lower() in SUFFIXES]
    known = {file.with_suffix("") for file in songs} if kind != "sound" else set()
    heard = {f for f in inside if _is_recording(f) and f.with_suffix("") not in known}
    wanted = heard.union(songs)
    return [file for file in inside if file in wanted] or songs_under([path])


def _is_recording(path: Path) -> bool:
    """Whether a file is called like a recording."""
    from musicvae.io.audio.load import SUFFIXES

    return path.suffix.lower() in SUFFIXES


def _kind_of(path: Path) -> str:
    """What a file is drawn as, by its name."""
    suffix = path.suffix.lower()
    if suffix == ".csv":
        return "curves"
    if suffix in (".z", ".safetensors"):
        return "latents"
    return "sound" if _is_recording(path) else "roll"


def _roll(path: Path, bars: int | None) -> Draw:
    from musicvae.plots import plot_song

    song = read_aligned(path, ReadOptions(ungridded=True)).song

    def draw(target: Path, title: str, look: Theme) -> dict[str, int | float]:
        plot_song(song, target, title, bars_per_row=bars, look=look)
        return {"notes": song.n_notes}

    return draw


def _sound(path: Path, bars: int | None) -> Draw:
    from musicvae.io.audio.render import SoundOptions, render
    from musicvae.plots import plot_sound

    if _is_recording(path):
        from musicvae.io.audio.load import channels_of

        song, (samples, rate) = None, channels_of(path)
    else:
        from musicvae.cli.writer import tell_synth

        song = read_aligned(path, ReadOptions(ungridded=True)).song
        tell_synth(SoundOptions())
        samples, rate = render(song)

    def draw(target: Path, title: str, look: Theme) -> dict[str, int | float]:
        plot_sound(samples, rate, target, title, song=song, look=look)
        return {"duration_s": round(len(samples) / rate, 3)}

    return draw


def _latents(path: Path, bars: int | None) -> Draw:
    from musicvae import latent
    from musicvae.plots import plot_latents

    encoding = latent.load(path).encoding

    def draw(target: Path, title: str, look: Theme) -> dict[str, int | float]:
        plot_latents(encoding, target, title, look=look)
        return {"windows": encoding.n_windows, "kl_bits": round(encoding.kl_bits, 1)}

    return draw


def _curves(path: Path, bars: int | None) -> Draw:
    from musicvae.plots import plot_curves

    rows = read_metrics(path)

    def draw(target: Path, title: str, look: Theme) -> dict[str, int | float]:
        plot_curves(rows, target, title, look=look)
        return {"validations": len(rows)}

    return draw


_DRAWERS: dict[str, Callable[[Path, int | None], Draw]] = {
    "roll": _roll,
    "sound": _sound,
    "latents": _latents,
    "curves": _curves,
}


def read_metrics(path: Path) -> list[dict[str, str]]:
    """The rows of a run's `metrics.csv`. Raises `ReadError` for what is none."""
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
    except OSError as error:
        raise ReadError(path, reason_of(error), "check the path") from None
    except (UnicodeDecodeError, csv.Error):
        raise ReadError(path, "not a table of metrics", "give a run's metrics.csv") from None
    if not rows or "minutes" not in rows[0]:
        raise ReadError(path, "not a table of metrics", "give a run's metrics.csv")
    return rows
