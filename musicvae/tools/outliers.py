"""Floor 8: songs of a folder side by side: outliers, and songs that lie in the wrong place."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from musicvae.attributes import song_attributes
from musicvae.representation.bars import Bars

OUTLIER_DEVIATIONS = 3.0
"""Deviations from the middle of a folder from which a song is an outlier."""
_NEAREST = 7
_AGREED = 0.7  # of the nearest songs that lie elsewhere, together
_LEFT_OUT = ("bars", "notes", "longest_chord_bars")
_FEWEST = 4  # songs of a label that can be told apart


def robust_deviations(oddity: Sequence[float]) -> NDArray[np.float64]:
    """How far each song lies above the middle one, by the usual distance from it. `(n,)`"""
    values = np.asarray(oddity, np.float64)
    middle = np.nanmedian(values) if np.isfinite(values).any() else 0.0
    usual = 1.4826 * np.nanmedian(np.abs(values - middle)) if np.isfinite(values).any() else 1.0
    return np.asarray((values - middle) / max(float(usual), 0.25))


def song_features(bars: Bars) -> NDArray[np.float64]:
    """A song in some numbers: measures of `attributes`, register, and how notes lie in the bar."""
    told = song_attributes(bars)
    notes, grid = bars.notes, bars.grid
    pitched = np.array([not part.is_drum for part in bars.header.parts], bool)
    mine = notes.select(pitched[notes.part]) if len(notes) else notes
    n = max(len(mine), 1)
    quarter = mine.step / grid.steps_per_quarter
    places = [
        float(np.isclose(quarter % 1, at, atol=0.02).sum()) / n for at in (0, 0.5, 0.25, 1 / 3)
    ]
    steps = grid.unmasked_steps / grid.steps_per_quarter
    register = float(mine.pitch.mean()) if len(mine) else 60.0
    extra = [register, float(np.median(steps)), len(bars.header.parts), *places]
    names = ("notes_per_bar", "bars_sounding", "pitch_classes", "in_scale", "polyphony")
    more = ("consonant", "repeated", "steps_and_thirds", "mean_duration_quarters", "rest")
    return np.array([told.get(name, 0.0) for name in (*names, *more)] + extra)


def misplaced(found: NDArray[np.float64], labels: Sequence[str]) -> list[str | None]:
    """For each song with `traits` `(n, T)` the label where it seems to belong, if that is not its
    own: that of most of the songs that it is nearest to.
    """
    names, index = np.unique(labels, return_inverse=True)
    counts = np.bincount(index)
    n = len(labels)
    if (counts >= _FEWEST).sum() < 2 or n <= _NEAREST:
        return [None] * n
    spread = found.std(0)
    x = (found - found.mean(0)) / np.where(spread > 1e-9, spread, 1)
    away = ((x[:, None] - x[None]) ** 2).sum(-1)
    np.fill_diagonal(away, np.inf)
    nearest = np.argsort(away, axis=1)[:, :_NEAREST]
    result: list[str | None] = []
    for i in range(n):
        votes = np.bincount(index[nearest[i]], minlength=len(names))
        best = int(votes.argmax())
        agreed = votes[best] >= _AGREED * _NEAREST and counts[best] >= _FEWEST
        result.append(str(names[best]) if agreed and best != index[i] else None)
    return result
