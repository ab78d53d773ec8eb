"""`musicvae map`: songs as points of a plane."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from musicvae.cli.commands.steer import ATTRIBUTE_HELP
from musicvae.cli.console import (
    checkpoint_option,
    device_option,
    emit,
    force_option,
    free_path,
    json_option,
    print_line,
    progress_bar,
    songs_argument,
)
from musicvae.cli.inputs import load_model, read_with_barlines, sample_songs
from musicvae.cli.options import check_plot_path, song_read_options, theme_options
from musicvae.io.options import ReadOptions
from musicvae.storage import is_folder

if TYPE_CHECKING:
    from musicvae.plots import Theme
    from musicvae.tools.explore import SongMap

MAX_LABELS = 24  # single songs whose names fit on a picture


@click.command(name="map")
@songs_argument
@click.option(
    "--colour",
    type=click.Choice(["folder", *ATTRIBUTE_HELP]),
    default="folder",
    show_default=True,
    help="What the colours of points tell.",
)
@click.option(
    "--out", type=click.Path(path_type=Path), help="Picture to write: .png, .svg or .pdf."
)
@click.option("--title", help="Above the picture.")
@theme_options
@force_option
@song_read_options
@checkpoint_option
@device_option
@json_option
def command(
    paths: tuple[Path, ...],
    colour: str,
    out: Path | None,
    title: str | None,
    theme: Theme,
    force: bool,
    options: ReadOptions,
    checkpoint: str | None,
    device: str,
    as_json: bool,
) -> None:
    """Draw the songs of folders, and single songs by name, as points of a plane.

    A song's place is the mean of its latents; the two axes are those in which the songs differ
    most. Near points are songs that the model takes for alike.

    \b
    Examples:
      musicvae map data/folk/ --colour density --out folk.png
      musicvae map jigs/ reels/ song.mid --out dances.svg --json
    """
    from musicvae.attributes import ATTRIBUTES
    from musicvae.plots import plot_song_map
    from musicvae.tools.embed import embed_paths
    from musicvae.tools.explore import project_2d

    if out is not None:
        check_plot_path(out, "--out", force=force)
    target = out or free_path(Path(), "map", ".png")
    tasted = [] if checkpoint else sample_songs(paths, options)
    model = load_model(checkpoint, device, songs=tasted)
    with progress_bar("encoding") as advance:
        songs = embed_paths(model, paths, lambda each: read_with_barlines(each, options), advance)
    found = project_2d(songs)
    values = {name: songs.attribute(name) for name in ATTRIBUTES}
    single = [str(path) for path in paths if not is_folder(path)]
    places = [
        _group_label(name, group, paths)
        for name, group in zip(songs.names, songs.folders, strict=True)
    ]
    marked = [(i, Path(n).stem) for i, n in enumerate(songs.names) if n in single][:MAX_LABELS]
    plot_song_map(
        found.points,
        places if colour == "folder" else values[colour],
        target,
        title=title or f"{len(songs)} songs in the latent space of {model.preset.name}",
        color_name="" if colour == "folder" else f"{colour} ({ATTRIBUTES[colour].unit})",
        axis_names=(_axis_label(found, 0), _axis_label(found, 1)),
        marked=marked,
        theme=theme,
    )
    for nth, name in enumerate(songs.names):
        x, y = found.points[nth].tolist()
        known = {n: float(v[nth]) for n, v in values.items() if v[nth] == v[nth]}
        emit(
            as_json,
            "point",
            path=name,
            x=round(x, 4),
            y=round(y, 4),
            folder=places[nth],
            attributes={n: round(value, 4) for n, value in known.items()},
        )
    emit(as_json, "map", path=target, songs=len(songs), explained=found.explained, axes=found.axes)
    if not as_json:
        print_line(f"{target}: {len(songs)} songs")


def _axis_label(found: SongMap, nth: int) -> str:
    share, words = found.explained[nth], found.axes[nth]
    return f"{share:.0%} of the variance" + (f" ({words})" if words else "")


def _group_label(name: str, group: str, paths: tuple[Path, ...]) -> str:
    """What a song is told apart by: the folder that was given, or its folder if one was."""
    folders = [path for path in paths if is_folder(path)]
    if len(folders) == 1 or Path(name) in paths:
        return Path(group).name or group
    return next((path.name for path in folders if Path(name).is_relative_to(path)), group)
