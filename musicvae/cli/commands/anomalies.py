"""`musicvae anomalies`: find unusual bars and songs, with reasons."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click
import numpy as np

from musicvae.cli.console import (
    ANY_PATH,
    emit,
    print_error,
    print_line,
    progress_bar,
    songs_argument,
    stderr_console,
    write_free,
)
from musicvae.cli.inputs import ModelPicker, find_song_files, read_with_barlines
from musicvae.cli.options import ModelOptions, model_options, theme_options
from musicvae.cli.terminal import format_columns, print_table
from musicvae.errors import MusicVAEError, one_line
from musicvae.io.members import song_stem
from musicvae.storage import ensure_writable_folder, fit_stem, is_folder

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from musicvae.plots import Theme
    from musicvae.tools.anomaly import AnomalyReport

REQUIRED_CORRUPTIONS = (
    "pitch_substitution",
    "deletion",
    "insertion",
    "onset_jitter",
    "part_mask",
)


@click.command(name="anomalies")
@songs_argument
@click.option(
    "--most",
    "n_bars",
    type=click.IntRange(1),
    default=5,
    show_default=True,
    help="Number of unusual bars to list for each song.",
)
@click.option(
    "--table", is_flag=True, help="List all bars of all parts, not only the unusual ones."
)
@click.option(
    "--plot",
    "plot_folder",
    type=ANY_PATH,
    help="Folder for a plot of each song's scores over time.",
)
@theme_options
@model_options(force=True)
def command(
    paths: tuple[Path, ...],
    n_bars: int,
    table: bool,
    plot_folder: Path | None,
    theme: Theme,
    shared: ModelOptions,
) -> None:
    """Rate how unusual songs (files or folders) and their bars are, and say why.

    Scores are deviations from the model's training songs; values above 2 are rare. With several
    songs, outliers are marked, and songs that resemble those of another folder more than their own.

    \b
    Examples:
      musicvae anomalies song.mid
      musicvae anomalies songs/ --plot pictures/ --json
    """
    songs, models = find_song_files(paths), shared.models(REQUIRED_CORRUPTIONS)
    folder = ensure_writable_folder(plot_folder, "--plot") if plot_folder else None
    found: list[_ScoredSong] = []
    failed = False
    with progress_bar("scoring") as advance:
        for done, path in enumerate(songs, start=1):
            try:
                found.append(_score_song(path, models, shared, folder, theme))
            except MusicVAEError as error:
                failed = True
                print_error(error)
            finally:
                advance(done, len(songs))
    for scored in found:
        if shared.as_json:
            fields = scored.scores.to_dict(n_bars)
            share = scored.passthrough_share
            plot_path = {} if scored.plot_path is None else {"plot": str(scored.plot_path)}
            emit(
                True,
                "score",
                path=scored.path,
                **fields,
                untouched=share,
                checkpoint=scored.model,
                **plot_path,
            )
        elif len(songs) == 1 or table:
            _print_song(scored, n_bars, table)
    if len(songs) > 1 and found:
        _print_summary(found, shared.as_json, paths)
    if failed:
        raise SystemExit(1)


@dataclass(frozen=True)
class _ScoredSong:
    """Scores of a song, and the features by which songs of a folder are compared."""

    path: Path
    scores: AnomalyReport
    song_features: NDArray[np.float64]
    model: str
    passthrough_share: float
    plot_path: Path | None


def _score_song(
    path: Path,
    models: ModelPicker,
    shared: ModelOptions,
    folder: Path | None,
    theme: Theme,
) -> _ScoredSong:
    from musicvae.representation.bars import Bars
    from musicvae.tools.outliers import song_features

    aligned = read_with_barlines(path, shared.options)
    model = models.for_song(aligned)
    scores = model.anomalies(aligned)
    share = scores.n_passthrough / max(aligned.song.n_notes, 1)
    if share:
        text = f"{path}: {share:.0%} of its notes are outside the model and were not scored"
        stderr_console().print(one_line(text), soft_wrap=True)
    plot_path = None
    if folder is not None:
        from musicvae.plots import plot_anomalies

        stem = song_stem(path)
        names = [part.name or f"part {n}" for n, part in enumerate(aligned.song.parts, start=1)]
        line = f"anomaly score {scores.anomaly_score:+.1f}, relative to the {scores.reference}"
        fields = (scores.bar_numbers, scores.bar_scores, scores.part_scores, names)
        plot_path = write_free(
            folder,
            f"{fit_stem(stem)}-score",
            ".png",
            lambda to: plot_anomalies(*fields, to, stem, line, theme=theme),
            force=shared.force,
        )
    features = song_features(Bars.from_song(aligned.song))
    return _ScoredSong(path, scores, features, str(model.path), round(share, 4), plot_path)


def _print_song(scored: _ScoredSong, n_bars: int, whole: bool) -> None:
    scores = scored.scores
    baseline = "the training songs" if scores.reference == "corpus" else "the song's other bars"
    print_line(f"{scored.path}: anomaly score {scores.anomaly_score:+.1f}, relative to {baseline}")
    rows: list[tuple[str, ...]] = [
        (f"  bar {bar.bar}", bar.name, f"{bar.anomaly_score:+.1f}", "; ".join(bar.reasons))
        for bar in (scores.anomalies if whole else scores.anomalies[:n_bars])
    ]
    if whole:
        rows.sort(key=lambda row: int(row[0].split()[-1]))
    for line in format_columns(rows).splitlines() if rows else []:
        print_line(line)
    if scored.plot_path is not None:
        print_line(str(scored.plot_path))


def _print_summary(found: list[_ScoredSong], as_json: bool, paths: tuple[Path, ...]) -> None:
    """Print the songs, most unusual first, with outliers and misplaced songs marked."""
    from musicvae.tools.outliers import OUTLIER_DEVIATIONS, misplaced, robust_deviations

    deviations = robust_deviations([scored.scores.anomaly_score for scored in found])
    labels = [_folder_label(scored.path, paths) for scored in found]
    better_folders = misplaced(np.stack([scored.song_features for scored in found]), labels)
    order = sorted(range(len(found)), key=lambda i: -np.nan_to_num(deviations[i], nan=-99.0))
    rows: list[tuple[str, ...]] = []
    for i in order:
        scored, worst = found[i], found[i].scores.anomalies[:1]
        outlier = bool(deviations[i] >= OUTLIER_DEVIATIONS)
        emit(
            as_json,
            "file",
            path=scored.path,
            oddity=round(scored.scores.anomaly_score, 3),
            away=round(float(deviations[i]), 3),
            outlier=outlier,
            folder=labels[i],
            belongs=better_folders[i],
        )
        text = [f"bar {bar.bar} {bar.name}: {'; '.join(bar.reasons)}" for bar in worst]
        marks = ["outlier"] * outlier
        marks += [f"more like the songs of {better_folders[i]}"] if better_folders[i] else []
        rows.append(
            (str(scored.path), f"{scored.scores.anomaly_score:+.1f}", ", ".join(marks), *text)
        )
    if not as_json:
        header = ("song", "score", "", "most unusual bar")
        print_table(header, [(*map(one_line, row), "")[:4] for row in rows], numeric=(1,))


def _folder_label(path: Path, given: tuple[Path, ...]) -> str:
    """Return the folder of a song: the topmost one below the given folders, else its own."""
    for root in given:
        if is_folder(root) and path.is_relative_to(root):
            inside = path.relative_to(root).parts
            return inside[0] if len(inside) > 1 else root.name
    return path.parent.name
