"""Effect of steering on attributes of held-out songs: the tables of docs/attributes.md.

    python -m experiments.steering melody-2bar data/folk --limit 24
    python -m experiments.steering chorale-4bar data/chorales --limit 12 --json

Each song is steered by each attribute to -2, -1, 1 and 2 standard deviations. An attribute of a
song is its mean over decoded windows, in standard deviations from the decoding without steering.
`rank` is Spearman's correlation of requested and measured changes (with 0), mean over songs; the
matrix has least-squares slopes, mean over songs, of every attribute (columns) for each requested
one (rows); `cross` is the largest other slope of a row divided by its own. Songs whose windows lack
an attribute are ignored for it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from experiments.common import markdown_head, markdown_row, model_parser, spearman
from musicvae.arrays import Floats, group_mean
from musicvae.checkpoints import find
from musicvae.checkpoints.checkpoint import load_tensors, save_tensors
from musicvae.data import WindowDataset
from musicvae.model import MusicVAE
from musicvae.tools.steer import clip_target, hill_climb, require_directions

ASKS = (-2.0, -1.0, 1.0, 2.0)
_MIN_RANK, _MAX_CROSS = 0.9, 0.3


@dataclass(frozen=True, kw_only=True, eq=False)
class Effects:
    """Effects of steering by each of K attributes on all of them."""

    names: tuple[str, ...]
    rank: Floats  # (K,) Spearman's correlation, mean over songs
    song_ranks: Floats  # (K, songs)
    slopes: Floats  # (K, K) rows requested, columns measured
    curves: Floats  # (K, A) measured change for each request, mean over songs
    asks: tuple[float, ...]
    songs: int

    @property
    def cross(self) -> Floats:
        """The largest other slope divided by the attribute's own. `(K,)`"""
        own = np.diag(self.slopes)
        other = np.abs(self.slopes - np.diag(own)).max(1, initial=0.0)
        return np.asarray(other / np.maximum(np.abs(own), 1e-9))

    @property
    def good(self) -> list[str]:
        """Attributes that change monotonically and leave the others unchanged."""
        fine = (self.rank >= _MIN_RANK) & (self.cross < _MAX_CROSS)
        return [name for name, ok in zip(self.names, fine, strict=True) if ok]

    def to_dict(self) -> dict[str, dict[str, float]]:
        """Return the matrix by names, with the rank correlation in each row; rounded."""
        rows = {}
        for nth, name in enumerate(self.names):
            row = dict(zip(self.names, self.slopes[nth].round(3).tolist(), strict=True))
            rows[name] = {"rank": round(float(self.rank[nth]), 3)} | row
        return rows

    def text(self) -> str:
        """Return a table in Markdown."""
        short = [name[:6] for name in self.names]
        lines = [markdown_head(["requested", "rank", "cross", *short, "measured"])]
        for nth, name in enumerate(self.names):
            values = (self.rank[nth], self.cross[nth], *self.slopes[nth])
            curve = " ".join(f"{value:+.2f}" for value in self.curves[nth])
            lines.append(markdown_row([name, *(f"{value:.2f}" for value in values), curve]))
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
    windows = WindowDataset(folder, preset, split=split, hop_bars=size, seed=preset.training.seed)
    return effects_on(model, windows, limit=limit, most=most, asks=asks, rounds=rounds, only=only)


def effects_on(
    model: MusicVAE,
    windows: WindowDataset,
    *,
    limit: int,
    most: int,
    asks: Sequence[float] = ASKS,
    rounds: int | None = None,
    only: Sequence[str] = (),
) -> Effects:
    """`effects` on windows that follow one another."""
    directions, size = require_directions(model), model.preset.grid.bars
    every = np.unique(windows.input_index)
    songs = every[np.linspace(0, len(every) - 1, min(limit, len(every))).astype(np.int64)]
    which = np.flatnonzero(np.isin(windows.input_index, songs) & (windows.first_bar < most * size))
    source, first = windows.input_index[which], windows.first_bar[which]
    z = np.concatenate(
        [model.encode_windows(windows.batcher, int(s), first[source == s])[0] for s in songs]
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
            _, _, after = hill_climb(
                model, windows.batcher, source, first, z, goal, song=song, rounds=rounds
            )
            moved[row, at] = group_mean(after, song, len(songs))
    before = moved[0, 0]
    moved = (moved - moved[:, :1]) / directions.std
    order = np.argsort(everywhere)
    moved, steps = moved[:, order], np.sort(everywhere)
    own = np.stack([moved[row, :, :, k] for row, k in enumerate(nth)])
    ranks = np.full((len(nth), len(songs)), np.nan)
    for row, k in enumerate(nth):
        for s in range(len(songs)):
            goal = np.zeros((len(steps), K))
            goal[:, k] = steps
            there = clip_target(directions, before[s][None], goal)[:, k]
            ranks[row, s] = _rank_correlation(there, own[row, :, s])
    slopes = np.einsum("a,kasj->ksj", steps, moved) / np.sum(steps**2)
    return Effects(
        names=tuple(names[k] for k in nth),
        rank=np.nanmean(ranks, axis=1),
        song_ranks=ranks,
        slopes=np.nanmean(slopes, axis=1)[:, nth],
        curves=np.nanmean(own, axis=2),
        asks=tuple(steps.tolist()),
        songs=len(songs),
    )


def save_effects(path: Path, found: Effects) -> None:
    """Write effects into the provenance of the checkpoint at `path`, for its card."""
    tensors, header = load_tensors(path)
    header["provenance"] = header.get("provenance", {}) | {"effects": found.to_dict()}
    save_tensors(path, tensors, header)


def _rank_correlation(requested: Floats, measured: Floats) -> float:
    """Return Spearman's rank correlation, nan if a measured value is undefined."""
    if not np.isfinite(measured).all():
        return float("nan")
    return spearman(requested, measured, decimals=6)


def main() -> None:
    """Steer songs and print a table."""
    parser = model_parser(__doc__, limit=24)
    parser.add_argument("--windows", type=int, default=16, help="of each song, at most")
    parser.add_argument("--rounds", type=int, help="of the search")
    parser.add_argument("--only", nargs="*", default=(), help="these attributes alone")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--save", action="store_true", help="write them into the checkpoint")
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
    if args.save:
        save_effects(find(args.checkpoint), found)
    if args.json:
        print(json.dumps({"songs": found.songs, "effects": found.to_dict()}))
        return
    print(found.text())
    print(
        f"{len(found.good)} of {len(found.names)} on {found.songs} songs: {', '.join(found.good)}"
    )


if __name__ == "__main__":
    main()
