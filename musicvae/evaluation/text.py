"""Floor 9: an evaluation as text: tables of aligned columns for people to read."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from musicvae.evaluation.evaluate import Evaluation

Row = tuple[str, ...]
_SCORES = (
    ("step_accuracy", "exact steps"),
    ("f1", "onset, pitch F1"),
    ("f1_duration", "with duration"),
    ("f1_velocity", "with velocity"),
    ("repeats", "repeats kept"),
    ("perfect", "perfect"),
    ("velocity_error", "velocity off"),
    ("timing_error_ms", "ms off"),
)
_NAMES = {
    "mean": "from the mean",
    "sampled": "from a sampled z",
    "teacher_forced": "teacher-forced",
    "hold": "always holding",
    "flat": "hits without touch",
    "noisy": "corrupted input",
    "denoised": "given back from it",
    "test": "held-out songs",
    "train": "training songs",
    "samples": "samples",
    "random": "random notes",
    "unigram": "bars drawn singly",
    "shuffled": "bars shuffled",
}


def text(found: Evaluation) -> str:
    """Tables of all figures but those of `--json` alone, a blank line between them."""
    tables = [_reconstruction(found), _likelihood(found), *_comparison(found)]
    return "\n\n".join(_aligned(table) for table in tables)


def _reconstruction(found: Evaluation) -> list[Row]:
    scores = found.reconstruction
    used = [
        (key, word) for key, word in _SCORES if any(_known(s.get(key)) for s in scores.values())
    ]
    head = (f"{found.windows} windows of {found.songs} songs", *(word for _, word in used))
    rows: list[Row] = [head]
    for name, score in scores.items():
        rows.append((_NAMES[name], *(_number(score.get(key)) for key, _ in used)))
    return rows


def _likelihood(found: Evaluation) -> list[Row]:
    weighed = found.likelihood
    rows: list[Row] = [("likelihood", "nats a window", "nats a step")]
    for name, word in (
        ("negative_elbo", "negative ELBO"),
        ("importance_bound", f"importance-weighted, {weighed.get('draws')} draws"),
    ):
        if name in weighed:
            rows.append((word, _number(weighed[name]), _number(weighed[f"{name}_per_step"])))
    for name, nats in weighed.get("nats", weighed.get("nats_by_mean", {})).items():
        if nats:
            rows.append((f"  {name}", _number(nats), ""))
    if "kl_bits" in weighed:
        bits = f"{weighed['kl_bits']:.1f} bits, {weighed['kl_bits_per_bar']:.1f} a bar"
        rows.append(("  KL", _number(weighed["kl_bits"] * math.log(2)), bits))
    rows.append(("active units", str(weighed["active_units"]), ""))
    return rows


def _comparison(found: Evaluation) -> Iterable[list[Row]]:
    compared = found.comparison
    sets = ("test", "train", "samples", "random", "unigram", "shuffled")
    shares = ("empty", "stuck", "copied", "nearest")
    yield [
        (f"{compared.windows} windows each", "overlap", "one width", "AUC", *shares),
        *(
            (
                _NAMES[name],
                _number(compared.mean_overlap.get(name)),
                _number(compared.mean_overlap_shared.get(name)),
                _number(compared.auc.get(name)),
                *(_number(compared.oddities[name].get(share)) for share in shares),
            )
            for name in sets
        ),
        ("samples' overlap as a share of training songs'", _number(compared.overlap_of_real)),
    ]
    words = ("overlap with held-out", "KL", "distances: overlap", "KL")
    rows: list[Row] = [("feature", "held-out", "train", "samples", *words, "(samples / train)")]
    for name, means in compared.means.items():
        figures = (compared.overlap, compared.kl, compared.distance_overlap, compared.distance_kl)
        rows.append(
            (
                name.replace("_", " "),
                *(_number(means[each]) for each in ("test", "train", "samples")),
                *(f"{_number(f['samples'][name])} / {_number(f['train'][name])}" for f in figures),
            )
        )
    yield rows


def _aligned(rows: Sequence[Row]) -> str:
    """Columns under one another, words on the left and numbers on the right."""
    n = max(len(row) for row in rows)
    padded = [row + ("",) * (n - len(row)) for row in rows]
    first, *others = (max(map(len, column)) for column in zip(*padded, strict=True))
    lines = []
    for head, *cells in padded:
        numbers = (c.rjust(width) for c, width in zip(cells, others, strict=True))
        lines.append("  ".join([head.ljust(first), *numbers]).rstrip())
    return "\n".join(lines)


def _known(value: float | None) -> bool:
    return value is not None and math.isfinite(value)


def _number(value: float | None) -> str:
    """Three places, fewer of large numbers; nothing for what is not known."""
    if value is None or not math.isfinite(value):
        return ""
    return f"{value:.3f}" if abs(value) < 10 else f"{value:.1f}"
