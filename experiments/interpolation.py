#!/usr/bin/env python3
"""How good the way between two songs is, on pairs of held-out songs: the figures of
docs/interpolation.md.

    python experiments/interpolation.py melody-2bar data/folk --pairs 200
    python experiments/interpolation.py chorale-4bar data/chorales --pairs 200 --align

The folder is what the model learned from, divided as it was in training; pairs are drawn from the
split asked for. Prints a table, and everything as JSON with --json.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from musicvae import MusicVAE, Song
from musicvae.config.preset import Preset
from musicvae.data import Shards, prepare_cached
from musicvae.data.batch import WindowCutter, sources_of
from musicvae.data.split import split as split_songs
from musicvae.latent.bar_edits import copied, in_key
from musicvae.metrics.features import features
from musicvae.metrics.overlap import overlapping_area
from musicvae.metrics.reconstruction import note_cells, note_distance
from musicvae.networks.vae import rows_of
from musicvae.representation.bars import Bars
from musicvae.representation.note_table import Table

Floats = NDArray[np.float64]


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoint")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--pairs", type=int, default=200)
    parser.add_argument("--steps", type=int, default=11)
    parser.add_argument("--split", default="test")
    parser.add_argument("--how", default="slerp")
    parser.add_argument("--align", action="store_true")
    parser.add_argument("--like")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    torch.set_num_threads(1)
    model = MusicVAE.load(args.checkpoint)
    songs = held_out(model, args.folder, args.split)
    pairs = drawn(len(songs), args.pairs, args.seed)
    begin = time.time()
    t = np.linspace(0, 1, args.steps)
    ranks, equal, ends, middles, faded = [], [], [], [], []
    for done, (i, j) in enumerate(pairs, start=1):
        a, b = songs[i], songs[j]
        way = {"how": args.how, "align": args.align, "like": args.like}
        made = model.interpolate(a, b, steps=args.steps, **way)
        one, other = model.reconstruct(a), model.reconstruct(b)
        equal.append(made[0] == one and made[-1] == other)
        ranks.append([*monotone(made, t, by_bar=True), *monotone(made, t, by_bar=False)])
        ends += [one, other]
        middles.append(made[args.steps // 2])
        faded.append(crossfaded(model, a, b))
        if done % 20 == 0:
            print(f"{done} pairs, {time.time() - begin:.0f} s", file=sys.stderr)
    chosen = sorted({k for pair in pairs for k in pair})
    data = table([songs[k] for k in chosen], model.preset)
    sets = {name: table(each, model.preset) for name, each in
            (("ends", ends), ("middle", middles), ("crossfade", faded))}  # fmt: skip
    found = {
        "checkpoint": args.checkpoint,
        "pairs": len(pairs),
        "songs": len(chosen),
        "ends_equal": float(np.mean(equal)),
    }
    names = ("spearman_a", "spearman_b", "spearman_a_by_step", "spearman_b_by_step")
    found |= dict(zip(names, np.mean(ranks, axis=0).tolist(), strict=True))
    for kind, shared in (("", False), ("_shared", True)):
        each = {name: overlaps(some, data, shared) for name, some in sets.items()}
        mean = {name: float(np.mean(list(values.values()))) for name, values in each.items()}
        found |= {f"overlap{kind}": each}
        found |= {f"overlap_{name}{kind}": value for name, value in mean.items()}
        for name in ("middle", "crossfade"):
            found[f"share_{name}{kind}"] = mean[name] / mean["ends"]
    if args.json:
        print(json.dumps(found))
        return
    for name, value in found.items():
        if isinstance(value, dict):
            for feature in value["ends"]:
                row = "  ".join(f"{n} {value[n][feature]:.3f}" for n in value)
                print(f"  {feature:22} {row}")
        else:
            print(f"{name:18} {value if isinstance(value, str | int) else round(value, 4)}")


def held_out(model: MusicVAE, folder: Path, split: str) -> list[Song]:
    """The songs of a split that the model has something to say of."""
    shards = Shards(prepare_cached(folder))
    place = split_songs(shards.clusters(), model.preset.training.seed)
    bars = [song.bars for song, where in zip(shards, place, strict=True) if where == split]
    return [each.to_song() for each in bars if sources_of(each, model.preset)[0]]


def drawn(n: int, pairs: int, seed: int) -> list[tuple[int, int]]:
    """Pairs of different songs, each song about as often as any other."""
    rng = np.random.default_rng(seed)
    order = np.concatenate([rng.permutation(n) for _ in range(-(-2 * pairs // n) + 1)])
    found = [(int(i), int(j)) for i, j in order[: 2 * (len(order) // 2)].reshape(-1, 2) if i != j]
    return found[:pairs]


def crossfaded(model: MusicVAE, a: Song, b: Song) -> Song:
    """Both songs at once, as in the middle of a fade: `b` in the key of `a`, bar upon bar."""
    one, other = model.encode(a), model.encode(b)
    index = np.arange(len(one.bars)) % len(other.bars)
    parts = list(a.parts)
    for nth, part in enumerate(b.parts):
        moved = in_key(copied(part, other.bars, index, one.bars), one.key - other.key)
        if nth < len(parts):
            parts[nth] = parts[nth].with_others(moved)
        else:
            parts.append(moved)
    return replace(a, parts=tuple(parts))


def table(songs: list[Song], preset: Preset) -> Table:
    """All windows of songs on a preset's grid. Parts may hold chords, so that nothing is lost."""
    open_ = replace(preset, parts=tuple(replace(part, kind="chords") for part in preset.parts))
    found = []
    for nth, song in enumerate(songs):
        sources, _ = sources_of(Bars.from_song(song), open_)
        cutter = WindowCutter(sources[:1], open_)
        source, first, _ = cutter.windows(preset.grid.bars)
        if not len(first):
            continue
        batch = cutter.batch(source, first)
        found.append(
            Table(
                rows=rows_of(batch),
                steps=batch.steps.numpy(),
                lead=batch.lead.numpy(),
                meter=batch.meter.numpy(),
                present=batch.present.numpy(),
                song=np.full(len(first), nth),
                qpm=np.full(len(first), 100.0),
                kinds=tuple(part.kind for part in open_.parts),
                steps_per_quarter=preset.grid.steps_per_quarter,
            )
        )
    return Table.concatenate(found)


