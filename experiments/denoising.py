"""How well a model mends songs: notes are damaged, mended, and compared with what they were.

    python experiments/denoising.py chorale-repair data/chorales
    python experiments/denoising.py melody-repair data/folk --split valid --limit 50 --strength 0.3

Of every damage a tenth of the notes: onset-and-pitch F1 of the damaged song to the true one, of the
mended song, which share of the loss is won back, and which share of the notes that were right is no
longer there. Of clean songs: the share of notes that come back exactly, ticks, velocity and all.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from musicvae.data import Shards, prepare_cached
from musicvae.data.corruption import Ground, corrupt_all
from musicvae.data.split import split as split_songs
from musicvae.model import MusicVAE
from musicvae.representation.bars import Bars, Notes, cells
from musicvae.song import Ints, Song

MIXED = ("wrong", "dropped", "added", "jitter")
ROWS = {
    "displaced by one or two cells": {"jitter": 1.0},
    "dropped": {"dropped": 1.0},
    "added": {"added": 1.0},
    "wrong pitch": {"wrong": 1.0},
    "displaced, dropped, added": {"jitter": 1 / 3, "dropped": 1 / 3, "added": 1 / 3},
    "all four": dict.fromkeys(MIXED, 0.25),
}


def songs_of(folder: str, split: str, limit: int | None) -> list[Bars]:
    """Songs of a split on their stored grid."""
    shards = Shards(prepare_cached(folder))
    place = split_songs(shards.clusters(), 0)
    return [s.bars for s, where in zip(shards, place, strict=True) if where == split][:limit]


def damaged(bars: Bars, amounts: dict[str, float], seed: int) -> Bars:
    """A song with these shares of its notes damaged, on the grid that it is on."""
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
    ground = Ground(
        steps=bars.grid.steps[None],
        lead=bars.grid.lead[None],
        kinds=tuple(kind_of(bars, i) for i in range(len(bars.frame.parts))),
    )
    shares = np.array([list(amounts.values())])
    rows = corrupt_all(rows, ground, tuple(amounts), shares, np.random.default_rng(seed))
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
    """Whether a part is drums, a line, or chords."""
    if bars.frame.parts[part].is_drum:
        return "drums"
    mine = bars.notes.take(bars.notes.part == part)
    start = cells(bars.grid, mine)
    return "voice" if (start[1:] >= (start + mine.duration)[:-1]).all() else "chords"


def keys(bars: Bars) -> Ints:
    """One number for each onset: cell, part and pitch."""
    notes = bars.notes
    where = (cells(bars.grid, notes) * 256 + notes.part) * 128 + notes.pitch
    return np.unique(where)


@dataclass
class Count:
    """Notes found, notes there are, notes there should be."""

    hits: int = 0
    made: int = 0
    true: int = 0
    right: int = 0
    altered: int = 0

    @property
    def f1(self) -> float:
        """Micro average over songs."""
        return 2 * self.hits / max(self.made + self.true, 1)


def exact(song: Song) -> set[tuple[int, ...]]:
    """Every note to the tick."""
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


def measured(
    model: MusicVAE, songs: Sequence[Bars], share: float, strength: float
) -> Iterator[tuple[str, Count, Count]]:
    """For each kind of damage the counts before and after."""
    steps = model.preset.grid.steps_per_quarter
    for name, parts in ROWS.items():
        if not set(parts) <= set(model.preset.training.told):
            continue
        before, after = Count(), Count()
        for seed, song in enumerate(songs):
            bars = song.at(steps)
            heard = damaged(bars, {kind: share * p for kind, p in parts.items()}, seed)
            found = model.denoise(heard.at(24).to_song(), strength=strength)
            mended = Bars.from_song(found.song).at(steps)
            true, noisy, made = keys(bars), keys(heard), keys(mended)
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
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoint")
    parser.add_argument("folder")
    parser.add_argument("--split", default="test")
    parser.add_argument("--limit", type=int, help="songs at most")
    parser.add_argument("--share", type=float, default=0.1, help="of the notes that are damaged")
    parser.add_argument("--strength", type=float, default=0.5)
    parser.add_argument("--json", action="store_true", help="the figures alone, as for a card")
    asked = parser.parse_args()
    model, began = MusicVAE.load(asked.checkpoint), time.monotonic()
    songs = songs_of(asked.folder, asked.split, asked.limit)
    same = notes = new = 0
    for song in songs:
        clean = song.at(model.preset.grid.steps_per_quarter).at(24).to_song()
        was, now = exact(clean), exact(model.denoise(clean, strength=asked.strength).song)
        same, notes, new = same + len(was & now), notes + len(was), new + len(now - was)
    counts = list(measured(model, songs, asked.share, asked.strength))
    figures = {"clean": {"come back exactly": same / notes, "are new": new / notes}} | {
        name: {
            "f1 damaged": before.f1,
            "f1 mended": after.f1,
            "won back": (after.f1 - before.f1) / (1 - before.f1),
            "right notes altered": after.altered / after.right,
        }
        for name, before, after in counts
    }
    if asked.json:
        print(json.dumps({"notes": notes, "songs": len(songs)} | figures))
        return
    print(f"{len(songs)} songs of {asked.folder} ({asked.split}), {notes:,} notes")
    print(f"clean: {same / notes:.2%} of the notes come back exactly, {new / notes:.2%} are new\n")
    print("| damage | F1 damaged | F1 mended | won back | right notes altered |")
    print("|---|---|---|---|---|")
    for name, of in list(figures.items())[1:]:
        damaged, mended, won, altered = of.values()
        print(f"| {name} | {damaged:.3f} | {mended:.3f} | {won:.0%} | {altered:.2%} |")
    print(f"\n{time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
