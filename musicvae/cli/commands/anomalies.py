"""`musicvae anomalies`: how unusual songs are, bar by bar, and why."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click
import numpy as np

from musicvae.cli.console import (
    checkpoint_option,
    device_option,
    emit,
    force_option,
    free_path,
    json_option,
    print_error,
    print_line,
    progress_bar,
    songs_argument,
    stderr_console,
)
from musicvae.cli.inputs import ModelPicker, find_song_files, read_with_barlines
from musicvae.cli.options import song_read_options, theme_options
from musicvae.cli.terminal import format_columns, print_table
from musicvae.errors import MusicVAEError, one_line
from musicvae.io.options import ReadOptions
from musicvae.storage import ensure_writable_folder, is_folder

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from musicvae.plots import Theme
    from musicvae.tools.anomaly import AnomalyReport

REQUIRED_CORRUPTIONS = ("wrong", "dropped", "added", "jitter", "hidden")


@click.command(name="anomalies")
@songs_argument
@click.option(
    "--most",
    type=click.IntRange(1),
    default=5,
    show_default=True,
    help="Unusual bars to tell of each song.",
)
@click.option("--table", is_flag=True, help="All bars of all parts, not only the unusual ones.")
@click.option(
    "--plot",
    "pictures",
    type=click.Path(path_type=Path),
    help="Folder for a picture of each song over time.",
)
@theme_options
@song_read_options
@force_option
@checkpoint_option
@device_option
@json_option
def command(
    paths: tuple[Path, ...],
    most: int,
    table: bool,
    pictures: Path | None,
    theme: Theme,
    options: ReadOptions,
    force: bool,
    checkpoint: str | None,
    device: str,
    as_json: bool,
) -> None:
    """Say how unusual songs (files or folders) are, which bars most, and why.

    Numbers are deviations from what is usual in the songs that the model knows: above 2 is rare.
    Of several songs the outliers are named, and those that are more like the songs of another
    folder than like those of their own.

    \b
    Examples:
      musicvae anomalies song.mid
      musicvae anomalies songs/ --plot pictures/ --json
    """
    songs, models = find_song_files(paths), ModelPicker(checkpoint, device, REQUIRED_CORRUPTIONS)
    folder = ensure_writable_folder(pictures, "--plot") if pictures else None
    found: list[_ScoredSong] = []
    failed = False
    with progress_bar("scoring") as advance:
        for done, path in enumerate(songs, start=1):
            try:
                found.append(_score_song(path, models, options, folder, force, theme))
            except MusicVAEError as error:
                failed = True
                print_error(error)
            finally:
                advance(done, len(songs))
    for one in found:
        if as_json:
            told = one.scores.to_dict(most)
            share = one.untouched
            picture = {} if one.picture is None else {"plot": str(one.picture)}
            emit(
                True,
                "score",
                path=one.path,
                **told,
                untouched=share,
                checkpoint=one.model,
                **picture,
            )
        elif len(songs) == 1 or table:
            _print_song(one, most, table)
    if len(songs) > 1 and found:
        _print_summary(found, as_json, paths)
    if failed:
        raise SystemExit(1)


@dataclass(frozen=True)
class _ScoredSong:
    """A song's scores, and what a folder of songs is compared by."""

    path: Path
    scores: AnomalyReport
    song_features: NDArray[np.float64]
    model: str
    untouched: float
    picture: Path | None


def _score_song(
    path: Path,
    models: ModelPicker,
    options: ReadOptions,
    folder: Path | None,
    force: bool,
    theme: Theme,
) -> _ScoredSong:
    from musicvae.representation.bars import Bars
    from musicvae.tools.robust_deviations import song_features

    aligned = read_with_barlines(path, options)
    model = models.for_song(aligned)
    scores = model.score(aligned)
    share = scores.n_passthrough / max(aligned.song.n_notes, 1)
    if share:
        words = f"{path}: {share:.0%} of its notes were not heard"
        stderr_console().print(one_line(words), soft_wrap=True)
    picture = None
    if folder is not None:
        from musicvae.plots import plot_scores

        picture = free_path(folder, f"{path.stem}-score", ".png", force=force)
        names = [part.name or f"part {n}" for n, part in enumerate(aligned.song.parts, start=1)]
        line = f"oddity {scores.oddity:+.1f} beside the {scores.against}"
        told = (scores.numbers, scores.bars, scores.parts, names)
        plot_scores(*told, picture, path.stem, line, theme=theme)
    measured = song_features(Bars.from_song(aligned.song))
    return _ScoredSong(path, scores, measured, str(model.path), round(share, 4), picture)


def _print_song(one: _ScoredSong, most: int, whole: bool) -> None:
    scores = one.scores
    compared = "songs the model knows" if scores.against == "corpus" else "the song's other bars"
    print_line(f"{one.path}: oddity {scores.oddity:+.1f} beside {compared}")
    rows: list[tuple[str, ...]] = [
        (f"  bar {odd.bar}", odd.name, f"{odd.oddity:+.1f}", "; ".join(odd.reasons))
        for odd in (scores.odd if whole else scores.odd[:most])
    ]
    if whole:
        rows.sort(key=lambda row: int(row[0].split()[-1]))
    for line in format_columns(rows).splitlines() if rows else []:
        print_line(line)
    if one.picture is not None:
        print_line(str(one.picture))


def _print_summary(found: list[_ScoredSong], as_json: bool, paths: tuple[Path, ...]) -> None:
    """The songs, the oddest first; which are outliers, and which lie in the wrong folder."""
    from musicvae.tools.robust_deviations import OUTLIER_DEVIATIONS, misplaced, robust_deviations

    away = robust_deviations([one.scores.oddity for one in found])
    labels = [_folder_label(one.path, paths) for one in found]
    belongs = misplaced(np.stack([one.song_features for one in found]), labels)
    order = sorted(range(len(found)), key=lambda i: -np.nan_to_num(away[i], nan=-99.0))
    rows: list[tuple[str, ...]] = []
    for i in order:
        one, odd = found[i], found[i].scores.odd[:1]
        outlier = bool(away[i] >= OUTLIER_DEVIATIONS)
        emit(
            as_json,
            "file",
            path=one.path,
            oddity=round(one.scores.oddity, 3),
            away=round(float(away[i]), 3),
            outlier=outlier,
            folder=labels[i],
            belongs=belongs[i],
        )
        words = [f"bar {odd[0].bar} {odd[0].name}: {'; '.join(odd[0].reasons)}"] if odd else []
        marks = ["outlier"] * outlier
        marks += [f"more like the songs of {belongs[i]}"] if belongs[i] else []
        rows.append((str(one.path), f"{one.scores.oddity:+.1f}", ", ".join(marks), *words))
    if not as_json:
        head = ("song", "oddity", "", "oddest bar")
        print_table(head, [(*map(one_line, row), "")[:4] for row in rows], numeric=(1,))


def _folder_label(path: Path, given: tuple[Path, ...]) -> str:
    """The folder that a song is in, as far as it was given or lies under what was given."""
    for root in given:
        if is_folder(root) and path.is_relative_to(root):
            inside = path.relative_to(root).parts
            return inside[0] if len(inside) > 1 else root.name
    return path.parent.name
