"""Floor 10: the pages of commands: what is on them, from what those commands found."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from musicvae.checkpoints import name_of
from musicvae.plots.comparison import square_figure, strip_figure
from musicvae.plots.evaluation import evaluation_figure
from musicvae.plots.training_curves import curves_figure
from musicvae.report.audio import Embedding, Progress
from musicvae.report.page import Page
from musicvae.song import Song

if TYPE_CHECKING:
    from musicvae.data import PrepareReport
    from musicvae.evaluation.evaluate import Evaluation

MOST_SONGS = 48
_REASONS = 12
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
    embedding: Embedding | None = None,
    progress: Progress | None = None,
) -> Page:
    """Songs to be listened to; of many the first, and how many are left out."""
    page = Page(title, facts, embedding=embedding)
    if len(songs) > MOST_SONGS:
        page.text(f"The first {MOST_SONGS} of {len(songs)} songs.")
    page.songs(songs[:MOST_SONGS], names[:MOST_SONGS], progress=progress)
    return page


def way_page(
    title: str,
    facts: str,
    songs: Sequence[Song],
    names: Sequence[str],
    *,
    columns: int | None = None,
    embedding: Embedding | None = None,
    progress: Progress | None = None,
) -> Page:
    """Songs between songs: small rolls to choose by, a player, and all of them as a picture."""
    page = Page(title, facts, embedding=embedding)
    page.way(songs, names, columns=columns, progress=progress)
    page.heading("All of them")
    if columns:
        rows = [songs[i : i + columns] for i in range(0, len(songs), columns)]
        page.picture(lambda look: square_figure(rows, look=look), f"{len(songs)} piano rolls")
    else:
        page.picture(
            lambda look: strip_figure(songs, names=names, look=look),
            f"{len(songs)} piano rolls, one under the other",
        )
    return page


def training_page(
    title: str,
    facts: str,
    rows: Sequence[Mapping[str, Any]],
    plan: Sequence[tuple[str, Any]],
    songs: Sequence[Song] = (),
    names: Sequence[str] = (),
    *,
    embedding: Embedding | None = None,
    progress: Progress | None = None,
) -> Page:
    """A training run: its curves, its last figures, what it was, and songs of the model."""
    page = Page(title, facts, embedding=embedding)
    if rows:
        page.picture(
            lambda look: curves_figure(rows, look=look),
            "Reconstruction, loss and KL over the minutes of the run",
        )
        last = rows[-1]
        page.heading("Figures")
        known = [
            (words, float(last[name])) for name, words in _METRICS if _is_number(last.get(name))
        ]
        page.table(known)
    if plan:
        page.heading("The run")
        page.table(plan)
    if songs:
        page.heading("New songs by the model")
        page.songs(songs, names, progress=progress)
    return page


def evaluation_page(
    found: Evaluation,
    songs: Sequence[Song] = (),
    names: Sequence[str] = (),
    *,
    embedding: Embedding | None = None,
    progress: Progress | None = None,
) -> Page:
    """What was measured of a model, and songs of it. Of paths only the names are told, since pages
    are sent on.
    """
    figures = found.to_dict()
    title = f"{found.preset}, {found.split} songs"
    model, data = name_of(Path(found.checkpoint)), Path(found.data).name or found.data
    facts = f"{model} ({found.hash}) on {data}, seed {found.seed}"
    page = Page(title, facts, embedding=embedding)
    drawn = partial(_drawn_evaluation, figures, found.comparison.distributions)
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
    features = list(found.comparison.distributions["test"])
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
    embedding: Embedding | None = None,
    progress: Progress | None = None,
) -> Page:
    """What became of the files of a folder, and some of its songs."""
    sums = report.tally
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
        rows = _most(counter)
        if rows:
            page.heading(words)
            page.table(rows)
    if songs:
        page.heading(f"{len(songs)} of the songs")
        page.songs(songs, names, progress=progress)
    return page


def _drawn_evaluation(figures: Any, distributions: Any, look: Any) -> Any:
    return evaluation_figure(figures, distributions, look=look)


def _is_number(value: Any) -> bool:
    try:
        return float(value) == float(value)
    except (TypeError, ValueError):
        return False


def _most(counter: Counter[str]) -> list[tuple[str, int]]:
    ranked = [(name, n) for name, n in counter.most_common() if n]
    rest = sum(n for _, n in ranked[_REASONS:])
    return ranked[:_REASONS] + ([("others", rest)] if rest else [])
