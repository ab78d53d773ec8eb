"""How well `score` finds a bar in which something is wrong: planted anomalies on held-out songs.

    python experiments/anomalies.py chorale-repair data/chorales --other data/folk
    python experiments/anomalies.py melody-repair data/folk --other data/chorales --limit 60

In each song one bar, neither the first nor the last, becomes another: one of a song of the other
folder (`a bar from another style`, in octaves near each part), moved up or down by a semitone in
all parts, its notes shuffled (other places, pitches dealt out anew), or one of its notes 1 to 6
semitones off. Area under the ROC curve: how often that bar is told to be odder than a bar as it
was. Beside it what can be had without a model: how far the number of notes lies from that of the
song's bars, and how far the pitch classes do.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from repair import songs_of

from musicvae.model import MusicVAE
from musicvae.representation.bars import Bars, Notes, settled

Floats = NDArray[np.float64]
KINDS = ("a bar from another style", "a semitone off", "notes shuffled", "one wrong note")


def planted(
    bars: Bars, kind: str, others: Sequence[Bars], rng: np.random.Generator
) -> tuple[Bars, int] | None:
    """A song with one bar changed, and which; none if it has no bar for that."""
    notes, grid = bars.notes, bars.grid
    inner = [
        b
        for b in range(1, len(bars) - 1)
        if (notes.bar == b).sum() >= 3 and grid.lead[b] == 0 and grid.steps[b] >= 4
    ]
    if not inner:
        return None
    at = int(rng.choice(inner))
    mine, steps = notes.take(notes.bar == at), int(grid.steps[at])
    if kind == "a semitone off":
        new = replace(mine, pitch=mine.pitch + int(rng.choice([-1, 1])))
    elif kind == "one wrong note":
        pitch = mine.pitch.copy()
        pitch[rng.integers(len(mine))] += rng.choice([-6, -5, -4, -3, -2, -1, 1, 2, 3, 4, 5, 6])
        new = replace(mine, pitch=pitch)
    elif kind == "notes shuffled":
        new = shuffled(mine, steps, rng)
    else:
        found = foreign(bars, at, others, rng)
        if found is None:
            return None
        new = found
    kept = Notes.concatenate([notes.take(notes.bar != at), new])
    return replace(bars, notes=settled(grid, Notes.sorted(**vars(kept)))), at


def shuffled(notes: Notes, steps: int, rng: np.random.Generator) -> Notes:
    """The notes of a bar at other places, their pitches dealt out anew among all parts."""
    step, duration = notes.step.copy(), notes.duration.copy()
    for part in np.unique(notes.part):
        mine = np.flatnonzero(notes.part == part)
        n = min(len(mine), steps)
        step[mine] = np.sort(np.resize(rng.choice(steps, n, replace=False), len(mine)))
        duration[mine] = np.maximum(np.append(step[mine][1:], steps) - step[mine], 1)
    return replace(notes, step=step, duration=duration, pitch=rng.permutation(notes.pitch))


def foreign(bars: Bars, at: int, others: Sequence[Bars], rng: np.random.Generator) -> Notes | None:
    """A bar of another song for each part, in the octave nearest to it."""
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


def density(bars: Bars) -> Floats:
    """How far the number of notes of each bar lies from that of the song's bars. `(N,)`"""
    count = np.bincount(bars.notes.bar, minlength=len(bars)) / np.maximum(bars.grid.steps, 1)
    return np.abs(np.log((count + 0.02) / (np.median(count) + 0.02)))


def classes(bars: Bars) -> Floats:
    """How far the pitch classes of each bar lie from those of the song, as half of L1. `(N,)`"""
    table = np.zeros((len(bars), 12))
    np.add.at(table, (bars.notes.bar, bars.notes.pitch % 12), bars.notes.duration)
    whole = table.sum(0) / max(table.sum(), 1)
    return 0.5 * np.abs(table / np.maximum(table.sum(1, keepdims=True), 1) - whole).sum(1)


def auc(odd: Sequence[float], plain: Sequence[float]) -> float:
    """How often an odd one is above a plain one, ties counting half."""
    a, b = np.asarray(odd), np.sort(np.asarray(plain))
    below = np.searchsorted(b, a, side="left") + np.searchsorted(b, a, side="right")
    return float(below.mean() / (2 * len(b)))


def main() -> None:
    """Plant, score, count."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("checkpoint")
    parser.add_argument("folder")
    parser.add_argument("--other", required=True, help="songs in another style")
    parser.add_argument("--split", default="test")
    parser.add_argument("--limit", type=int, help="songs at most")
    asked = parser.parse_args()
    model, began = MusicVAE.load(asked.checkpoint), time.monotonic()
    steps = model.preset.grid.steps_per_quarter
    songs = [song.at(steps) for song in songs_of(asked.folder, asked.split, asked.limit)]
    others = [song.at(steps) for song in songs_of(asked.other, asked.split, 100)]

    def scored(bars: Bars) -> Floats:
        return model.score(bars.at(24).to_song()).bars

    ways: dict[str, Callable[[Bars], Floats]] = {
        "score": scored,
        "number of notes": density,
        "pitch classes": classes,
    }
    plain: dict[str, list[float]] = {name: [] for name in ways}
    for song in songs:
        for name, way in ways.items():
            values = way(song)[1:-1]
            plain[name] += values[np.isfinite(values)].tolist()
    print(f"{len(songs)} songs of {asked.folder} ({asked.split}), {len(plain['score'])} bars\n")
    print(f"| area under ROC | {' | '.join(ways)} |")
    print(f"|---|{'---|' * len(ways)}")
    for kind in KINDS:
        odd: dict[str, list[float]] = {name: [] for name in ways}
        for seed, song in enumerate(songs):
            made = planted(song, kind, others, np.random.default_rng(seed))
            if made is None:
                continue
            values_of = {name: float(way(made[0])[made[1]]) for name, way in ways.items()}
            if all(np.isfinite(list(values_of.values()))):
                for name, value in values_of.items():
                    odd[name].append(value)
        cells = (f"{auc(odd[name], plain[name]):.3f}" for name in ways)
        print(f"| {kind} ({len(odd['score'])}) | {' | '.join(cells)} |")
    print(f"\n{time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
