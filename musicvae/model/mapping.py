"""Floor 8: songs as points of a plane: the two directions in which their latents differ most."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from musicvae.attributes import ATTRIBUTES
from musicvae.directions import Floats
from musicvae.errors import DataError
from musicvae.model.encoded import EncodedSongs


@dataclass(frozen=True, kw_only=True, eq=False)
class SongMap:
    """Where songs lie in two dimensions. n songs."""

    songs: EncodedSongs
    points: Floats  # (n, 2)
    explained: tuple[float, float]
    """Share of the variance between songs that each axis holds."""
    axes: tuple[str, str]
    """The attribute that goes most with each axis, and its correlation, in words."""


def song_map(songs: EncodedSongs) -> SongMap:
    """Principal components of the songs' mean latents. Raises `DataError` for fewer than three."""
    if len(songs) < 3:
        raise DataError(f"a map needs at least three songs, there are {len(songs)}")
    means = songs.means(songs.mu)
    centred = means - means.mean(0)
    left, strength, _ = np.linalg.svd(centred, full_matrices=False)
    points = left[:, :2] * strength[:2]
    known = songs.means(songs.values)
    axes = []
    for axis in range(2):
        related = {
            name: _correlation(points[:, axis], known[:, nth])
            for nth, name in enumerate(ATTRIBUTES)
        }
        name = max(related, key=lambda each: abs(related[each]))
        if related[name] < 0:  # the sign of a component means nothing
            points[:, axis] *= -1
        axes.append(f"{name}, r = {abs(related[name]):.2f}" if related[name] else "")
    total = max(float((strength**2).sum()), 1e-12)
    share = [float(s) ** 2 / total for s in strength[:2]]
    return SongMap(
        songs=songs, points=points, explained=(share[0], share[1]), axes=(axes[0], axes[1])
    )


def _correlation(a: Floats, b: Floats) -> float:
    """Pearson's, over songs where both are known; 0 where one does not vary."""
    there = np.isfinite(b)
    if there.sum() < 3 or np.std(b[there]) < 1e-9 or np.std(a[there]) < 1e-9:
        return 0.0
    return float(np.corrcoef(a[there], b[there])[0, 1])
