"""Floor 10: the pages of commands: what is on them, from what those commands found."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from musicvae.checkpoints import checkpoint_name
from musicvae.plots.comparison import grid_figure, comparison_figure
from musicvae.plots.evaluation import evaluation_figure
from musicvae.plots.training_curves import training_curves_figure
from musicvae.report.audio import AudioEmbedding, Progress
from musicvae.report.page import Page
from musicvae.song import Song

if TYPE_CHECKING:
    from musicvae.data import PrepareReport
    from musicvae.evaluation.evaluate import Evaluation

MAX_SONGS = 48
_MAX_REASONS = 12
_METRICS = (
    ("valid_f1", "held-out F1, from the mean"),
    ("valid_f1_sampled", "held-out F1, from a sampled z"),
    ("valid_f1_noisy", "F1 of corrupted notes"),
    ("valid_f1_denoised", "F1 of mended notes"),
    ("valid_loss", "held-out loss, nats a window"),
    ("train_loss", "training loss, nats a window"),
    ("valid_kl_bits", "KL, bits a window"),
    ("valid_active_units", "active units"),
)


def songs_page(
    title: str,
    facts: str,
    songs: Sequence[Song],
    names: Sequence[str],
    *,
    embedding: AudioEmbedding | None = None,
    progress: Progress | None = None,
) -> Page:
    """Songs to be listened to; of many the first, and how many are left out."""
    page = Page(title, facts, embedding=embedding)
    if len(songs) > MAX_SONGS:
        page.text(f"The first {MAX_SONGS} of {len(songs)} songs.")
    page.songs(songs[:MAX_SONGS], names[:MAX_SONGS], progress=progress)
    return page


def interpolation_page(
    title: str,
    facts: str,
    songs: Sequence[Song],
    names: Sequence[str],
    *,
    columns: int | None = None,
    embedding: AudioEmbedding | None = None,
    progress: Progress | None = None,
) -> Page:
    """Songs between songs: small rolls to choose by, a player, and all of them as a picture."""
    page = Page(title, facts, embedding=embedding)
    page.interpolation(songs, names, columns=columns, progress=progress)
    page.heading("All of them")
    if columns:
        rows = [songs[i : i + columns] for i in range(0, len(songs), columns)]
        page.picture(lambda look: grid_figure(rows, theme=look), f"{len(songs)} piano rolls")
    else:
        page.picture(
            lambda look: comparison_figure(songs, names=names, theme=look),
            f"{len(songs)} piano rolls, one under the other",
        )
    return page


def training_page(
    title: str,
    facts: str,
    rows: Sequence[Mapping[str, Any]],
    settings: Sequence[tuple[str, Any]],
    songs: Sequence[Song] = (),
    names: Sequence[str] = (),
    *,
    embedding: AudioEmbedding | None = None,
    progress: Progress | None = None,
) -> Page:
    """A training run: its curves, its last figures, what it was, and songs of the model."""
    page = Page(title, facts, embedding=embedding)
    if rows:
        page.picture(
            lambda look: training_curves_figure(rows, theme=look),
            "Reconstruction, loss and KL over the minutes of the run",
        )
        last = rows[-1]
        page.heading("Figures")
        known = [
            (words, float(last[name])) for name, words in _METRICS if _is_number(last.get(name))
        ]
        page.table(known)
    if settings:
        page.heading("The run")
        page.table(settings)
    if songs:
        page.heading("New songs by the model")
        page.songs(songs, names, progress=progress)
    return page


def evaluation_page(
    evaluation: Evaluation,
    songs: Sequence[Song] = (),
    names: Sequence[str] = (),
    *,
    embedding: AudioEmbedding | None = None,
    progress: Progress | None = None,
) -> Page:
    """What was measured of a model, and songs of it. Of paths only the names are told, since pages
    are sent on.
    """
    figures = evaluation.to_dict()
    title = f"{evaluation.preset}, {evaluation.split} songs"
    model, data = checkpoint_name(Path(evaluation.checkpoint)), Path(evaluation.data).name or evaluation.data
    facts = f"{model} ({evaluation.hash}) on {data}, seed {evaluation.seed}"
    page = Page(title, facts, embedding=embedding)
    drawn = partial(_draw_evaluation, figures, evaluation.comparison.distributions)
    page.picture(drawn, "Scores of windows given back, and how samples are distributed")
    page.heading("Windows given back")
    scores = figures["reconstruction"]
    keys = list(dict.fromkeys(key for row in scores.values() for key in row))
    keys = [key for key in keys if any(row.get(key) is not None for row in scores.values())]
    page.table(
        [(name.replace("_", " "), *(row.get(key) for key in keys)) for name, row in scores.items()],
        ("from", *(key.replace("_", " ") for key in keys)),
    )
    page.heading("Likelihood")
    page.table(
        [(k.replace("_", " "), v) for k, v in figures["likelihood"].items() if _is_number(v)]
    )
    page.heading("Samples beside songs")
    overlap = figures["comparison"]["overlap"]
    features = list(evaluation.comparison.distributions["test"])
    sets = list(overlap)
    page.table(
        [(name.replace("_", " "), *(overlap[each][name] for each in sets)) for name in features],
        ("feature", *sets),
        "Overlap with held-out songs",
    )
    if songs:
        page.heading("New songs by the model")
        page.songs(songs, names, progress=progress)
    return page


def preparation_page(
    report: PrepareReport,
    songs: Sequence[Song] = (),
    names: Sequence[str] = (),
    *,
    title: str = "A folder, read",
    embedding: AudioEmbedding | None = None,
    progress: Progress | None = None,
) -> Page:
    """What became of the files of a folder, and some of its songs."""
    sums = report.counts
    facts = (
        f"{sums.kept:,} of {sums.files:,} files kept, {sums.bars:,} bars, "
        f"{sums.windows:,} windows, {sums.notes:,} notes"
    )
    page = Page(title, facts, embedding=embedding)
    for words, counter in (
        ("Files left out, and why", sums.reasons),
        ("Parts by role", sums.parts),
        ("Bars, and what became of them", sums.bars_by_reason),
        ("Warnings", sums.warnings),
        ("Songs that are one", report.duplicates),
    ):
        rows = _most_common(counter)
        if rows:
            page.heading(words)
            page.table(rows)
    if songs:
        page.heading(f"{len(songs)} of the songs")
        page.songs(songs, names, progress=progress)
    return page


def _draw_evaluation(figures: Any, distributions: Any, theme: Any) -> Any:
    return evaluation_figure(figures, distributions, theme=theme)


def _is_number(value: Any) -> bool:
    try:
        return float(value) == float(value)
    except (TypeError, ValueError):
        return False


def _most_common(counter: Counter[str]) -> list[tuple[str, int]]:
    ranked = [(name, n) for name, n in counter.most_common() if n]
    rest = sum(n for _, n in ranked[_MAX_REASONS:])
    return ranked[:_MAX_REASONS] + ([("others", rest)] if rest else [])
