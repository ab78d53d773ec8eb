"""Quality of interpolations between pairs of held-out songs: the figures of docs/interpolation.md.

    python -m experiments.interpolation melody-2bar data/folk --pairs 200
    python -m experiments.interpolation chorale-4bar data/chorales --pairs 200 --align

The folder is the training data of the model, split as in training. Prints a table, or everything as
JSON with --json.
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import replace

import numpy as np
import torch

from experiments.common import model_parser, representable_songs, spearman
from experiments.distances import note_distance, onset_cells
from musicvae import MusicVAE, Song
from musicvae.arrays import Floats
from musicvae.config.preset import Preset
from musicvae.data.batch import WindowBatcher, model_inputs
from musicvae.latent.bar_edits import copy_notes, transpose_part
from musicvae.metrics.features import window_features
from musicvae.metrics.overlap import overlapping_area
from musicvae.networks.vae import to_note_rows
from musicvae.representation.bars import Bars
from musicvae.representation.note_table import NoteTable


def main() -> None:
    """Interpolate pairs, print metrics."""
    parser = model_parser(__doc__)
    parser.add_argument("--pairs", type=int, default=200)
    parser.add_argument("--steps", type=int, default=11)
    parser.add_argument("--how", default="slerp")
    parser.add_argument("--align", action="store_true")
    parser.add_argument("--like")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    torch.set_num_threads(1)
    model = MusicVAE.load(args.checkpoint)
    songs = representable_songs(model, args.folder, args.split)
    pairs = draw_pairs(len(songs), args.pairs, args.seed)
    begin = time.time()
    t = np.linspace(0, 1, args.steps)
    ranks, equal, ends, middles, faded = [], [], [], [], []
    for done, (i, j) in enumerate(pairs, start=1):
        a, b = songs[i], songs[j]
        way = {"how": args.how, "align": args.align, "like": args.like}
        made = model.interpolate(a, b, steps=args.steps, **way)
        one, other = model.reconstruct(a), model.reconstruct(b)
        equal.append(made[0] == one and made[-1] == other)
        ranks.append([*monotonicity(made, t, by_bar=True), *monotonicity(made, t, by_bar=False)])
        ends += [one, other]
        middles.append(made[args.steps // 2])
        faded.append(crossfade(model, a, b))
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


def draw_pairs(n: int, pairs: int, seed: int) -> list[tuple[int, int]]:
    """Return pairs of different songs, with each song about equally often."""
    rng = np.random.default_rng(seed)
    order = np.concatenate([rng.permutation(n) for _ in range(-(-2 * pairs // n) + 1)])
    found = [(int(i), int(j)) for i, j in order[: 2 * (len(order) // 2)].reshape(-1, 2) if i != j]
    return found[:pairs]


def crossfade(model: MusicVAE, a: Song, b: Song) -> Song:
    """Return both songs at once, `b` in the key of `a`, as in the middle of a crossfade."""
    one, other = model.encode(a), model.encode(b)
    index = np.arange(len(one.bars)) % len(other.bars)
    parts = list(a.parts)
    for nth, part in enumerate(b.parts):
        copy = copy_notes(part, other.bars, index, one.bars)
        moved = transpose_part(copy, one.key - other.key)
        if nth < len(parts):
            parts[nth] = parts[nth].overlay(moved)
        else:
            parts.append(moved)
    return replace(a, parts=tuple(parts))


def table(songs: list[Song], preset: Preset) -> NoteTable:
    """Return all windows of songs on the grid of a preset, all parts polyphonic."""
    open_ = replace(preset, parts=tuple(replace(part, kind="chords") for part in preset.parts))
    found = []
    for nth, song in enumerate(songs):
        sources, _ = model_inputs(Bars.from_song(song), open_)
        cutter = WindowBatcher(sources[:1], open_)
        source, first, _ = cutter.window_starts(preset.grid.bars)
        if not len(first):
            continue
        batch = cutter.batch(source, first)
        found.append(
            NoteTable(
                rows=to_note_rows(batch),
                steps=batch.steps.numpy(),
                lead_steps=batch.lead_steps.numpy(),
                meter=batch.meter.numpy(),
                present=batch.present.numpy(),
                song=np.full(len(first), nth),
                qpm=np.full(len(first), 100.0),
                part_kinds=tuple(part.kind for part in open_.parts),
                steps_per_quarter=preset.grid.steps_per_quarter,
            )
        )
    return NoteTable.concatenate(found)


def monotonicity(made: list[Song], t: Floats, *, by_bar: bool) -> tuple[float, float]:
    """Return the rank correlations of `t` with the distance to A, and of `1 - t` with that to B.

    Steps count from each bar line, or from the beginning of the song.
    """
    cells = [onset_cells(song, by_bar=by_bar) for song in made]
    from_a = np.array([note_distance(each, cells[0]) for each in cells])
    from_b = np.array([note_distance(each, cells[-1]) for each in cells])
    return spearman(t, from_a), spearman(1 - t, from_b)


def overlaps(some: NoteTable, data: NoteTable, shared: bool) -> dict[str, float]:
    """Return the overlapping area of each feature that varies in the data."""
    one, real = window_features(some), window_features(data)
    return {
        name: overlapping_area(real[name], one[name], shared=shared)
        for name in real
        if np.isfinite(real[name]).any() and np.nanstd(real[name]) > 1e-9
    }


if __name__ == "__main__":
    main()
