"""Evaluation of a model on a folder of songs: reconstruction, likelihood, samples."""

from __future__ import annotations

import math
import secrets
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from musicvae.arrays import Ints
from musicvae.data import Shards, WindowDataset, prepare_cached
from musicvae.data.split import split_shards
from musicvae.errors import DataError
from musicvae.evaluation.chords import ChordScores, evaluate_chords
from musicvae.evaluation.comparison import Comparison, compare
from musicvae.evaluation.likelihood import decode_teacher_forced, likelihood_metrics
from musicvae.evaluation.window_sets import WindowSets
from musicvae.io.options import ReadOptions
from musicvae.metrics.reconstruction import (
    drum_errors,
    expressionless,
    hold_baseline_accuracy,
    reconstruction_metrics,
)
from musicvae.model import MusicVAE
from musicvae.training.validation import reconstruct_windows, spread_indices

MessageCallback = Callable[[str], None]
N_DRAWS = 32


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """Figures of a model on songs. The names of the fields are those of the JSON output."""

    checkpoint: str
    hash: str
    preset: str
    data: str
    split: str
    seed: int
    songs: int
    windows: int
    """Number of reconstructed windows."""
    reconstruction: dict[str, dict[str, float | None]]
    """Metrics by output: `mean`, `sampled`, `teacher_forced`; for denoising models also `noisy` and
    `denoised`; and the baselines `hold`, no event at all, and `flat`, hits without expression.
    """
    likelihood: dict[str, Any]
    comparison: Comparison | None
    """None if there are too few songs; `notes` say so."""
    chords: ChordScores | None = None
    """How well samples keep chords; None for a model that is not conditioned on them."""
    notes: tuple[str, ...] = ()
    """What could not be evaluated, and why, one sentence each."""

    def __repr__(self) -> str:
        scope = f"{self.windows:,} windows of {self.songs:,} {self.split} songs"
        return f"<Evaluation of {self.preset} on {scope}>"

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON, with None for undefined values."""
        plain = {field.name: getattr(self, field.name) for field in fields(self)}
        comparison = None if self.comparison is None else self.comparison.to_dict()
        chords = None if self.chords is None else asdict(self.chords)
        plain |= {"comparison": comparison, "chords": chords, "notes": list(self.notes)}
        return _without_nan(plain)


def _without_nan(value: Any) -> Any:
    """Return plain data with None instead of nan and infinity."""
    if isinstance(value, dict):
        return {name: _without_nan(each) for name, each in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value


def evaluate(
    model: MusicVAE,
    folder: str | Path | Shards,
    *,
    split: str = "test",
    limit: int = 1024,
    n: int = 1024,
    draws: int = N_DRAWS,
    samples: str | Path | Shards | None = None,
    seed: int | None = None,
    options: ReadOptions | None = None,
    on_progress: MessageCallback | None = None,
) -> Evaluation:
    """Evaluate `model` on the songs under `folder`.

    Args:
        model: the model.
        folder: songs or shards, split as in the training of this model.
        split: `test` or `valid`, songs held out from training; `all` for a folder of other songs.
        limit: maximum number of windows to reconstruct, spread evenly over the songs.
        n: number of windows to sample and of real ones to compare them with; fewer if the split has
            fewer.
        draws: of the importance-weighted bound.
        samples: songs of another system, judged as the samples of the model are (set `given`).
        seed: of all random draws; random by default.
        options: how files are read.
        on_progress: called with a description of each step.

    Windows do not overlap.

    Raises:
        DataError: if the split is empty.
    """
    on_progress = on_progress or (lambda text: None)
    seed = secrets.randbelow(2**31) if seed is None else seed
    preset = model.preset
    shards, notes = _as_shards(folder, options), list[str]()
    _check_split(shards, split, preset.training.seed)
    windows = WindowDataset(
        shards, preset, split=split, hop_bars=preset.grid.bars, seed=preset.training.seed
    )
    index = spread_indices(windows, limit)
    on_progress(
        f"reconstructing {len(index)} of {len(windows)} windows of {len(windows.songs)} songs"
    )
    found = reconstruct_windows(model.vae, windows, limit=limit, seed=seed)
    truth = found.truth
    tables = {"mean": found.mean, **found.others}
    tables["teacher_forced"] = decode_teacher_forced(model.vae, windows, index, truth)
    scores = {name: reconstruction_metrics(table, truth) for name, table in tables.items()}
    scores["hold"] = {"step_accuracy": hold_baseline_accuracy(truth)}
    if truth.is_drums.any():
        scores["flat"] = drum_errors(expressionless(truth), truth)._asdict()
    on_progress("estimating likelihood")
    likelihood = likelihood_metrics(
        model.vae, windows, index, truth.n_cells, draws=draws, seed=seed
    )
    given = None
    if samples is not None:
        given = WindowDataset(
            _as_shards(samples, options), preset, split="all", hop_bars=preset.grid.bars
        )
        if given.n_passthrough:
            notes.append(f"{given.n_passthrough:,} notes of {samples} are outside the preset")
    train_windows = WindowDataset(shards, preset, split="train", seed=preset.training.seed)
    others, comparison = _unseen_windows(windows, train_windows), None
    if len(others):
        which = others[np.linspace(0, len(others) - 1, min(n, len(others))).astype(np.int64)]
        on_progress(f"sampling {len(which)} windows and comparing them")
        sets = WindowSets.build(model, windows, which, train_windows, given=given, seed=seed)
        comparison = compare(sets, windows, train_windows, seed=seed)
    else:
        notes.append("samples are not compared with songs: that needs more, different songs")
    chords = None
    if preset.conditions.chords:
        on_progress("sampling songs over the chords of others")
        chords = evaluate_chords(model, windows, seed=seed)
        if chords is None:
            notes.append("no song states chords, or has any that could be found")
    return Evaluation(
        checkpoint=str(model.path),
        hash=model.hash,
        preset=preset.name,
        data=str(shards.origin),
        split=split,
        seed=seed,
        songs=len(windows.songs),
        windows=len(index),
        reconstruction=scores,
        likelihood=likelihood,
        comparison=comparison,
        chords=chords,
        notes=tuple(notes),
    )


def _as_shards(folder: str | Path | Shards, options: ReadOptions | None) -> Shards:
    if isinstance(folder, Shards):
        return folder
    return Shards(prepare_cached(folder, options=options))


def _check_split(shards: Shards, split: str, seed: int) -> None:
    """Raise `DataError` if a split has no songs."""
    places = split_shards(shards, seed)
    if split != "all" and split not in places:
        reason = f"too few songs ({len(places)}) to hold any out as {split}"
        raise DataError(f"{shards.origin}: {reason}; use --split all")


def _unseen_windows(windows: WindowDataset, train_windows: WindowDataset) -> Ints:
    """Return the indices of windows of songs that are not in `train_windows`.

    For a held-out split these are all windows; for `all`, those that training would hold out.
    """
    known = set(train_windows.songs)
    of_source = np.array([source.path not in known for source in windows.inputs])
    return np.flatnonzero(of_source[windows.input_index])
