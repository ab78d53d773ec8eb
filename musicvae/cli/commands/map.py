"""`musicvae map`: plot songs as points in the plane."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from musicvae.cli.commands.steer import ATTRIBUTE_HELP
from musicvae.cli.console import (
    ANY_PATH,
    emit,
    print_line,
    progress_bar,
    songs_argument,
    write_free,
)
from musicvae.cli.inputs import read_with_barlines, sample_songs
from musicvae.cli.options import ModelOptions, check_plot_path, model_options, theme_options
from musicvae.storage import exclusive_writes, is_folder

if TYPE_CHECKING:
    from musicvae.plots import Theme
    from musicvae.tools.explore import SongMap

MAX_LABELS = 24  # names of single songs in the plot


@click.command(name="map")
@songs_argument
@click.option(
    "--colour",
    "color",
    type=click.Choice(["folder", *ATTRIBUTE_HELP]),
    default="folder",
    show_default=True,
    help="What the colors of the points show.",
)
@click.option(
    "--out",
    type=ANY_PATH,
    help="Output file: .png, .svg or .pdf; map.png by default.",
)
@click.option("--title", help="Title of the plot.")
@theme_options
@model_options(force=True)
def command(
    paths: tuple[Path, ...],
    color: str,
    out: Path | None,
    title: str | None,
    theme: Theme,
    shared: ModelOptions,
) -> None:
    """Plot the songs of folders, and single songs with their names, as points in the plane.

    A song is placed by the mean of its latents, projected onto the two principal components of all
    songs. Nearby points are songs that are similar to the model.

    \b
    Examples:
      musicvae map data/folk/ --colour density --out folk.png
      musicvae map jigs/ reels/ song.mid --out dances.svg --json
    """
    from musicvae.attributes import ATTRIBUTES
    from musicvae.plots import plot_song_map

    if out is not None:
        check_plot_path(out, "--out", force=shared.force)
    examples = [] if shared.checkpoint else sample_songs(paths, shared.options)
    model = shared.model(songs=examples)
    with progress_bar("encoding") as advance:
        songs = model.embed(
            paths,
            read=lambda file: read_with_barlines(file, shared.options),
            progress=advance,
        )
    song_map = model.map(songs)
    values = {name: songs.attribute(name) for name in ATTRIBUTES}
    single = [str(path) for path in paths if not is_folder(path)]
    groups = [
        _group_label(name, folder, paths)
        for name, folder in zip(songs.names, songs.folders, strict=True)
    ]
    marked = [(i, Path(n).stem) for i, n in enumerate(songs.names) if n in single][:MAX_LABELS]
    draw = partial(
        plot_song_map,
        song_map.points,
        groups if color == "folder" else values[color],
        title=title or f"{len(songs)} songs in the latent space of {model.preset.name}",
        color_name="" if color == "folder" else f"{color} ({ATTRIBUTES[color].unit})",
        axis_names=(_axis_label(song_map, 0), _axis_label(song_map, 1)),
        marked=marked,
        theme=theme,
    )
    if out is None:
        target = write_free(Path(), "map", ".png", draw)
    else:
        target = out
        with exclusive_writes(not shared.force):
            draw(out)
    for nth, name in enumerate(songs.names):
        x, y = song_map.points[nth].tolist()
        values_of_song = {n: float(v[nth]) for n, v in values.items() if v[nth] == v[nth]}
        emit(
            shared.as_json,
            "point",
            path=name,
            x=round(x, 4),
            y=round(y, 4),
            folder=groups[nth],
            attributes={n: round(value, 4) for n, value in values_of_song.items()},
        )
    emit(
        shared.as_json,
        "map",
        path=target,
        songs=len(songs),
        explained=song_map.explained,
        axes=song_map.axes,
    )
    if not shared.as_json:
        print_line(f"{target}: {len(songs)} songs")


def _axis_label(song_map: SongMap, nth: int) -> str:
    """Return the label of an axis: explained variance and most correlated attribute."""
    share, attribute = song_map.explained[nth], song_map.axes[nth]
    return f"{share:.0%} of the variance" + (f" ({attribute})" if attribute else "")


def _group_label(name: str, folder: str, paths: tuple[Path, ...]) -> str:
    """Return the group of a song: the given folder, or its own folder if only one was given."""
    folders = [path for path in paths if is_folder(path)]
    if len(folders) == 1 or Path(name) in paths:
        return Path(folder).name or folder
    return next((path.name for path in folders if Path(name).is_relative_to(path)), folder)
