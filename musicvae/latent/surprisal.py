"""Surprisal of each bar of each part under a denoising model, and its statistics over a corpus.

With the whole song as input: the NLL of each note (`notes`, `max`) and the expected number of
missing notes (`missing`). With a bar masked, its NLL given its context: `other_parts` masks a
single part, `rhythm` and `pitch` mask the bar in all parts, a pseudo-likelihood of bars (Besag
1975).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from musicvae.arrays import Bools, Floats, Floats32, Ints
from musicvae.data import Batch, WindowDataset
from musicvae.data.batch import ModelInput, WindowBatcher, fits_preset
from musicvae.data.corruption import WindowGrid, silence_bars
from musicvae.latent.note_posterior import (
    NotePosterior,
    corruption_vector,
    note_posterior,
    require_cell_decoder,
)
from musicvae.networks.vae import VAE, to_note_rows, with_notes, without_notes

FEATURE_WEIGHTS = {
    "notes": 1.0,
    "max": 0.25,
    "missing": 0.25,
    "other_parts": 1.0,
    "rhythm": 1.0,
    "pitch": 1.0,
}
"""Features, and their weights in the anomaly score, chosen on validation songs."""
FEATURES = tuple(FEATURE_WEIGHTS)
FEATURE_KEYS = tuple(
    {"max": "worst", "other_parts": "against"}.get(name, name) for name in FEATURES
)
"""The keys of `FEATURES` in checkpoints and in JSON."""
DEFAULT_CORRUPTION = {
    "pitch_substitution": 0.025,
    "deletion": 0.025,
    "insertion": 0.025,
    "onset_jitter": 0.025,
}
"""The corruption assumed by default: a tenth of the notes, of every kind."""
MIN_DEVIATION, MAX_DEVIATION = -3.0, 8.0  # deviations are clipped to these
N_REFERENCE_SONGS = 40
BATCH_SIZE = 32  # windows
_LOG_FEATURES, _LOG_OFFSET = ("notes", "max", "missing"), 1e-3
_MIN_PROBABILITY = 1e-5
_MIN_MISSING_PROBABILITY = 0.05  # lower ones do not count as missing notes


@dataclass(frozen=True, kw_only=True, eq=False)
class Surprisal:
    """Surprisal of the bars of one pass; nan where a part is silent or the model has no window."""

    model_input: ModelInput
    features: Mapping[str, Floats]
    """By name of `FEATURES` `(N, R)`, in nats per note or per quarter; `missing` in notes."""
    posterior: NotePosterior


def surprisal(vae: VAE, inputs: list[ModelInput]) -> list[Surprisal]:
    """Return the surprisal of each bar and slot of inputs over the same bars.

    Raises `ConfigError` if the model is not a denoising one.
    """
    known = vae.preset.training.condition_kinds
    corruption = {kind: share for kind, share in DEFAULT_CORRUPTION.items() if kind in known}
    found = []
    for source, posterior in zip(inputs, note_posterior(vae, inputs, corruption), strict=True):
        features = _observed(posterior) | _masked(vae, source)
        features = {name: np.where(source.active, features[name], np.nan) for name in FEATURES}
        found.append(Surprisal(model_input=source, features=features, posterior=posterior))
    return found


def stack_features(features: Mapping[str, Floats]) -> Floats:
    """Stack features in the order of `FEATURES` `(N, R, F)`, some by their logarithm."""
    columns = [
        np.log(features[name] + _LOG_OFFSET) if name in _LOG_FEATURES else features[name]
        for name in FEATURES
    ]
    return np.stack(columns, -1)


def _note_offsets(source: ModelInput) -> Ints:
    bars = np.arange(len(source.bars) + 1)
    return np.searchsorted(source.model_pass.notes.bar, bars)


def _observed(posterior: NotePosterior) -> dict[str, Floats]:
    """Return the features with the whole song as input. `(N, R)` each"""
    source, probability = posterior.model_input, posterior.onset_probability
    grid, notes = source.bars.grid, source.model_pass.notes
    shape = source.active.shape
    cell, slot, column = posterior.observed
    nll = -np.log(np.maximum(probability[cell, slot, column], _MIN_PROBABILITY))
    total, count, maximum = np.zeros((3, *shape))
    np.add.at(total, (notes.bar, slot), nll)
    np.add.at(count, (notes.bar, slot), 1)
    np.maximum.at(maximum, (notes.bar, slot), nll)
    rest = probability.copy()
    rest[cell, slot, column] = 0
    rest[rest < _MIN_MISSING_PROBABILITY] = 0
    offsets = grid.cell_offsets[:-1]
    missing = np.add.reduceat(rest.sum(-1), offsets) if len(grid) else np.zeros(shape)
    return {"notes": total / np.maximum(count, 1), "max": maximum, "missing": missing}


def _masked(vae: VAE, source: ModelInput) -> dict[str, Floats]:
    """Return the features of masked bars given their context. `(N, R)` each"""
    preset, grid = vae.preset, source.bars.grid
    N, R = source.active.shape
    size = preset.grid.bars
    first = np.clip(np.arange(N) - size // 2, 0, max(N - size, 0))
    usable = fits_preset(grid, first, np.minimum(first + size, N), preset)
    usable &= source.active.any(1)
    several = source.active.sum(1) > 1  # parts are also masked one by one where there are several
    bars = np.flatnonzero(usable)
    queries = [(bar, -1) for bar in bars.tolist()]
    queries += [
        (bar, slot)
        for bar in bars.tolist()
        if several[bar]
        for slot in np.flatnonzero(source.active[bar]).tolist()
    ]
    found = {name: np.full((N, R), np.nan) for name in ("other_parts", "rhythm", "pitch")}
    batcher = WindowBatcher([source], preset)
    for i in range(0, len(queries), BATCH_SIZE):
        chunk = np.array(queries[i : i + BATCH_SIZE], np.int64)
        _score_masked_bars(vae, batcher, source, chunk, first[chunk[:, 0]], found)
    found["other_parts"][~several] = (found["rhythm"] + found["pitch"])[~several]
    return found


@torch.no_grad()
def _score_masked_bars(
    vae: VAE,
    batcher: WindowBatcher,
    source: ModelInput,
    queries: Ints,
    first: Ints,
    found: dict[str, Floats],
) -> None:
    """Mask each `(bar, slot)` of `queries`, slot -1 being all, and write its NLL to `found`."""
    preset, device, layout = vae.preset, next(vae.parameters()).device, vae.layout
    clean = batcher.batch(np.zeros(len(first), np.int64), first)
    grid = WindowGrid(
        steps=clean.steps.numpy(),
        lead_steps=clean.lead_steps.numpy(),
        kinds=tuple(part.kind for part in preset.parts),
    )
    mask = np.zeros((*grid.steps.shape, len(preset.parts)), bool)
    window, bar = np.arange(len(first)), queries[:, 0] - first
    for w, (b, slot) in enumerate(zip(bar.tolist(), queries[:, 1].tolist(), strict=True)):
        mask[w, b, slot if slot >= 0 else slice(None)] = True
    rows = silence_bars(to_note_rows(clean), grid, mask)
    share = float(mask.mean((1, 2)).max())
    batch = with_notes(clean, torch.from_numpy(rows))
    batch = Batch(*(tensor.to(device) for tensor in batch))
    amounts = corruption_vector(preset, {"part_mask": share}).to(device)
    batch = batch._replace(corruption=amounts.expand(len(first), -1))
    slices = vae.latent_slices(vae.encode(batch).mu)
    decoder, context = require_cell_decoder(vae), without_notes(batch)
    probability = decoder.note_probabilities(slices, context)[0].numpy()
    steps, lead = grid.steps[window, bar], grid.lead_steps[window, bar]
    quarters = np.maximum((steps - lead) / preset.grid.steps_per_quarter, 0.25)
    for w in range(len(first)):
        at, slot = int(queries[w, 0]), int(queries[w, 1])
        begin = int(bar[w]) * layout.max_bar_steps
        of_bar = probability[w, begin + lead[w] : begin + steps[w]]  # (T, R, P)
        rhythm, pitch = _bar_nll(vae, source, at, of_bar, int(lead[w]))
        if slot < 0:
            found["rhythm"][at], found["pitch"][at] = rhythm / quarters[w], pitch
        else:
            found["other_parts"][at, slot] = rhythm[slot] / quarters[w] + pitch[slot]


def _bar_nll(
    vae: VAE, source: ModelInput, bar: int, probability: Floats32, lead_steps: int
) -> tuple[Floats, Floats]:
    """Return the NLL of the rhythm of a bar, and of its pitches per note. `(R,)` each

    `probability` `(T, R, P)` are the note probabilities of its unmasked cells.
    """
    offsets = _note_offsets(source)
    notes = source.model_pass.notes.select(slice(int(offsets[bar]), int(offsets[bar + 1])))
    R = probability.shape[1]
    voice = np.array([part.kind == "voice" for part in vae.preset.parts])
    drums = np.array([part.kind == "drums" for part in vae.preset.parts])
    log_none = np.log1p(-np.minimum(probability, 0.999)).sum(-1)  # (T, R)
    onset = np.where(voice, probability.sum(-1), 1 - np.exp(log_none))
    onset = np.clip(onset, _MIN_PROBABILITY, 1 - _MIN_PROBABILITY)
    step = notes.step - lead_steps
    has_onset: Bools = np.zeros(onset.shape, bool)
    has_onset[step, notes.part] = True
    rhythm = -np.where(has_onset, np.log(onset), np.log1p(-onset)).sum(0)
    column = notes.pitch - np.where(drums[notes.part], 0, source.key) - vae.layout.lowest_pitch
    column = np.clip(column, 0, probability.shape[2] - 1)
    given_onset = probability[step, notes.part, column] / onset[step, notes.part]
    nll, count = np.zeros((2, R))
    np.add.at(nll, notes.part, -np.log(np.clip(given_onset, _MIN_PROBABILITY, 1)))
    np.add.at(count, notes.part, 1)
    return rhythm, nll / np.maximum(count, 1)


@dataclass(frozen=True, kw_only=True, eq=False)
class ReferenceStats:
    """Means and standard deviations of the features of bars, and of the scores of songs."""

    mean: Floats  # (F,) in the order of `FEATURES`
    std: Floats  # (F,)
    song_mean_std: tuple[float, float]
    """Mean and standard deviation of the mean anomaly score of songs."""

    def deviations(self, values: Floats) -> Floats:
        """Return features `(..., F)` in standard deviations from the mean, clipped."""
        z: Floats = np.clip((values - self.mean) / self.std, MIN_DEVIATION, MAX_DEVIATION)
        return z

    def anomaly_score(self, values: Floats) -> Floats:
        """Return the weighted mean deviation of features `(..., F)`."""
        weights = np.array([FEATURE_WEIGHTS[name] for name in FEATURES])
        score: Floats = self.deviations(values) @ weights / weights.sum()
        return score

    @classmethod
    def from_features(cls, values: list[Floats]) -> ReferenceStats | None:
        """Return the statistics of songs, `(N, R, F)` each; `None` for fewer than two bars."""
        songs = [each[np.isfinite(each).all(-1)] for each in values]
        bars = np.concatenate([np.zeros((0, len(FEATURES))), *songs])
        if len(bars) < 2:
            return None
        stats = cls(mean=bars.mean(0), std=np.maximum(bars.std(0), 1e-3), song_mean_std=(0.0, 1.0))
        scores = np.array([stats.anomaly_score(each).mean() for each in songs if len(each)])
        return replace(stats, song_mean_std=(float(scores.mean()), max(float(scores.std()), 0.05)))

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> ReferenceStats | None:
        """Return the inverse of `to_dict`; `None` for other features."""
        features, song = data.get("features", {}), data.get("song", [0.0, 1.0])
        if set(features) != set(FEATURE_KEYS):
            return None
        mean, std = (np.array([features[key][i] for key in FEATURE_KEYS]) for i in (0, 1))
        return cls(mean=mean, std=std, song_mean_std=(float(song[0]), float(song[1])))

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for a checkpoint's provenance."""
        pairs = zip(self.mean.tolist(), self.std.tolist(), strict=True)
        features = {
            key: [round(mean, 5), round(std, 5)]
            for key, (mean, std) in zip(FEATURE_KEYS, pairs, strict=True)
        }
        return {"features": features, "song": [round(number, 5) for number in self.song_mean_std]}


def fit_reference_stats(
    vae: VAE, windows: WindowDataset, limit: int = N_REFERENCE_SONGS
) -> ReferenceStats | None:
    """Return the statistics of up to `limit` songs of a dataset, evenly spaced."""
    chosen = np.unique(np.linspace(0, len(windows.inputs) - 1, limit).astype(np.int64))
    found = []
    for i in chosen.tolist():
        source, notes = windows.inputs[i], windows.batcher.input_notes(i)
        if len(notes):
            whole = replace(source, model_pass=replace(source.model_pass, notes=notes))
            found.append(stack_features(surprisal(vae, [whole])[0].features))
    return ReferenceStats.from_features(found)
