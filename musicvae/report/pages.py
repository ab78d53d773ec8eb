"""Report pages of the commands: songs, interpolations, training, evaluation and preparation."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from musicvae.checkpoints import checkpoint_name
from musicvae.plots.comparison import comparison_figure, grid_figure
from musicvae.plots.evaluation import evaluation_figure
from musicvae.plots.training_curves import training_curves_figure
from musicvae.report.audio import AudioEmbedding, ProgressCallback
from musicvae.report.page import Page
from musicvae.song import Song

if TYPE_CHECKING:
    from musicvae.data import PrepareReport
    from musicvae.evaluation.evaluate import Evaluation

MAX_SONGS = 48
_MAX_REASONS = 12
_METRICS = (
    ("valid_f1", "validation F1, from the mean"),
    ("valid_f1_sampled", "validation F1, from a sampled z"),
    ("valid_f1_noisy", "F1 of corrupted notes"),
    ("valid_f1_denoised", "F1 of denoised notes"),
    ("valid_loss", "validation loss, nats per window"),
    ("train_loss", "training loss, nats per window"),
    ("valid_kl_bits", "KL, bits per window"),
    ("valid_active_units", "active units"),
)


def songs_page(
    title: str,
    facts: str,
    songs: Sequence[Song],
    names: Sequence[str],
    *,
    embedding: AudioEmbedding | None = None,
    progress: ProgressCallback | None = None,
) -> Page:
    """Return a page of songs, the first `MAX_SONGS` of them."""
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
    progress: ProgressCallback | None = None,
) -> Page:
    """Return a page of interpolated songs: a chooser with player, and a picture of all.

    `columns` is the width of a grid; without it the songs are a sequence.
    """
    page = Page(title, facts, embedding=embedding)
    page.interpolation(songs, names, columns=columns, progress=progress)
    page.heading("All songs")
    if columns:
        rows = [songs[i : i + columns] for i in range(0, len(songs), columns)]
        page.picture(lambda theme: grid_figure(rows, theme=theme), f"{len(songs)} piano rolls")
    else:
        page.picture(
            lambda theme: comparison_figure(songs, names=names, theme=theme),
            f"{len(songs)} piano rolls, one below the other",
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
    progress: ProgressCallback | None = None,
) -> Page:
    """Return a page of a training run: curves, final metrics, settings and sampled songs.

    `rows` are those of `metrics.csv`, `settings` pairs of name and value.
    """
    page = Page(title, facts, embedding=embedding)
    if rows:
        page.picture(
            lambda theme: training_curves_figure(rows, theme=theme),
            "Reconstruction, loss and KL over the minutes of the run",
        )
        last = rows[-1]
        page.heading("Metrics")
        page.table(
            [(label, _figure(last[name])) for name, label in _METRICS if _is_number(last.get(name))]
        )
    if settings:
        page.heading("Settings")
        page.table(settings)
    if songs:
        page.heading("Songs sampled from the model")
        page.songs(songs, names, progress=progress)
    return page


def evaluation_page(
    evaluation: Evaluation,
    songs: Sequence[Song] = (),
    names: Sequence[str] = (),
    *,
    embedding: AudioEmbedding | None = None,
    progress: ProgressCallback | None = None,
) -> Page:
    """Return a page of an evaluation: metrics, and songs sampled from the model.

    Paths are reduced to names, as pages are shared.
    """
    figures = evaluation.to_dict()
    title = f"{evaluation.preset}, {evaluation.split} songs"
    model = checkpoint_name(Path(evaluation.checkpoint))
    data = Path(evaluation.data).name or evaluation.data
    facts = f"{model} ({evaluation.hash}) on {data}, seed {evaluation.seed}"
    page = Page(title, facts, embedding=embedding)
    comparison = evaluation.comparison
    if comparison is not None:
        distributions = comparison.distributions
        page.picture(
            lambda theme: evaluation_figure(figures, distributions, theme=theme),
            "Reconstruction metrics and feature distributions",
        )
    for note in evaluation.notes:
        page.text(f"{note[0].upper()}{note[1:]}.")
    page.heading("Reconstruction")
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
    if comparison is not None:
        page.heading("Samples compared with songs")
        overlap, sets = comparison.overlap, list(comparison.overlap)
        page.table(
            [
                (name.replace("_", " "), *(overlap[window_set][name] for window_set in sets))
                for name in comparison.distributions["test"]
            ],
            ("feature", *sets),
            "Overlap with songs" if evaluation.split == "all" else "Overlap with held-out songs",
        )
    if songs:
        page.heading("Songs sampled from the model")
        page.songs(songs, names, progress=progress)
    return page


def preparation_page(
    report: PrepareReport,
    songs: Sequence[Song] = (),
    names: Sequence[str] = (),
    *,
    title: str = "Prepared folder",
    embedding: AudioEmbedding | None = None,
    progress: ProgressCallback | None = None,
) -> Page:
    """Return a page of a prepared folder: counts, reasons, warnings and some of its songs."""
    counts = report.counts
    facts = (
        f"{counts.kept:,} of {counts.files:,} files kept, {counts.bars:,} bars, "
        f"{counts.windows:,} windows, {counts.notes:,} notes"
    )
    page = Page(title, facts, embedding=embedding)
    for heading, counter in (
        ("Skipped files by reason", counts.reasons),
        ("Parts by role", counts.parts),
        ("Bars by status", counts.bars_by_reason),
        ("Warnings", counts.warnings),
        ("Duplicates", report.duplicates),
    ):
        rows = _most_common(counter)
        if rows:
            page.heading(heading)
            page.table(rows)
    if songs:
        page.heading(f"{len(songs)} of the songs")
        page.songs(songs, names, progress=progress)
    return page


def _is_number(value: Any) -> bool:
    """Whether a value is a number other than NaN, or the text of one."""
    try:
        return float(value) == float(value)
    except (TypeError, ValueError):
        return False


def _most_common(counter: Counter[str]) -> list[tuple[str, int]]:
    """Return the most common entries, the rest summed up as "others"."""
    ranked = [(name, n) for name, n in counter.most_common() if n]
    rest = sum(n for _, n in ranked[_MAX_REASONS:])
    return ranked[:_MAX_REASONS] + ([("others", rest)] if rest else [])


def _figure(value: Any) -> int | float:
    """Return a number of a row of `metrics.csv`, a count as a whole number."""
    number = float(value)
    return int(number) if number.is_integer() and abs(number) > 1 else number
