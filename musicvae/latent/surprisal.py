"""Floor 6: how surprising each bar of each part is to a model that learned to mend.

Two questions are put to it. With everything heard: how probable is each note (`notes`, `worst`),
and how much is missing (`missing`)? With a bar unheard: how well does it foretell what is there?
`against` hides a single part and so asks whether it goes with the others; `rhythm` and `pitch` hide
the bar in all parts and ask what its neighbours make likely: a pseudo-likelihood of bars (Besag
1975).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from musicvae.arrays import Floats32, Ints
from musicvae.data import Batch, WindowDataset
from musicvae.data.batch import ModelInput, WindowBatcher, fits_preset
from musicvae.data.corruption import WindowGrid, silence_bars
from musicvae.latent.note_posterior import (
    NotePosterior,
    corruption_vector,
    require_cell_decoder,
    note_posterior,
)
from musicvae.networks.vae import VAE, to_note_rows, with_notes, without_notes

FEATURES = ("notes", "worst", "missing", "against", "rhythm", "pitch")
DEFAULT_CORRUPTION = {"wrong": 0.025, "dropped": 0.025, "added": 0.025, "jitter": 0.025}
"""The damage that is expected where nobody says: a tenth of the notes, of every kind."""
_MAGNITUDES, _SLIGHT = ("notes", "worst", "missing"), 1e-3
_LEAST = 1e-5
_MISSING = 0.05  # probabilities below say nothing
_CHUNK = 32


@dataclass(frozen=True, kw_only=True, eq=False)
class Surprisal:
    """Of one group of a song's parts. Not a number where a part is silent, or nothing is heard."""

    source: ModelInput
    features: Mapping[str, NDArray[np.float64]]
    """By name `(N, R)`: nats a note or a quarter, more is odder."""
    belief: NotePosterior


def surprisal(vae: VAE, sources: list[ModelInput]) -> list[Surprisal]:
    """How surprising each bar and slot of these sources is, which are over the same bars.

    Raises `ConfigError` if the model did not learn to mend.
    """
    known = vae.preset.training.condition_kinds
    expected = {kind: share for kind, share in DEFAULT_CORRUPTION.items() if kind in known}
    found = []
    for source, belief in zip(sources, note_posterior(vae, sources, expected), strict=True):
        features = _heard(belief)
        for name, values in _hidden(vae, source).items():
            features[name] = values
        shown = {name: np.where(source.active, features[name], np.nan) for name in FEATURES}
        found.append(Surprisal(source=source, features=shown, belief=belief))
    return found


def stack_features(features: Mapping[str, NDArray[np.float64]]) -> NDArray[np.float64]:
    """Features side by side `(N, R, F)`, those on a logarithmic scale that span many magnitudes."""
    columns = [
        np.log(features[name] + _SLIGHT) if name in _MAGNITUDES else features[name]
        for name in FEATURES
    ]
    return np.stack(columns, -1)


def _first_notes(source: ModelInput) -> Ints:
    bars = np.arange(len(source.bars) + 1)
    return np.searchsorted(source.group.notes.bar, bars)


def _heard(belief: NotePosterior) -> dict[str, NDArray[np.float64]]:
    """What is improbable, or lacks, when all is heard. Each `(N, R)`"""
    grid, notes = belief.source.bars.grid, belief.source.group.notes
    shape = belief.source.active.shape
    cell, slot, column = belief.heard
    cost = -np.log(np.maximum(belief.probability[cell, slot, column], _LEAST))
    total, count, worst = np.zeros((3, *shape))
    np.add.at(total, (notes.bar, slot), cost)
    np.add.at(count, (notes.bar, slot), 1)
    np.maximum.at(worst, (notes.bar, slot), cost)
    rest = belief.probability.copy()
    rest[cell, slot, column] = 0
    rest[rest < _MISSING] = 0
    lacks = np.add.reduceat(rest.sum(-1), grid.cell_offsets[:-1]) if len(grid) else np.zeros(shape)
    return {"notes": total / np.maximum(count, 1), "worst": worst, "missing": lacks}


