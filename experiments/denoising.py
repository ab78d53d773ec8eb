"""Denoising of corrupted songs: the tables of docs/denoise.md and of model cards.

    python -m experiments.denoising chorale-repair data/chorales
    python -m experiments.denoising melody-repair data/folk --split valid --limit 50 --strength 0.3

For each kind of corruption of a tenth of the notes: onset-and-pitch F1 of the corrupted and of the
denoised song, the share of the loss recovered, and the share of correct notes that were altered.
For clean songs: the share of notes that come back exactly, including ticks and velocity.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from experiments.common import markdown_head, markdown_row, model_parser, split_bars
from musicvae.arrays import Ints
from musicvae.data.corruption import WindowGrid, apply_corruptions
from musicvae.model import MusicVAE
from musicvae.representation.bars import Bars, Notes, cell_index
from musicvae.song import Song

MIXED = ("pitch_substitution", "deletion", "insertion", "onset_jitter")
ROWS = {
    "displaced by one or two cells": {"onset_jitter": 1.0},
    "dropped": {"deletion": 1.0},
    "added": {"insertion": 1.0},
    "wrong pitch": {"pitch_substitution": 1.0},
    "displaced, dropped, added": {"onset_jitter": 1 / 3, "deletion": 1 / 3, "insertion": 1 / 3},
    "all four": dict.fromkeys(MIXED, 0.25),
}


def corrupt_song(bars: Bars, amounts: dict[str, float], seed: int) -> Bars:
    """Return a song with these shares of its notes corrupted, on its own grid."""
    notes = bars.notes
    rows = np.stack(
        [
            np.zeros_like(notes.bar),
            notes.bar,
            notes.step + 1,
            notes.part,
            notes.pitch,
            notes.duration,
            notes.velocity,
            notes.timing,
        ],
        axis=1,
    )
    grid = WindowGrid(
        steps=bars.grid.steps[None],
        lead_steps=bars.grid.lead_steps[None],
        kinds=tuple(kind_of(bars, i) for i in range(len(bars.header.parts))),
    )
    shares = np.array([list(amounts.values())])
    rows = apply_corruptions(rows, grid, tuple(amounts), shares, np.random.default_rng(seed))
    _, bar, position, part, pitch, duration, velocity, timing = rows.T
    made = Notes.sorted(
        bar=bar,
        step=position - 1,
        part=part,
        pitch=pitch,
        duration=duration,
        velocity=velocity,
        timing=timing,
    )
    return replace(bars, notes=made)


def kind_of(bars: Bars, part: int) -> str:
    """Return whether a part is `drums`, `voice` or `chords`."""
    if bars.header.parts[part].is_drum:
        return "drums"
    mine = bars.notes.select(bars.notes.part == part)
    start = cell_index(bars.grid, mine)
    return "voice" if (start[1:] >= (start + mine.duration)[:-1]).all() else "chords"


def onset_keys(bars: Bars) -> Ints:
    """Return a number for each onset from cell, part and pitch. `(M,)`"""
    notes = bars.notes
    where = (cell_index(bars.grid, notes) * 256 + notes.part) * 128 + notes.pitch
    return np.unique(where)


@dataclass
class Counts:
    """Matched, predicted and true notes; correct notes of the input, and how many were altered."""

    hits: int = 0
    made: int = 0
    true: int = 0
    right: int = 0
    altered: int = 0

    @property
    def f1(self) -> float:
        """Micro average over songs."""
        return 2 * self.hits / max(self.made + self.true, 1)


def exact_notes(song: Song) -> set[tuple[int, ...]]:
    """Return part, ticks, pitch and velocity of every note."""
    return {
        (i, *note)
        for i, part in enumerate(song.parts)
        for note in zip(
            part.onset_ticks.tolist(),
            part.duration_ticks.tolist(),
            part.pitch.tolist(),
            part.velocity.tolist(),
            strict=True,
        )
    }


def denoising_counts(
    model: MusicVAE, songs: Sequence[Bars], share: float, strength: float
) -> Iterator[tuple[str, Counts, Counts]]:
    """Yield the counts before and after denoising for each kind of corruption."""
    steps = model.preset.grid.steps_per_quarter
    for name, parts in ROWS.items():
        if not set(parts) <= set(model.preset.training.condition_kinds):
            continue
        before, after = Counts(), Counts()
        for seed, song in enumerate(songs):
            bars = song.at(steps)
            corrupted = corrupt_song(bars, {kind: share * p for kind, p in parts.items()}, seed)
            found = model.denoise(corrupted.at(24).to_song(), strength=strength)
            denoised = Bars.from_song(found.song).at(steps)
            true, noisy, made = onset_keys(bars), onset_keys(corrupted), onset_keys(denoised)
            right = np.intersect1d(true, noisy)
            for count, mine in ((before, noisy), (after, made)):
                count.hits += len(np.intersect1d(true, mine))
                count.made += len(mine)
                count.true += len(true)
            after.right += len(right)
            after.altered += len(np.setdiff1d(right, made))
        yield name, before, after


def main() -> None:
    """Measure and print a table."""
    parser = model_parser(__doc__)
    parser.add_argument("--share", type=float, default=0.1, help="of the notes that are corrupted")
    parser.add_argument("--strength", type=float, default=0.5)
    parser.add_argument("--json", action="store_true", help="print JSON, as stored in a checkpoint")
    args = parser.parse_args()
    model, began = MusicVAE.load(args.checkpoint), time.monotonic()
    songs = split_bars(args.folder, args.split)[: args.limit]
    same = notes = new = 0
    for song in songs:
        clean = song.at(model.preset.grid.steps_per_quarter).at(24).to_song()
        was, now = (
            exact_notes(clean),
            exact_notes(model.denoise(clean, strength=args.strength).song),
        )
        same, notes, new = same + len(was & now), notes + len(was), new + len(now - was)
    exact, added = same / notes, new / notes
    counts = list(denoising_counts(model, songs, args.share, args.strength))
    figures = {"clean": {"reproduced exactly": exact, "new": added}} | {
        name: {
            "f1 corrupted": before.f1,
            "f1 denoised": after.f1,
            "recovered": (after.f1 - before.f1) / (1 - before.f1),
            "correct notes altered": after.altered / after.right,
        }
        for name, before, after in counts
    }
    if args.json:
        print(json.dumps({"notes": notes, "songs": len(songs)} | figures))
        return
    print(f"{len(songs)} songs of {args.folder} ({args.split}), {notes:,} notes")
    print(f"clean: {exact:.2%} of the notes are reproduced exactly, {added:.2%} are new\n")
    head = ("corruption", "F1 corrupted", "F1 denoised", "recovered", "correct notes altered")
    print(markdown_head(head))
    for name, values in list(figures.items())[1:]:
        corrupted, denoised, recovered, altered = values.values()
        cells = (f"{corrupted:.3f}", f"{denoised:.3f}", f"{recovered:.0%}", f"{altered:.2%}")
        print(markdown_row([name, *cells]))
    print(f"\n{time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
