"""Seams between windows, with and without overlap: the table of docs/interpolation.md.

    python -m experiments.seams chorale-4bar data/chorales
    python -m experiments.seams song-4bar data/scores --limit 12

Songs of a split are reconstructed with adjacent windows, and with overlapping ones of which only
the middle bars are kept. Reported: F1 of all notes, of those in the first quarter of each bar, of
those in the first quarter after a seam between adjacent windows, and of ties across such seams.
"""

from __future__ import annotations

from collections import Counter

import numpy as np
import torch

from experiments.common import evenly_spaced, model_parser, split_bars
from musicvae import MusicVAE
from musicvae.arrays import Ints
from musicvae.data.batch import WindowBatcher, fits_preset, model_inputs
from musicvae.representation.bars import Notes, cell_index
from musicvae.representation.grid import Grid
from musicvae.representation.note_table import BAR, DURATION, PART, POSITION, WINDOW
from musicvae.representation.windows import CARRY, WindowNotes, join_windows, window_bounds

_COLUMNS = ("window", "bar", "position", "part", "pitch", "duration", "velocity", "timing")


def main() -> None:
    """Reconstruct songs with each hop, print F1."""
    args = model_parser(__doc__, split="valid", limit=60).parse_args()
    torch.set_num_threads(1)
    model = MusicVAE.load(args.checkpoint)
    size = model.preset.grid.bars
    songs = split_bars(args.folder, args.split, seed=model.preset.training.seed)
    songs = evenly_spaced(songs, args.limit)
    hops = [(size, 0), *dict.fromkeys(((size // 2, size // 4), (1, size // 2)))]
    for hop, skip in hops:
        score = Counter[str]()
        for bars in songs:
            for source in model_inputs(bars, model.preset)[0]:
                grid, N = source.bars.grid, len(source.bars)
                if not fits_preset(grid, np.zeros(1, int), np.full(1, N), model.preset)[0]:
                    continue
                cutter = WindowBatcher([source], model.preset)
                made = reconstruct(model, cutter, grid, hop, skip)
                true = source.model_pass.notes
                drums = np.array([p.kind == "drums" for p in model.preset.parts])
                moved = np.where(drums[true.part], 0, source.key)
                true = Notes(**{**vars(true), "pitch": true.pitch - moved})
                score.update(count_matches(made, true, grid, size))
        scores = {name: f1(score, name) for name in ("all", "bar lines", "seams", "ties")}
        words = ", ".join(f"{name} {value:.4f}" for name, value in scores.items())
        print(f"hop {hop}, taken from bar {skip}: {words} ({score['ties true']} ties)")


def reconstruct(model: MusicVAE, cutter: WindowBatcher, grid: Grid, hop: int, skip: int) -> Notes:
    """Return reconstructed notes over the whole grid, in the common key.

    Windows begin every `hop` bars. Of each one, `hop` bars from bar `skip` on are kept; of the
    first window also the bars before, of the last one those after.
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
    mu, _ = model.encode_windows(cutter, 0, first)
    rows = model.decode_windows(cutter, np.zeros(len(first), np.int64), first, mu)
    voice = np.array([part.kind == "voice" for part in model.preset.parts])
    rows = crop(rows, grid, first, begin, end, voice)
    found = WindowNotes.sorted(**dict(zip(_COLUMNS, rows.T, strict=True)))
    return join_windows(found, grid, begin, end)[0]


def crop(rows: Ints, grid: Grid, first: Ints, begin: Ints, end: Ints, voice: Ints) -> Ints:
    """Return rows of windows that begin at bar `first`, cropped to bars `begin` to `end`.

    Notes that sound across `begin` become carry-ins.
    """
    bar = first[rows[:, WINDOW]] + rows[:, BAR]
    rows, bar = rows[bar < len(grid)], bar[bar < len(grid)]
    window, position = rows[:, WINDOW], rows[:, POSITION]
    start = grid.cell_offsets[bar] + np.maximum(position - 1 - grid.lead_steps[bar], 0)
    start = np.where(
        position == CARRY, grid.cell_offsets[bar], np.minimum(start, grid.cell_offsets[bar + 1] - 1)
    )
    stop = start + rows[:, DURATION]
    order = np.lexsort((start, rows[:, PART], window))
    line = (window * len(voice) + rows[:, PART])[order]
    follows = (np.diff(line) == 0) & (np.diff(start[order]) > 0) & voice[rows[order][:-1, PART]]
    cut = order[:-1][follows]
    stop[cut] = np.minimum(stop[cut], start[order][1:][follows])
    from_, to = grid.cell_offsets[begin[window]], grid.cell_offsets[end[window]]
    carried = (start < from_) | ((position == CARRY) & (bar == begin[window]))
    made = rows.copy()
    made[:, BAR] = np.where(carried, 0, bar - begin[window])
    made[:, POSITION] = np.where(carried, CARRY, position)
    made[:, DURATION] = stop - np.maximum(start, from_)
    return made[(stop > from_) & (start < to)]


def count_matches(made: Notes, true: Notes, grid: Grid, size: int) -> Counter[str]:
    """Return the numbers of predicted, true and matching notes and ties."""
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
        start = cell_index(grid, notes)
        ties = set()
        for seam in range(size, len(grid), size):
            over = (start < grid.cell_offsets[seam]) & (
                start + notes.duration > grid.cell_offsets[seam]
            )
            lines = zip(notes.part[over].tolist(), notes.pitch[over].tolist(), strict=True)
            ties |= {(seam, *line) for line in lines}
        sets.setdefault("ties", []).append(ties)
    for name, (one, other) in sets.items():
        found[f"{name} made"], found[f"{name} true"] = len(one), len(other)
        found[f"{name} both"] = len(one & other)
    return found


def f1(score: Counter[str], name: str) -> float:
    """Return the F1 from counts."""
    return 2 * score[f"{name} both"] / max(score[f"{name} made"] + score[f"{name} true"], 1)


if __name__ == "__main__":
    main()