def monotone(made: list[Song], t: Floats, *, by_bar: bool) -> tuple[float, float]:
    """Spearman of the place on the way with the distance to A, and of the way left with that to B.

    Steps are counted from each bar line, or from the beginning.
    """
    cells = [note_cells(song, by_bar=by_bar) for song in made]
    from_a = np.array([note_distance(each, cells[0]) for each in cells])
    from_b = np.array([note_distance(each, cells[-1]) for each in cells])
    return spearman(t, from_a), spearman(1 - t, from_b)


def overlaps(some: Table, data: Table, shared: bool) -> dict[str, float]:
    """Of each feature that varies in the data the overlapping area; `shared` as there."""
    one, real = features(some), features(data)
    return {
        name: overlapping_area(real[name], one[name], shared=shared)
        for name in real
        if np.isfinite(real[name]).any() and np.nanstd(real[name]) > 1e-9
    }


def spearman(x: Floats, y: Floats) -> float:
    """Spearman's rank correlation; ties have the mean of their ranks. 0 where nothing moves."""
    a, b = (ranked(values) for values in (x, y))
    if not a.std() or not b.std():
        return 0.0
    return float(np.corrcoef(a, b)[0, 1])


def ranked(values: Floats) -> Floats:
    """The rank of each value; of equal ones the mean."""
    _, nth, count = np.unique(np.round(values, 9), return_inverse=True, return_counts=True)
    return (np.cumsum(count) - (count - 1) / 2)[nth]


if __name__ == "__main__":
    main()
