"""`musicvae similar`: find the songs of folders that are most similar to a song."""

from __future__ import annotations

from pathlib import Path

import click

from musicvae.cli.console import ANY_PATH, emit, progress_bar
from musicvae.cli.inputs import read_with_barlines
from musicvae.cli.options import ModelOptions, model_options
from musicvae.cli.terminal import print_table
from musicvae.config.size_limits import MAX_SONGS
from musicvae.errors import one_line, printable


@click.command(name="similar")
@click.argument("path", type=ANY_PATH)
@click.argument("folders", nargs=-1, required=True, type=ANY_PATH, metavar="FOLDER...")
@click.option(
    "--n",
    type=click.IntRange(1, MAX_SONGS),
    default=10,
    show_default=True,
    help="Number of songs to list.",
)
@model_options()
def command(
    path: Path,
    folders: tuple[Path, ...],
    n: int,
    shared: ModelOptions,
) -> None:
    """List the songs of folders (or files) that are most similar to the song PATH.

    Songs are compared window by window in the latent space, in any order and key: 1 means the same
    music, 0 the similarity of two random songs.

    \b
    Examples:
      musicvae similar song.mid data/folk/
      musicvae similar song.mid data/folk/ --n 3 --json
    """
    song = read_with_barlines(path, shared.options)
    model = shared.model(songs=[song])
    with progress_bar("encoding") as advance:
        others = model.embed(
            folders,
            read=lambda file: read_with_barlines(file, shared.options),
            progress=advance,
        )
    neighbors = model.similar(song, others, n=n)
    for rank, neighbor in enumerate(neighbors, start=1):
        emit(
            shared.as_json,
            "neighbour",
            path=neighbor.name,
            rank=rank,
            similarity=round(neighbor.similarity, 4),
            of_song=round(neighbor.song_match, 4),
            of_neighbour=round(neighbor.neighbor_match, 4),
            source=str(path),
        )
    if not shared.as_json:
        rows = [
            (
                str(rank),
                f"{neighbor.similarity:.3f}",
                f"{neighbor.song_match:.3f}",
                f"{neighbor.neighbor_match:.3f}",
                one_line(printable(neighbor.name)),
            )
            for rank, neighbor in enumerate(neighbors, start=1)
        ]
        header = ("", "similarity", "of this song", "of the other", "song")
        print_table(header, rows, numeric=(0, 1, 2, 3))
