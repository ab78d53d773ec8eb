"""`musicvae direction`: a direction of one's own, from two folders or from labels."""

from __future__ import annotations

import csv
import math
from pathlib import Path
from typing import TYPE_CHECKING

import click

from musicvae.cli.console import (
    INPUT_PATH,
    check_overwrite,
    checkpoint_option,
    device_option,
    emit,
    force_option,
    json_option,
    print_line,
)
from musicvae.cli.inputs import load_model, sample_songs
from musicvae.errors import ConfigError, DataError, ReadError, os_reason
from musicvae.io.options import ReadOptions
from musicvae.storage import is_folder

if TYPE_CHECKING:
    from musicvae.tools.embed import SongEmbeddings


@click.command(name="direction")
@click.argument("folder", required=False, type=INPUT_PATH)
@click.option(
    "--from-folders",
    "pair",
    nargs=2,
    type=INPUT_PATH,
    metavar="A B",
    help="From the songs of folder B to those of folder A.",
)
@click.option(
    "--labels",
    type=INPUT_PATH,
    metavar="CSV",
    help="Lines of a song of FOLDER (its file, or its name) and a number, or one of two words.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("direction.safetensors"),
    show_default=True,
    help="File to write.",
)
@force_option
@checkpoint_option
@device_option
@json_option
def command(
    folder: Path | None,
    pair: tuple[Path, Path] | None,
    labels: Path | None,
    out: Path,
    force: bool,
    checkpoint: str | None,
    device: str,
    as_json: bool,
) -> None:
    """Find a direction of your own, to `musicvae steer` by.

    With --from-folders it leads from the songs of B to those of A; with --labels to where the
    numbers are high, or to the later in the alphabet of two words.

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

    check_overwrite(out, force=force)
    told = read_labels(labels) if labels is not None else {}
    sources = list(pair or ()) or [folder or Path()]
    for source in sources:
        if not is_folder(source):
            raise ConfigError(f"{source}: not a folder; give a folder of songs")
    model = load_model(
        checkpoint,
        device,
        songs=[] if checkpoint else sample_songs(sources, ReadOptions(ungridded=True)),
    )
    found = [embed_folder(model, source) for source in sources]
    songs = SongEmbeddings.concatenate(found)
    if pair is not None:
        values = labels_to_numbers([1.0] * len(found[0]) + [0.0] * len(found[1]))
    else:
        songs, words = select_labeled(songs, told, labels or Path())
        values = labels_to_numbers(words)
    direction = fit_from_embeddings(model, songs, values, name=out.stem)
    direction.save(out)
    held_out = None if math.isnan(direction.held_out) else round(direction.held_out, 3)
    emit(
        as_json,
        "direction",
        path=out,
        songs=len(songs),
        held_out=held_out,
        checkpoint=str(model.path),
    )
    if not as_json:
        sure = "too few songs to test it" if held_out is None else f"correlation {held_out:.2f}"
        print_line(f"{out}: from {len(songs)} songs; on songs left out in turn: {sure}")


def read_labels(path: Path) -> dict[str, str]:
    """A label for each song from a CSV file; a first line whose label heads a column is left out.

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
    for nth, row in enumerate(rows, start=1):
        if len(row) < 2:
            raise ReadError(path, f"line {nth} has no label", "write: song,label")
    if rows and rows[0][1].strip().lower() in ("label", "value", "number"):
        rows = rows[1:]
    return {row[0].strip(): row[1].strip() for row in rows}


def select_labeled(
    songs: SongEmbeddings, told: dict[str, str], path: Path
) -> tuple[SongEmbeddings, list[str]]:
    """The songs that have a label, by file, by name with or without suffix; and their labels.

    Raises `DataError` where none has.
    """
    found: dict[int, str] = {}
    for nth, name in enumerate(songs.names):
        file = Path(name)
        known = [key for key in (name, file.as_posix(), file.name, file.stem) if key in told]
        if known:
            found[nth] = told[known[0]]
    if not found:
        raise DataError(f"{path}: labels none of the {len(songs)} songs; name them by their file")
    return songs.take(list(found)), list(found.values())
