"""Floor 6: what is usual: how surprising bars of songs are that a model has not learned from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musicvae.belief.surprise import FEATURES, surprises, told_apart
from musicvae.dataset import Windows
from musicvae.models import VAE

WEIGHTS = {
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
class Norms:
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
        weights = np.array([WEIGHTS[name] for name in FEATURES])
        odd: NDArray[np.float64] = self.deviations(values) @ weights / weights.sum()
        return odd

    @classmethod
    def of(cls, values: list[NDArray[np.float64]]) -> Norms | None:
        """Those of songs whose features are these, `(N, R, F)` each; none if there is nothing."""
        flat = [each[np.isfinite(each).all(-1)] for each in values]
        every = np.concatenate([np.zeros((0, len(FEATURES))), *flat])
        if len(every) < 2:
            return None
        found = cls(mean=every.mean(0), spread=np.maximum(every.std(0), 1e-3), song=(0.0, 1.0))
        songs = np.array([found.oddity(each).mean() for each in flat if len(each)])
        return replace(found, song=(float(songs.mean()), max(float(songs.std()), 0.05)))

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Norms | None:
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


def norms_of(vae: VAE, windows: Windows, limit: int = _SOME) -> Norms | None:
    """What is usual in up to `limit` of these songs, spread evenly over them."""
    chosen = np.unique(np.linspace(0, len(windows.sources) - 1, limit).astype(np.int64))
    found = []
    for i in chosen.tolist():
        source, notes = windows.sources[i], windows.cutter.notes_of(i)
        if len(notes):
            whole = replace(source, group=replace(source.group, notes=notes))
            found.append(told_apart(surprises(vae, [whole])[0].features))
    return Norms.of(found)
