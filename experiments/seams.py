#!/usr/bin/env python3
"""Whether windows that overlap remove seams: the table of docs/interpolation.md.

    python experiments/seams.py chorale-4bar data/chorales
    python experiments/seams.py song-4bar data/scores --limit 12

Songs of a split go through the model window after window, and with windows that hop less than a
window, of which only bars from the middle are taken. Scored: F1 of all notes, of those in the first
quarter of each bar, of those in the first quarter after a seam between plain windows, and of ties
across such seams.
"""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path

import numpy as np
import torch

from musicvae import MusicVAE
from musicvae.data import Shards, prepare_cached
from musicvae.data.batch import WindowCutter, fitting, sources_of
from musicvae.data.split import split as split_songs
from musicvae.representation.bars import Notes, cells
from musicvae.representation.grid import Grid
from musicvae.representation.note_table import BAR, DURATION, PART, POSITION, WINDOW
from musicvae.representation.windows import CARRY, WindowNotes, join, window_bounds
from musicvae.song import Ints

_COLUMNS = ("window", "bar", "position", "part", "pitch", "duration", "velocity", "timing")


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoint")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--limit", type=int, default=60)
    parser.add_argument("--split", default="valid")
    args = parser.parse_args()
    torch.set_num_threads(1)
    model = MusicVAE.load(args.checkpoint)
    size = model.preset.grid.bars
    shards = Shards(prepare_cached(args.folder))
    place = split_songs(shards.clusters(), model.preset.training.seed)
    chosen = [s for s, where in zip(shards, place, strict=True) if where == args.split]
    which = np.linspace(0, len(chosen) - 1, min(args.limit, len(chosen))).astype(int)
    hops = [(size, 0), *dict.fromkeys(((size // 2, size // 4), (1, size // 2)))]
    for hop, skip in hops:
        score = Counter[str]()
        for i in which:
            for source in sources_of(chosen[i].bars, model.preset)[0]:
                grid, N = source.bars.grid, len(source.bars)
                if not fitting(grid, np.zeros(1, int), np.full(1, N), model.preset)[0]:
                    continue
                cutter = WindowCutter([source], model.preset)
                made = reconstructed(model, cutter, grid, hop, skip)
                true = source.group.notes
                drums = np.array([p.kind == "drums" for p in model.preset.parts])
                moved = np.where(drums[true.part], 0, source.key)
                true = Notes(**{**vars(true), "pitch": true.pitch - moved})
                score.update(scored(made, true, grid, size))
        told = {name: f1(score, name) for name in ("all", "bar lines", "seams", "ties")}
        words = ", ".join(f"{name} {value:.4f}" for name, value in told.items())
        print(f"hop {hop}, taken from bar {skip}: {words} ({score['ties true']} ties)")


def reconstructed(model: MusicVAE, cutter: WindowCutter, grid: Grid, hop: int, skip: int) -> Notes:
    """Notes over the whole grid, pitches without their key, from windows that hop so many bars.

    Of each window `hop` bars from `skip` on are taken; of the first also those before, of the last
    those after.
    """
    size, N = model.preset.grid.bars, len(grid)
    if hop == size or size >= N:
        first, _ = window_bounds(N, size, size)
        begin, end = first, np.minimum(first + size, N)
    else:
        first = np.unique(np.minimum(np.arange(0, N - size + hop, hop), N - size))
        begin = first + skip
        begin[0] = 0
        end = np.append(begin[1:], N)
    mu, _ = model.posterior(cutter, 0, first)
    rows = model.decoded(cutter, np.zeros(len(first), np.int64), first, mu)
    voice = np.array([part.kind == "voice" for part in model.preset.parts])
    rows = cropped(rows, grid, first, begin, end, voice)
    found = WindowNotes.sorted(**dict(zip(_COLUMNS, rows.T, strict=True)))
    return join(found, grid, begin, end)[0]


def cropped(rows: Ints, grid: Grid, first: Ints, begin: Ints, end: Ints, voice: Ints) -> Ints:
    """Rows of windows from bar `first` on, within bars `begin` to `end` of the song; what sounds
    as these begin is carried in.
    """
    bar = first[rows[:, WINDOW]] + rows[:, BAR]
    rows, bar = rows[bar < len(grid)], bar[bar < len(grid)]
    window, position = rows[:, WINDOW], rows[:, POSITION]
    start = grid.base[bar] + np.maximum(position - 1 - grid.lead[bar], 0)
    start = np.where(position == CARRY, grid.base[bar], np.minimum(start, grid.base[bar + 1] - 1))
    stop = start + rows[:, DURATION]
    order = np.lexsort((start, rows[:, PART], window))
    line = (window * len(voice) + rows[:, PART])[order]
    follows = (np.diff(line) == 0) & (np.diff(start[order]) > 0) & voice[rows[order][:-1, PART]]
    cut = order[:-1][follows]
    stop[cut] = np.minimum(stop[cut], start[order][1:][follows])
    from_, to = grid.base[begin[window]], grid.base[end[window]]
    carried = (start < from_) | ((position == CARRY) & (bar == begin[window]))
    made = rows.copy()
    made[:, BAR] = np.where(carried, 0, bar - begin[window])
    made[:, POSITION] = np.where(carried, CARRY, position)
    made[:, DURATION] = stop - np.maximum(start, from_)
    return made[(stop > from_) & (start < to)]


def scored(made: Notes, true: Notes, grid: Grid, size: int) -> Counter[str]:
    """How many notes and ties are made, true and both."""
    quarter = grid.steps_per_quarter
    found = Counter[str]()
    sets: dict[str, list[set[tuple[int, ...]]]] = {}
    for notes in (made, true):
        columns = (notes.bar, notes.step, notes.part, notes.pitch)
        early = (notes.bar > 0) & (notes.step < quarter)
        kinds = {
            "all": np.ones(len(notes), bool),
            "bar lines": early,
            "seams": early & (notes.bar % size == 0),
        }
        for name, mask in kinds.items():
            these = zip(*(column[mask].tolist() for column in columns), strict=True)
            sets.setdefault(name, []).append(set(these))
        start = cells(grid, notes)
        ties = set()
        for seam in range(size, len(grid), size):
            over = (start < grid.base[seam]) & (start + notes.duration > grid.base[seam])
            lines = zip(notes.part[over].tolist(), notes.pitch[over].tolist(), strict=True)
            ties |= {(seam, *line) for line in lines}
        sets.setdefault("ties", []).append(ties)
    for name, (one, other) in sets.items():
        found[f"{name} made"], found[f"{name} true"] = len(one), len(other)
        found[f"{name} both"] = len(one & other)
    return found


def f1(score: Counter[str], name: str) -> float:
    """F1 of what was counted."""
    return 2 * score[f"{name} both"] / max(score[f"{name} made"] + score[f"{name} true"], 1)


if __name__ == "__main__":
    main()
