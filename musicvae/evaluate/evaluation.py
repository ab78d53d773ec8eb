"""Floor 9: everything that is measured of a model on a folder of songs, and what it returns."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from musicvae.dataset import Shards, Windows, prepare_cached
from musicvae.evaluate.comparison import Comparison, compared
from musicvae.evaluate.likelihood import likelihood, teacher_forced
from musicvae.evaluate.sets import Sets
from musicvae.metrics import drum_errors, flat, hold_accuracy, judged
from musicvae.model import MusicVAE
from musicvae.options import ReadOptions
from musicvae.training.checks import reconstructed, spread

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

    def to_dict(self) -> dict[str, Any]:
        """Plain data, for JSON."""
        plain = {field.name: getattr(self, field.name) for field in fields(self)}
        return plain | {"comparison": self.comparison.to_dict()}


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
    say(f"sampling {min(n, len(windows))} windows, and comparing")
    learned = _learned(shards, model, windows)
    sets = Sets.of(model, windows, spread(windows, n), learned, seed=seed)
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


def _learned(shards: Shards, model: MusicVAE, windows: Windows) -> Windows:
    """All windows, at every bar, of the songs that the model learned from; of a folder judged as a
    whole, those that a training would learn from.
    """
    return Windows(shards, model.preset, split="train", seed=model.preset.training.seed)
