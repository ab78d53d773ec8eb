"""Floor 8: songs as points of a plane: the two directions in which their latents differ most."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from musicvae.arrays import Floats
from musicvae.attributes import ATTRIBUTES
from musicvae.errors import DataError
from musicvae.tools.embed import SongEmbeddings


@dataclass(frozen=True, kw_only=True, eq=False)
class SongMap:
    """Where songs lie in two dimensions. n songs."""

    songs: SongEmbeddings
    points: Floats  # (n, 2)
    explained: tuple[float, float]
    """Share of the variance between songs that each axis holds."""
    axes: tuple[str, str]
    """The attribute that goes most with each axis, and its correlation, in words."""


def project_2d(songs: SongEmbeddings) -> SongMap:
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


@dataclass(frozen=True)
class Neighbor:
    """A song beside another one."""

    name: str
    similarity: float
    """1 for the same music, around 0 for any two songs."""
    song_match: float
    """How well each window of the song is matched by one of the neighbour, mean."""
    neighbor_match: float
    """The same the other way."""


def nearest_songs(
    ways: Sequence[SongEmbeddings], others: SongEmbeddings, n: int = 10
) -> list[Neighbor]:
    """The `n` songs of `others` that are most like one song, the most similar first.

    `ways` are the song as it may be encoded (`encoded_ways`); for each other song that way counts
    in which they are most alike.
    """
    found = np.stack([np.stack(song_similarities(way, others)) for way in ways])  # (V, 3, n)
    best = found[:, 0].argmax(0)
    both, there, back = found[best, :, np.arange(len(others))].T
    order = np.argsort(-both, kind="stable")[:n]
    return [
        Neighbor(others.names[i], float(both[i]), float(there[i]), float(back[i]))
        for i in order.tolist()
    ]


def song_similarities(song: SongEmbeddings, others: SongEmbeddings) -> tuple[Floats, Floats, Floats]:
    """How like `song` each of n others is, by both ways, and each way alone. Each `(n,)`

    Two windows are as alike as the cosine of their latents, in the spread that latents of `others`
    have, from their mean on. Each window of a song looks for the one most like it in the other, so
    neither lengths nor the order of themes matter; nor does the key, since all are encoded in one.
    """
    centre, scale = others.mu.mean(0), others.mu.std(0) + 1e-6
    mine, theirs = ((e.mu - centre) / scale for e in (song, others))
    mine, theirs = (
        x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-9) for x in (mine, theirs)
    )
    alike = mine @ theirs.T  # (W, M)
    there = np.maximum.reduceat(alike, others.starts, axis=1).mean(0)
    back = others.means(alike.max(0)[:, None])[:, 0]
    return (there + back) / 2, np.asarray(there, float), back