def _hidden(vae: VAE, source: ModelInput) -> dict[str, NDArray[np.float64]]:
    """How well a bar is foretold by what is around it. Each `(N, R)`"""
    preset, grid = vae.preset, source.bars.grid
    N, R = source.active.shape
    size = preset.grid.bars
    first = np.clip(np.arange(N) - size // 2, 0, max(N - size, 0))
    usable = fits_preset(grid, first, np.minimum(first + size, N), preset)
    usable &= source.active.any(1)
    alone = source.active.sum(1) > 1  # parts that have company are also hidden one by one
    bars = np.flatnonzero(usable)
    queries = [(bar, -1) for bar in bars.tolist()]
    queries += [
        (bar, slot)
        for bar in bars.tolist()
        if alone[bar]
        for slot in np.flatnonzero(source.active[bar]).tolist()
    ]
    found = {name: np.full((N, R), np.nan) for name in ("against", "rhythm", "pitch")}
    cutter = WindowBatcher([source], preset)
    for i in range(0, len(queries), _CHUNK):
        asked = np.array(queries[i : i + _CHUNK], np.int64)
        _ask(vae, cutter, source, asked, first[asked[:, 0]], found)
    single = ~alone
    found["against"][single] = (found["rhythm"] + found["pitch"])[single]
    return found


@torch.no_grad()
def _ask(
    vae: VAE,
    cutter: WindowBatcher,
    source: ModelInput,
    asked: Ints,
    first: Ints,
    found: dict[str, NDArray[np.float64]],
) -> None:
    """Hide each of these `(bar, slot)`, slot -1 being all of them, and note what is foretold."""
    preset, device, lay = vae.preset, next(vae.parameters()).device, vae.layout
    heard = cutter.batch(np.zeros(len(first), np.int64), first)
    ground = WindowGrid(
        steps=heard.steps.numpy(),
        lead=heard.lead.numpy(),
        kinds=tuple(part.kind for part in preset.parts),
    )
    silent = np.zeros((*ground.steps.shape, len(preset.parts)), bool)
    window, bar = np.arange(len(first)), asked[:, 0] - first
    for w, (b, slot) in enumerate(zip(bar.tolist(), asked[:, 1].tolist(), strict=True)):
        silent[w, b, slot if slot >= 0 else slice(None)] = True
    rows = silence_bars(to_note_rows(heard), ground, silent)
    share = float(silent.mean((1, 2)).max())
    batch = with_notes(heard, torch.from_numpy(rows))
    batch = Batch(*(tensor.to(device) for tensor in batch))
    amounts = corruption_vector(preset, {"hidden": share}).to(device)
    batch = batch._replace(damage=amounts.expand(len(first), -1))
    slices = vae.latent_slices(vae.encode(batch).mu)
    probability = require_cell_decoder(vae).note_probabilities(slices, without_notes(batch))[0].numpy()
    steps, lead = ground.steps[window, bar], ground.lead[window, bar]
    quarters = np.maximum((steps - lead) / preset.grid.steps_per_quarter, 0.25)
    for w in range(len(first)):
        at, slot = int(asked[w, 0]), int(asked[w, 1])
        begin = int(bar[w]) * lay.max_steps
        told_there = probability[w, begin + lead[w] : begin + steps[w]]  # (T, R, P)
        rhythm, pitch = _cost(vae, source, at, told_there, int(lead[w]))
        if slot < 0:
            found["rhythm"][at], found["pitch"][at] = rhythm / quarters[w], pitch
        else:
            found["against"][at, slot] = rhythm[slot] / quarters[w] + pitch[slot]


def _cost(
    vae: VAE, source: ModelInput, bar: int, probability: Floats32, lead: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Nats that the rhythm of a bar costs, and its pitches a note, for each slot. `(R,)` each"""
    first = _first_notes(source)
    mine = source.group.notes.select(slice(int(first[bar]), int(first[bar + 1])))
    R = probability.shape[1]
    voice = np.array([part.kind == "voice" for part in vae.preset.parts])
    drums = np.array([part.kind == "drums" for part in vae.preset.parts])
    none = np.log1p(-np.minimum(probability, 0.999)).sum(-1)  # (T, R)
    starts = np.where(voice, probability.sum(-1), 1 - np.exp(none))
    starts = np.clip(starts, _LEAST, 1 - _LEAST)
    step = mine.step - lead
    began = np.zeros(starts.shape, bool)
    began[step, mine.part] = True
    rhythm = -np.where(began, np.log(starts), np.log1p(-starts)).sum(0)
    column = mine.pitch - np.where(drums[mine.part], 0, source.key) - vae.layout.lowest
    column = np.clip(column, 0, probability.shape[2] - 1)
    of_note = probability[step, mine.part, column] / starts[step, mine.part]
    cost, count = np.zeros((2, R))
    np.add.at(cost, mine.part, -np.log(np.clip(of_note, _LEAST, 1)))
    np.add.at(count, mine.part, 1)
    return rhythm, cost / np.maximum(count, 1)


FEATURE_WEIGHTS = {
    "notes": 1.0,
    "worst": 0.25,
    "missing": 0.25,
    "against": 1.0,
    "rhythm": 1.0,
    "pitch": 1.0,
}
"""How much each feature counts; chosen on validation songs."""
_LOW, _HIGH = -3.0, 8.0  # deviations beyond these say no more
_SOME = 40  # songs that tell what is usual


@dataclass(frozen=True, kw_only=True, eq=False)
class ReferenceStats:
    """Means and deviations of features of bars, and of the oddity of whole songs."""

    mean: NDArray[np.float64]  # (F,) in the order of `FEATURES`
    spread: NDArray[np.float64]  # (F,)
    song: tuple[float, float]

    def deviations(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Features `(..., F)` in deviations from what is usual."""
        z: NDArray[np.float64] = np.clip((values - self.mean) / self.spread, _LOW, _HIGH)
        return z

    def oddity(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """One number for features `(..., F)`: their weighted mean deviation."""
        weights = np.array([FEATURE_WEIGHTS[name] for name in FEATURES])
        odd: NDArray[np.float64] = self.deviations(values) @ weights / weights.sum()
        return odd

    @classmethod
    def of(cls, values: list[NDArray[np.float64]]) -> ReferenceStats | None:
        """Those of songs whose features are these, `(N, R, F)` each; none if there is nothing."""
        flat = [each[np.isfinite(each).all(-1)] for each in values]
        every = np.concatenate([np.zeros((0, len(FEATURES))), *flat])
        if len(every) < 2:
            return None
        found = cls(mean=every.mean(0), spread=np.maximum(every.std(0), 1e-3), song=(0.0, 1.0))
        songs = np.array([found.oddity(each).mean() for each in flat if len(each)])
        return replace(found, song=(float(songs.mean()), max(float(songs.std()), 0.05)))

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> ReferenceStats | None:
        """The inverse of `to_dict`; none if it speaks of other features."""
        features, song = data.get("features", {}), data.get("song", [0.0, 1.0])
        if set(features) != set(FEATURES):
            return None
        mean, spread = (np.array([features[name][i] for name in FEATURES]) for i in (0, 1))
        return cls(mean=mean, spread=spread, song=(float(song[0]), float(song[1])))

    def to_dict(self) -> dict[str, Any]:
        """Plain data for a checkpoint's provenance."""
        pairs = zip(self.mean.tolist(), self.spread.tolist(), strict=True)
        features = {
            name: [round(m, 5), round(s, 5)] for name, (m, s) in zip(FEATURES, pairs, strict=True)
        }
        return {"features": features, "song": [round(number, 5) for number in self.song]}


def fit_reference_stats(
    vae: VAE, windows: WindowDataset, limit: int = _SOME
) -> ReferenceStats | None:
    """What is usual in up to `limit` of these songs, spread evenly over them."""
    chosen = np.unique(np.linspace(0, len(windows.sources) - 1, limit).astype(np.int64))
    found = []
    for i in chosen.tolist():
        source, notes = windows.sources[i], windows.cutter.notes_of(i)
        if len(notes):
            whole = replace(source, group=replace(source.group, notes=notes))
            found.append(stack_features(surprisal(vae, [whole])[0].features))
    return ReferenceStats.of(found)
