"""Command lines, songs of a split, rank correlation and Markdown tables, shared by experiments."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
from scipy.stats import rankdata

from musicvae import MusicVAE, Song
from musicvae.arrays import Floats
from musicvae.data import Shards, prepare_cached
from musicvae.data.batch import model_inputs
from musicvae.data.split import split_shards
from musicvae.representation.bars import Bars

_T = TypeVar("_T")


def model_parser(
    doc: str | None,
    *,
    split: str = "test",
    limit: int | None = None,
    experiments: Sequence[str] = (),
) -> argparse.ArgumentParser:
    """Return a parser for [EXPERIMENT] CHECKPOINT FOLDER [--split] [--limit].

    `doc`: docstring of the script; `experiments`: choices of EXPERIMENT.
    """
    parser = argparse.ArgumentParser(description=(doc or "").splitlines()[0])
    if experiments:
        parser.add_argument("experiment", choices=experiments)
    parser.add_argument("checkpoint", help="name, folder or file")
    parser.add_argument("folder", help="songs, split as in the training of the model")
    parser.add_argument("--split", default=split, help=f"default: {split}")
    parser.add_argument("--limit", type=int, default=limit, help="maximum number of songs")
    return parser


def split_bars(folder: str | Path, split: str, *, seed: int = 0) -> list[Bars]:
    """Return the songs of a split, or of several joined by commas, on their stored grid."""
    shards = Shards(prepare_cached(folder))
    splits = split_shards(shards, seed)
    wanted = split.split(",")
    return [song.bars for song, name in zip(shards, splits, strict=True) if name in wanted]


def representable_songs(model: MusicVAE, folder: str | Path, split: str) -> list[Song]:
    """Return the songs of a split of which the model can represent any part."""
    songs = split_bars(folder, split, seed=model.preset.training.seed)
    return [bars.to_song() for bars in songs if model_inputs(bars, model.preset)[0]]


def evenly_spaced(items: Sequence[_T], limit: int) -> list[_T]:
    """Return at most `limit` items, spread evenly."""
    index = np.linspace(0, len(items) - 1, min(limit, len(items))).astype(int)
    return [items[i] for i in index]


def spearman(a: Floats, b: Floats, decimals: int = 9) -> float:
    """Return Spearman's rank correlation of the pairs `(n,)` that are finite; 0 if one is constant.

    Values are rounded to `decimals`; equal values share their mean rank.
    """
    finite = np.isfinite(a) & np.isfinite(b)
    x, y = (rankdata(np.round(values[finite], decimals)) for values in (a, b))
    if not len(x) or not x.std() or not y.std():
        return 0.0
    return float(np.corrcoef(x, y)[0, 1])


def markdown_head(cells: Sequence[object]) -> str:
    """Return the two header lines of a Markdown table."""
    return markdown_row(cells) + "\n|" + "---|" * len(cells)


def markdown_row(cells: Sequence[object]) -> str:
    """Return a line of a Markdown table."""
    return "| " + " | ".join(str(cell) for cell in cells) + " |"
