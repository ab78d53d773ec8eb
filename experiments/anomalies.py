"""Detection of planted anomalies in held-out songs: the table of docs/anomalies.md.

    python -m experiments.anomalies chorale-repair data/chorales --other data/folk
    python -m experiments.anomalies melody-repair data/folk --other data/chorales --limit 60

In each song one bar, neither the first nor the last, is changed: replaced by one of the other
folder (`a bar from another style`, in octaves near each part), transposed by a semitone in all
parts, its notes shuffled (other positions, pitches permuted), or one of its notes moved by 1 to 6
semitones. Reported is the area under the ROC curve against unchanged bars, for the anomaly score
and for two baselines without a model: deviation of the number of notes and of the pitch classes
from those of the song.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from sklearn.metrics import roc_auc_score

from experiments.common import markdown_head, markdown_row, model_parser, split_bars
from musicvae.arrays import Floats
from musicvae.model import MusicVAE
from musicvae.representation.bars import Bars, Notes, resolve_note_overlaps

KINDS = ("a bar from another style", "a semitone off", "notes shuffled", "one wrong note")


def plant_anomaly(
    bars: Bars, kind: str, others: Sequence[Bars], rng: np.random.Generator
) -> tuple[Bars, int] | None:
    """Return a song with one changed bar, and its index; None if no bar is suitable."""
    notes, grid = bars.notes, bars.grid
    inner = [
        b
        for b in range(1, len(bars) - 1)
        if (notes.bar == b).sum() >= 3 and grid.lead_steps[b] == 0 and grid.steps[b] >= 4
    ]
    if not inner:
        return None
    at = int(rng.choice(inner))
    mine, steps = notes.select(notes.bar == at), int(grid.steps[at])
    if kind == "a semitone off":
        new = replace(mine, pitch=mine.pitch + int(rng.choice([-1, 1])))
    elif kind == "one wrong note":
        pitch = mine.pitch.copy()
        pitch[rng.integers(len(mine))] += rng.choice([-6, -5, -4, -3, -2, -1, 1, 2, 3, 4, 5, 6])
        new = replace(mine, pitch=pitch)
    elif kind == "notes shuffled":
        new = shuffle_notes(mine, steps, rng)
    else:
        found = foreign_bar(bars, at, others, rng)
        if found is None:
            return None
        new = found
    kept = Notes.concatenate([notes.select(notes.bar != at), new])
    return replace(bars, notes=resolve_note_overlaps(grid, Notes.sorted(**vars(kept)))), at


def shuffle_notes(notes: Notes, steps: int, rng: np.random.Generator) -> Notes:
    """Return the notes of a bar at random steps, with permuted pitches."""
    step, duration = notes.step.copy(), notes.duration.copy()
    for part in np.unique(notes.part):
        mine = np.flatnonzero(notes.part == part)
        n = min(len(mine), steps)
        step[mine] = np.sort(np.resize(rng.choice(steps, n, replace=False), len(mine)))
        duration[mine] = np.maximum(np.append(step[mine][1:], steps) - step[mine], 1)
    return replace(notes, step=step, duration=duration, pitch=rng.permutation(notes.pitch))


def foreign_bar(
    bars: Bars, at: int, others: Sequence[Bars], rng: np.random.Generator
) -> Notes | None:
    """Return a bar of another song for each part, in the octave nearest to the part."""
    for _ in range(200):
        other = others[rng.integers(len(others))]
        bar = int(rng.integers(len(other)))
        there = other.notes.take(other.notes.bar == bar)
        same = other.grid.steps[bar] == bars.grid.steps[at] and other.grid.lead[bar] == 0
        if not same or len(there) < 3:
            continue
        pieces = []
        for part in np.unique(bars.notes.part).tolist():
            mean = float(bars.notes.pitch[bars.notes.part == part].mean())
            theirs = there.take(there.part == min(part, len(other.frame.parts) - 1))
            if len(theirs):
                octaves = 12 * round((mean - float(theirs.pitch.mean())) / 12)
                n = np.ones(len(theirs), np.int64)
                moved = theirs.pitch + octaves
                pieces.append(replace(theirs, bar=n * at, part=n * part, pitch=moved))
        if pieces:
            return Notes.concatenate(pieces)
    return None


def density_deviation(bars: Bars) -> Floats:
    """Return the log ratio of each bar's note density to the median of the song. `(N,)`"""
    count = np.bincount(bars.notes.bar, minlength=len(bars)) / np.maximum(bars.grid.steps, 1)
    return np.abs(np.log((count + 0.02) / (np.median(count) + 0.02)))


def pitch_class_deviation(bars: Bars) -> Floats:
    """Return the total variation of each bar's pitch classes from those of the song. `(N,)`"""
    table = np.zeros((len(bars), 12))
    np.add.at(table, (bars.notes.bar, bars.notes.pitch % 12), bars.notes.duration)
    whole = table.sum(0) / max(table.sum(), 1)
    return 0.5 * np.abs(table / np.maximum(table.sum(1, keepdims=True), 1) - whole).sum(1)


def auc(changed: Sequence[float], unchanged: Sequence[float]) -> float:
    """Return the area under the ROC curve of changed against unchanged bars."""
    labels = np.arange(len(changed) + len(unchanged)) < len(changed)
    return float(roc_auc_score(labels, [*changed, *unchanged]))


def main() -> None:
    """Plant anomalies, score the bars, print a table."""
    parser = model_parser(__doc__)
    parser.add_argument("--other", required=True, help="songs in another style")
    args = parser.parse_args()
    model, began = MusicVAE.load(args.checkpoint), time.monotonic()
    steps = model.preset.grid.steps_per_quarter
    songs = [bars.at(steps) for bars in split_bars(args.folder, args.split)[: args.limit]]
    others = [bars.at(steps) for bars in split_bars(args.other, args.split)[:100]]

    def scored(bars: Bars) -> Floats:
        return model.anomalies(bars.at(24).to_song()).bar_scores

    scorers: dict[str, Callable[[Bars], Floats]] = {
        "score": scored,
        "number of notes": density_deviation,
        "pitch classes": pitch_class_deviation,
    }
    unchanged: dict[str, list[float]] = {name: [] for name in scorers}
    for song in songs:
        for name, scorer in scorers.items():
            values = scorer(song)[1:-1]
            unchanged[name] += values[np.isfinite(values)].tolist()
    print(f"{len(songs)} songs of {args.folder} ({args.split}), {len(unchanged['score'])} bars\n")
    print(markdown_head(["area under ROC", *scorers]))
    for kind in KINDS:
        changed: dict[str, list[float]] = {name: [] for name in scorers}
        for seed, song in enumerate(songs):
            anomaly = plant_anomaly(song, kind, others, np.random.default_rng(seed))
            if anomaly is None:
                continue
            values_of = {
                name: float(scorer(anomaly[0])[anomaly[1]]) for name, scorer in scorers.items()
            }
            if all(np.isfinite(list(values_of.values()))):
                for name, value in values_of.items():
                    changed[name].append(value)
        cells = (f"{auc(changed[name], unchanged[name]):.3f}" for name in scorers)
        print(markdown_row([f"{kind} ({len(changed['score'])})", *cells]))
    print(f"\n{time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
