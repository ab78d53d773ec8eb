"""`musicvae direction`: learn a latent direction from two folders or from labels."""

from __future__ import annotations

import csv
import math
from pathlib import Path
from typing import TYPE_CHECKING

import click

from musicvae.cli.console import ANY_PATH, check_overwrite, emit, print_line
from musicvae.cli.inputs import sample_songs
from musicvae.cli.options import ModelOptions, model_options
from musicvae.errors import ConfigError, DataError, ReadError, os_reason
from musicvae.storage import exclusive_writes, is_folder

if TYPE_CHECKING:
    from musicvae.tools.embed import SongEmbeddings


@click.command(name="direction")
@click.argument("folder", required=False, type=ANY_PATH)
@click.option(
    "--from-folders",
    "pair",
    nargs=2,
    type=ANY_PATH,
    metavar="A B",
    help="Learn the direction from the songs of folder B to those of folder A.",
)
@click.option(
    "--labels",
    type=ANY_PATH,
    metavar="CSV",
    help="CSV file with a line per song of FOLDER: file name, and a number or one of two words.",
)
@click.option(
    "--out",
    type=ANY_PATH,
    default=Path("direction.safetensors"),
    show_default=True,
    help="Output file.",
)
@model_options(reads=False, force=True)
def command(
    folder: Path | None,
    pair: tuple[Path, Path] | None,
    labels: Path | None,
    out: Path,
    shared: ModelOptions,
) -> None:
    """Learn a direction in the latent space for `musicvae steer`.

    With --from-folders it points from the songs of B to those of A; with --labels towards higher
    numbers, or towards the alphabetically later of two words.

    \b
    Examples:
      musicvae direction --from-folders jigs/ reels/ --out jig.safetensors
      musicvae direction songs/ --labels mood.csv --out bright.safetensors
      musicvae steer song.mid --direction jig.safetensors=+1.5
    """
    if (pair is None) == (labels is None) or (labels is None) != (folder is None):
        raise click.UsageError("give --from-folders A B, or a FOLDER with --labels CSV")
    from musicvae.tools.attribute_vector import fit_from_embeddings, labels_to_numbers
    from musicvae.tools.embed import SongEmbeddings, embed_folder

    check_overwrite(out, force=shared.force)
    labels_of_songs = read_labels(labels) if labels is not None else {}
    sources = list(pair or ()) or [folder or Path()]
    for source in sources:
        if not is_folder(source):
            raise ConfigError(f"{source}: not a folder; give a folder of songs")
    examples = [] if shared.checkpoint else sample_songs(sources, shared.options)
    model = shared.model(songs=examples)
    embeddings = [embed_folder(model, source) for source in sources]
    songs = SongEmbeddings.concatenate(embeddings)
    if pair is not None:
        values = labels_to_numbers([1.0] * len(embeddings[0]) + [0.0] * len(embeddings[1]))
    else:
        songs, song_labels = select_labeled(songs, labels_of_songs, labels or Path())
        values = labels_to_numbers(song_labels)
    direction = fit_from_embeddings(model, songs, values, name=out.stem)
    with exclusive_writes(not shared.force):
        direction.save(out)
    held_out = (
        None
        if math.isnan(direction.held_out_correlation)
        else round(direction.held_out_correlation, 3)
    )
    emit(
        shared.as_json,
        "direction",
        path=out,
        songs=len(songs),
        held_out=held_out,
        checkpoint=str(model.path),
    )
    if not shared.as_json:
        quality = "too few songs to test it" if held_out is None else f"correlation {held_out:.2f}"
        print_line(f"{out}: from {len(songs)} songs; held-out songs: {quality}")


def read_labels(path: Path) -> dict[str, str]:
    """Read a label for each song from a CSV file, with or without a header line.

    Raises `ReadError`.
    """
    try:
        text = path.read_text("utf-8-sig")
    except OSError as error:
        raise ReadError(path, os_reason(error), "check the path") from None
    except UnicodeDecodeError:
        raise ReadError(path, "not text in UTF-8", "save it as CSV in UTF-8") from None
    try:
        rows = [row for row in csv.reader(text.splitlines()) if any(cell.strip() for cell in row)]
    except csv.Error as error:
        raise ReadError(path, f"not CSV ({error})", "write: song,label") from None
    for i, row in enumerate(rows, start=1):
        if len(row) < 2:
            raise ReadError(path, f"line {i} has no label", "write: song,label")
    if rows and rows[0][1].strip().lower() in ("label", "value", "number"):
        rows = rows[1:]
    return {row[0].strip(): row[1].strip() for row in rows}


def select_labeled(
    songs: SongEmbeddings, labels: dict[str, str], path: Path
) -> tuple[SongEmbeddings, list[str]]:
    """Return the songs that have a label, matched by path or file name, and their labels.

    Raises `DataError` if there are none.
    """
    label_of: dict[int, str] = {}
    for i, name in enumerate(songs.names):
        file = Path(name)
        known = [key for key in (name, file.as_posix(), file.name, file.stem) if key in labels]
        if known:
            label_of[i] = labels[known[0]]
    if not label_of:
        raise DataError(
            f"{path}: has labels for none of the {len(songs)} songs; identify them by file name"
        )
    return songs.select(list(label_of)), list(label_of.values())
