"""Floor 9: everything that is measured of a model on a folder of songs, and what it returns."""

from __future__ import annotations

import math
import secrets
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from musicvae.data import Shards, Windows, prepare_cached
from musicvae.data.split import split as split_songs
from musicvae.errors import DataError
from musicvae.evaluation.comparison import Comparison, compared
from musicvae.evaluation.likelihood import likelihood, teacher_forced
from musicvae.evaluation.window_sets import Sets
from musicvae.io.options import ReadOptions
from musicvae.metrics.reconstruction import drum_errors, flat, hold_accuracy, judged
from musicvae.model import MusicVAE
from musicvae.song import Ints
from musicvae.training.validation import reconstructed, spread

Say = Callable[[str], None]
DRAWS = 32


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """Figures of a model on songs; docs/evaluate.md says what each of them is."""

    checkpoint: str
    hash: str
    preset: str
    data: str
    split: str
    seed: int
    songs: int
    windows: int
    """Windows that were given back."""
    reconstruction: dict[str, dict[str, float | None]]
    """Scores by what was judged: `mean`, `sampled`, `teacher_forced`; of models that repair also
    `noisy` and `denoised`; beside them `hold`, always holding on, and `flat`, hits without touch.
    """
    likelihood: dict[str, Any]
    comparison: Comparison

    def __repr__(self) -> str:
        judged = f"{self.windows:,} windows of {self.songs:,} {self.split} songs"
        return f"<Evaluation of {self.preset} on {judged}>"

    def to_dict(self) -> dict[str, Any]:
        """Plain data, for JSON; None for what is not known."""
        plain = {field.name: getattr(self, field.name) for field in fields(self)}
        return _known(plain | {"comparison": self.comparison.to_dict()})


def _known(value: Any) -> Any:
    """Plain data with None for numbers that are none."""
    if isinstance(value, dict):
        return {name: _known(each) for name, each in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value


def evaluate(
    model: MusicVAE,
    folder: str | Path | Shards,
    *,
    split: str = "test",
    limit: int = 1024,
    n: int = 1024,
    draws: int = DRAWS,
    seed: int | None = None,
    options: ReadOptions | None = None,
    say: Say | None = None,
) -> Evaluation:
    """Judge `model` on the songs under `folder`.

    Args:
        model: what is judged.
        folder: songs, or shards; divided as they were for the training of this model.
        split: `test` or `valid`, songs that it did not learn from; `all` of a foreign folder.
        limit: how many windows to give back at most, spread evenly over the songs.
        n: how many windows to sample, and to compare with as many real ones; fewer if the split has
            fewer.
        draws: of the importance-weighted bound.
        seed: of everything drawn; drawn itself if not given.
        options: how files are read.
        say: told what is being done.

    Windows follow one another without overlap. Raises `DataError` if there is nothing to judge.
    """
    say = say or (lambda words: None)
    seed = secrets.randbelow(2**31) if seed is None else seed
    preset = model.preset
    shards = (
        folder if isinstance(folder, Shards) else Shards(prepare_cached(folder, options=options))
    )
    _checked(shards, split, preset.training.seed)
    windows = Windows(shards, preset, split=split, hop=preset.grid.bars, seed=preset.training.seed)
    index = spread(windows, limit)
    say(f"giving back {len(index)} of {len(windows)} windows of {len(windows.songs)} songs")
    found = reconstructed(model.vae, windows, limit=limit, seed=seed)
    truth = found.truth
    tables = {"mean": found.mean, **found.others}
    tables["teacher_forced"] = teacher_forced(model.vae, windows, index, truth)
    scores = {name: judged(table, truth) for name, table in tables.items()}
    scores["hold"] = {"step_accuracy": hold_accuracy(truth)}
    if truth.is_drums.any():
        scores["flat"] = drum_errors(flat(truth), truth)._asdict()
    say("weighing them")
    weighed = likelihood(model.vae, windows, index, truth.n_cells, draws=draws, seed=seed)
    learned = Windows(shards, preset, split="train", seed=preset.training.seed)
    others = _others(windows, learned)
    which = others[np.linspace(0, len(others) - 1, min(n, len(others))).astype(np.int64)]
    say(f"sampling {len(which)} windows, and comparing")
    sets = Sets.of(model, windows, which, learned, seed=seed)
    return Evaluation(
        checkpoint=str(model.path),
        hash=model.hash,
        preset=preset.name,
        data=str(shards.folder if isinstance(folder, Shards) else folder),
        split=split,
        seed=seed,
        songs=len(windows.songs),
        windows=len(index),
        reconstruction=scores,
        likelihood=weighed,
        comparison=compared(sets, windows, learned, seed=seed),
    )


def _checked(shards: Shards, split: str, seed: int) -> None:
    """Raise `DataError` where a split has no song."""
    places = split_songs(shards.clusters(), seed)
    if split != "all" and split not in places:
        reason = f"none of its {len(places)} songs is held out as {split}, they are too few"
        raise DataError(f"{shards.folder}: {reason}; judge --split all")


def _others(windows: Windows, learned: Windows) -> Ints:
    """Indices of the windows of songs that are not in `learned`, as all are of a held-out split.

    Of a folder judged as a whole these are the songs that a training would hold out.
    """
    known = set(learned.songs)
    of_source = np.array([source.path not in known for source in windows.sources])
    others = np.flatnonzero(of_source[windows.source])
    if not len(others):
        reason = "its songs are all alike or too few to compare samples with"
        raise DataError(f"the {windows.split} split: {reason}; give a folder of more songs")
    return others
