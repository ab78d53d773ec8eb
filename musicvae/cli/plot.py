"""`musicvae plot`: a song's piano roll as a picture."""

from __future__ import annotations

from pathlib import Path

import click

from musicvae.cli.common import (
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
from musicvae.cli.songs import read_aligned, songs_under
from musicvae.errors import MusicVAEError
from musicvae.options import ReadOptions


@click.command(name="plot")
@songs_argument
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("plots"),
    show_default=True,
    help="Folder to write to; or, for one song, a .png, .svg or .pdf file.",
)
@click.option(
    "--format",
    "kind",
    type=click.Choice(["png", "svg", "pdf"]),
    default="png",
    show_default=True,
    help="Of the pictures in a folder.",
)
@click.option("--bars", type=click.IntRange(1), help="Bars of a row; 8 if not given, more if long.")
@click.option("--title", help="Above the picture; the file's name if not given.")
@force_option
@json_option
def command(
    paths: tuple[Path, ...],
    out: Path,
    kind: str,
    bars: int | None,
    title: str | None,
    force: bool,
    as_json: bool,
) -> None:
    """Draw songs (files or folders) as piano rolls, a picture each.

    Each part has a colour, louder notes are darker, drums have a lane of their own.

    \b
    Examples:
      musicvae plot song.mid --out song.png
      musicvae plot songs/ --out pictures/ --format svg
    """
    from musicvae.plots import plot_song
    from musicvae.plots.style import SUFFIXES

    songs = songs_under(paths)
    to_file = out.suffix.lower() in SUFFIXES and not out.is_dir()
    if to_file and len(songs) > 1:
        raise click.UsageError(f"--out {out} is one file for {len(songs)} songs; give a folder")
    failed = False
    with progress_bar("drawing") as advance:
        for done, path in enumerate(songs, start=1):
            try:
                song = read_aligned(path, ReadOptions(ungridded=True)).song
                if to_file:
                    target = named_path(out, force=force)
                else:
                    target = free_path(out, path.stem, f".{kind}", force=force)
                heading = path.stem if title is None else title
                plot_song(song, target, heading, bars_per_row=bars)
            except MusicVAEError as error:
                complain(error)
                failed = True
                continue
            finally:
                advance(done, len(songs))
            emit(as_json, "plot", path=target, source=str(path), notes=song.n_notes)
            if not as_json:
                say(str(target))
    if failed:
        raise SystemExit(1)
