"""`musicvae similar`: the songs of a folder that are most like a song."""

from __future__ import annotations

from pathlib import Path

import click

from musicvae.cli.console import (
    INPUT_PATH,
    checkpoint_option,
    device_option,
    emit,
    json_option,
    progress_bar,
)
from musicvae.cli.inputs import load_model, read_with_barlines
from musicvae.cli.options import song_read_options
from musicvae.cli.terminal import print_table
from musicvae.errors import one_line, printable
from musicvae.io.options import ReadOptions


@click.command(name="similar")
@click.argument("path", type=INPUT_PATH)
@click.argument("folders", nargs=-1, required=True, type=INPUT_PATH, metavar="FOLDER...")
@click.option(
    "--n", type=click.IntRange(min=1), default=10, show_default=True, help="How many to list."
)
@song_read_options
@checkpoint_option
@device_option
@json_option
def command(
    path: Path,
    folders: tuple[Path, ...],
    n: int,
    options: ReadOptions,
    checkpoint: str | None,
    device: str,
    as_json: bool,
) -> None:
    """List the songs of folders (or files) that are most like the song PATH.

    Songs are compared window by window in the latent space, wherever the windows stand and in
    whatever key: 1 is the same music, 0 what any two songs have in common.

    \b
    Examples:
      musicvae similar song.mid data/folk/
      musicvae similar song.mid data/folk/ --n 3 --json
    """
    from musicvae.tools.embed import embed_all_phases, embed_paths
    from musicvae.tools.explore import nearest_songs

    song = read_with_barlines(path, options)
    model = load_model(checkpoint, device, songs=[song])
    mine = embed_all_phases(model, song, str(path))
    with progress_bar("encoding") as advance:
        others = embed_paths(
            model, folders, lambda each: read_with_barlines(each, options), advance
        )
    found = nearest_songs(mine, others, n)
    for nth, other in enumerate(found, start=1):
        emit(
            as_json,
            "neighbour",
            path=other.name,
            rank=nth,
            similarity=round(other.similarity, 4),
            of_song=round(other.song_match, 4),
            of_neighbour=round(other.neighbor_match, 4),
            source=str(path),
        )
    if not as_json:
        rows = [
            (
                str(nth),
                f"{each.similarity:.3f}",
                f"{each.song_match:.3f}",
                f"{each.neighbor_match:.3f}",
                one_line(printable(each.name)),
            )
            for nth, each in enumerate(found, start=1)
        ]
        head = ("", "similarity", "of it", "of the other", "song")
        print_table(head, rows, numeric=(0, 1, 2, 3))
