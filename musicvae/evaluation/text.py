"""Text rendering of an evaluation: tables with aligned columns."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from musicvae.evaluation.evaluate import Evaluation

Row = tuple[str, ...]
_METRIC_LABELS = (
    ("step_accuracy", "exact steps"),
    ("f1", "onset, pitch F1"),
    ("f1_duration", "with duration"),
    ("f1_velocity", "with velocity"),
    ("repeats", "repeat recall"),
    ("perfect", "perfect"),
    ("velocity_error", "velocity error"),
    ("timing_error_ms", "timing error, ms"),
)
_ROW_LABELS = {
    "mean": "from the mean",
    "sampled": "from a sampled z",
    "teacher_forced": "teacher-forced",
    "hold": "no events",
    "flat": "expressionless hits",
    "noisy": "corrupted input",
    "denoised": "denoised output",
    "test": "held-out songs",
    "train": "training songs",
    "samples": "samples",
    "random": "random notes",
    "unigram": "unigram bars",
    "shuffled": "shuffled bars",
    "given": "songs of --samples",
}

_UNSPLIT_LABELS = {"test": "songs", "train": "other songs"}
"""Labels for `--split all`, where no song of the folder was held out of training or learned."""


def format_evaluation(evaluation: Evaluation) -> str:
    """Return the main figures as tables separated by blank lines."""
    tables = [_reconstruction(evaluation), _likelihood(evaluation), *_comparison(evaluation)]
    tables += _chords(evaluation)
    return "\n\n".join([*(_align_columns(table) for table in tables), *evaluation.notes])


def _reconstruction(evaluation: Evaluation) -> list[Row]:
    scores = evaluation.reconstruction
    used = [
        (key, label)
        for key, label in _METRIC_LABELS
        if any(_is_finite(s.get(key)) for s in scores.values())
    ]
    head = (
        f"{evaluation.windows} windows of {evaluation.songs} song{'s' * (evaluation.songs != 1)}",
        *(label for _, label in used),
    )
    rows: list[Row] = [head]
    for name, score in scores.items():
        rows.append((_ROW_LABELS[name], *(_format_number(score.get(key)) for key, _ in used)))
    return rows


def _likelihood(evaluation: Evaluation) -> list[Row]:
    likelihood = evaluation.likelihood
    rows: list[Row] = [("likelihood", "nats a window", "nats a step")]
    for name, label in (
        ("negative_elbo", "negative ELBO"),
        ("importance_bound", f"importance-weighted, {likelihood.get('draws')} draws"),
    ):
        if name in likelihood:
            rows.append(
                (
                    label,
                    _format_number(likelihood[name]),
                    _format_number(likelihood[f"{name}_per_step"]),
                )
            )
    for name, nats in likelihood.get("nats", likelihood.get("nats_by_mean", {})).items():
        if nats:
            rows.append((f"  {name}", _format_number(nats), ""))
    if "kl_bits" in likelihood:
        bits = f"{likelihood['kl_bits']:.1f} bits, {likelihood['kl_bits_per_bar']:.1f} a bar"
        rows.append(("  KL", _format_number(likelihood["kl_bits"] * math.log(2)), bits))
    rows.append(("active units", str(likelihood["active_units"]), ""))
    return rows


def _chords(evaluation: Evaluation) -> Iterable[list[Row]]:
    chords = evaluation.chords
    if chords is None:
        return
    labels = {"songs": "as they are", "samples": "samples over their chords"}
    labels["unconditional"] = "samples without chords"
    yield [
        (f"chords of {chords.songs} songs", "chord tones", "majmin agreement"),
        *(
            (labels[name], _format_number(share), _format_number(chords.majmin[name]))
            for name, share in chords.tones.items()
        ),
    ]


def _comparison(evaluation: Evaluation) -> Iterable[list[Row]]:
    comparison = evaluation.comparison
    if comparison is None:
        return
    labels = _ROW_LABELS | (_UNSPLIT_LABELS if evaluation.split == "all" else {})
    sets = ("test", "train", "samples", "given", "random", "unigram", "shuffled")
    shares = ("empty", "stuck", "copied", "nearest")
    yield [
        (f"{comparison.windows} windows each", "overlap", "shared width", "AUC", *shares),
        *(
            (
                labels[name],
                _format_number(comparison.mean_overlap.get(name)),
                _format_number(comparison.mean_overlap_shared.get(name)),
                _format_number(comparison.auc.get(name)),
                *(_format_number(comparison.oddities[name].get(share)) for share in shares),
            )
            for name in sets
            if name in comparison.oddities
        ),
        (
            f"samples' overlap as a share of {labels['train']}'",
            _format_number(comparison.overlap_of_real),
        ),
    ]
    test, train = ("songs", "others") if evaluation.split == "all" else ("held-out", "train")
    columns = (f"overlap with {test}", "KL", "distances: overlap", "KL")
    rows: list[Row] = [("feature", test, train, "samples", *columns, f"(samples / {train})")]
    for name, means in comparison.means.items():
        figures = (
            comparison.overlap,
            comparison.kl,
            comparison.distance_overlap,
            comparison.distance_kl,
        )
        rows.append(
            (
                name.replace("_", " "),
                *(_format_number(means[each]) for each in ("test", "train", "samples")),
                *(
                    f"{_format_number(f['samples'][name])} / {_format_number(f['train'][name])}"
                    for f in figures
                ),
            )
        )
    yield rows


def _align_columns(rows: Sequence[Row]) -> str:
    """Return rows with aligned columns, the first to the left, others to the right."""
    n = max(len(row) for row in rows)
    padded = [row + ("",) * (n - len(row)) for row in rows]
    first, *others = (max(map(len, column)) for column in zip(*padded, strict=True))
    lines = []
    for head, *cells in padded:
        numbers = (c.rjust(width) for c, width in zip(cells, others, strict=True))
        lines.append("  ".join([head.ljust(first), *numbers]).rstrip())
    return "\n".join(lines)


def _is_finite(value: float | None) -> bool:
    return value is not None and math.isfinite(value)


def _format_number(value: float | None) -> str:
    """Return a number with three decimals, one if it is large; empty if undefined."""
    if value is None or not math.isfinite(value):
        return ""
    return f"{value:.3f}" if abs(value) < 10 else f"{value:.1f}"
