"""What steering does to attributes, on held-out songs: how monotone, and what else moves.

    python experiments/steering.py melody-2bar data/folk --limit 24
    python experiments/steering.py chorale-4bar data/chorales --limit 12 --json

Each of the songs is steered by each attribute to -2, -1, 1 and 2 standard deviations. An attribute
of a song is its mean over windows of what the decoder gave, in standard deviations from what it
gives without steering. `rank` is Spearman's correlation of what was asked and what became (0 among
them), mean over songs; the matrix has slopes by least squares, mean over songs, of every attribute
(columns) as one is asked for (rows); `cross` is the largest other slope of a row as a share of the
row's own. Songs whose windows lack an attribute do not count for it.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from musicvae.checkpoints import find
from musicvae.checkpoints.checkpoint import load_tensors, save_tensors
from musicvae.data import Windows
from musicvae.latent.directions import Floats
from musicvae.model import MusicVAE
from musicvae.tools.steer import directions_of, searched, within_range

ASKS = (-2.0, -1.0, 1.0, 2.0)
_ENOUGH, _LITTLE = 0.9, 0.3


@dataclass(frozen=True, kw_only=True, eq=False)
class Effects:
    """What steering by each of K attributes does to all of them."""

    names: tuple[str, ...]
    rank: Floats  # (K,) Spearman's correlation, mean over songs
    song_ranks: Floats  # (K, songs)
    slopes: Floats  # (K, K) rows asked, columns moved
    curves: Floats  # (K, A) what became of what was asked, mean over songs
    asks: tuple[float, ...]
    songs: int

    @property
    def cross(self) -> Floats:
        """The largest other slope as a share of the own one. `(K,)`"""
        own = np.diag(self.slopes)
        other = np.abs(self.slopes - np.diag(own)).max(1, initial=0.0)
        return np.asarray(other / np.maximum(np.abs(own), 1e-9))

    @property
    def good(self) -> list[str]:
        """Attributes that move monotonically and take no other along."""
        fine = (self.rank >= _ENOUGH) & (self.cross < _LITTLE)
        return [name for name, ok in zip(self.names, fine, strict=True) if ok]

    def to_dict(self) -> dict[str, dict[str, float]]:
        """The matrix by names, with rank and cross-effect in each row; rounded."""
        rows = {}
        for nth, name in enumerate(self.names):
            row = dict(zip(self.names, self.slopes[nth].round(3).tolist(), strict=True))
            rows[name] = {"rank": round(float(self.rank[nth]), 3)} | row
        return rows

    def text(self) -> str:
        """A table in Markdown."""
        short = [name[:6] for name in self.names]
        lines = ["| asked | rank | cross | " + " | ".join(short) + " | what became |"]
        lines += ["|" + "---|" * (len(short) + 4)]
        for nth, name in enumerate(self.names):
            cells = " | ".join(f"{value:.2f}" for value in self.slopes[nth])
            curve = " ".join(f"{value:+.2f}" for value in self.curves[nth])
            head = f"| {name} | {self.rank[nth]:.2f} | {self.cross[nth]:.2f} |"
            lines.append(f"{head} {cells} | {curve} |")
        return "\n".join(lines)


def effects(
    model: MusicVAE,
    folder: str | Path,
    *,
    split: str = "test",
    limit: int = 24,
    most: int = 16,
    asks: Sequence[float] = ASKS,
    rounds: int | None = None,
    only: Sequence[str] = (),
) -> Effects:
    """Steer up to `limit` songs of a split, the first `most` windows of each, by each attribute."""
    preset = model.preset
    size = preset.grid.bars
    windows = Windows(folder, preset, split=split, hop=size, seed=preset.training.seed)
    return effects_on(model, windows, limit=limit, most=most, asks=asks, rounds=rounds, only=only)


def effects_on(
    model: MusicVAE,
    windows: Windows,
    *,
    limit: int,
    most: int,
    asks: Sequence[float] = ASKS,
    rounds: int | None = None,
    only: Sequence[str] = (),
) -> Effects:
    """`effects` on windows that follow one another."""
    directions, size = directions_of(model), model.preset.grid.bars
    every = np.unique(windows.source)
    songs = every[np.linspace(0, len(every) - 1, min(limit, len(every))).astype(np.int64)]
    which = np.flatnonzero(np.isin(windows.source, songs) & (windows.first < most * size))
    source, first = windows.source[which], windows.first[which]
    z = np.concatenate(
        [model.posterior(windows.cutter, int(s), first[source == s])[0] for s in songs]
    )
    n, K, names = len(which), len(directions.names), directions.names
    nth = [k for k in range(K) if not only or names[k] in only]
    moved = np.full((len(nth), len(asks) + 1, len(songs), K), np.nan)
    song = np.searchsorted(songs, source)
    everywhere = [0.0, *asks]
    for row, k in enumerate(nth):
        for at, ask in enumerate(everywhere):
            goal = np.zeros((n, K))
            goal[:, k] = ask
            _, _, after = searched(
                model, windows.cutter, source, first, z, goal, song=song, rounds=rounds
            )
            moved[row, at] = _by_song(after, song, len(songs))
    before = moved[0, 0]
    moved = (moved - moved[:, :1]) / directions.std
    order = np.argsort(everywhere)
    moved, at = moved[:, order], np.sort(everywhere)
    own = np.stack([moved[row, :, :, k] for row, k in enumerate(nth)])
    ranks = np.full((len(nth), len(songs)), np.nan)
    for row, k in enumerate(nth):
        for s in range(len(songs)):
            goal = np.zeros((len(at), K))
            goal[:, k] = at
            there = within_range(directions, before[s][None], goal)[:, k]
            ranks[row, s] = _spearman(there, own[row, :, s])
    slopes = np.einsum("a,kasj->ksj", at, moved) / np.sum(at**2)
    return Effects(
        names=tuple(names[k] for k in nth),
        rank=np.nanmean(ranks, axis=1),
        song_ranks=ranks,
        slopes=np.nanmean(slopes, axis=1)[:, nth],
        curves=np.nanmean(own, axis=2),
        asks=tuple(at.tolist()),
        songs=len(songs),
    )


def add_effects(path: Path, folder: str | Path, *, limit: int) -> Effects:
    """Measure effects, and write them into the checkpoint at `path`."""
    found = effects(MusicVAE.load(path), folder, limit=limit)
    tensors, header = load_tensors(path)
    header["provenance"] = header.get("provenance", {}) | {"effects": found.to_dict()}
    save_tensors(path, tensors, header)
    return found


def _by_song(values: Floats, song: np.ndarray, n: int) -> Floats:
    there = np.isfinite(values)
    total, count = np.zeros((2, n, values.shape[1]))
    np.add.at(total, song, np.where(there, values, 0))
    np.add.at(count, song, there)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _spearman(asked: Floats, became: Floats) -> float:
    """Spearman's rank correlation, equal values sharing their ranks; nan where one is unknown."""
    if not np.isfinite(became).all():
        return float("nan")
    ranks = []
    for values in (asked, np.round(became, 6)):
        _, place, count = np.unique(values, return_inverse=True, return_counts=True)
        ranks.append((np.cumsum(count) - (count - 1) / 2)[place])
    if np.std(ranks[1]) == 0:
        return 0.0
    return float(np.corrcoef(*ranks)[0, 1])


def main() -> None:
    """Read the options, steer, print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("checkpoint", help="its name, folder or file")
    parser.add_argument("folder", help="the songs it was trained on; those held out are steered")
    parser.add_argument("--split", default="test", choices=("test", "valid", "all"))
    parser.add_argument("--limit", type=int, default=24, help="songs")
    parser.add_argument("--windows", type=int, default=16, help="of each song, at most")
    parser.add_argument("--rounds", type=int, help="of the search")
    parser.add_argument("--only", nargs="*", default=(), help="these attributes alone")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    found = effects(
        MusicVAE.load(find(args.checkpoint)),
        args.folder,
        split=args.split,
        limit=args.limit,
        most=args.windows,
        rounds=args.rounds,
        only=args.only,
    )
    if args.json:
        print(json.dumps({"songs": found.songs, "effects": found.to_dict()}))
        return
    print(found.text())
    print(
        f"{len(found.good)} of {len(found.names)} on {found.songs} songs: {', '.join(found.good)}"
    )


if __name__ == "__main__":
    main()
