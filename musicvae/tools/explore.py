"""Similar songs, and songs as points of a plane."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from musicvae.arrays import Floats
from musicvae.attributes import ATTRIBUTES
from musicvae.downbeats import BarlineEstimate
from musicvae.errors import DataError
from musicvae.latent.codec import Codec
from musicvae.song import Song
from musicvae.tools.embed import (
    SongEmbeddings,
    SongSource,
    embed,
    embed_all_phases,
    read_song,
)

MIN_MAP_SONGS = 3


@dataclass(frozen=True)
class Neighbor:
    """A song that is similar to another one."""

    name: str
    """Its file."""
    similarity: float
    """1 for the same music, around 0 for unrelated songs; the mean of the two matches."""
    song_match: float
    """Mean similarity of the song's windows to the best matching windows of this one."""
    neighbor_match: float
    """The same in the other direction."""


def similar(
    codec: Codec,
    song: Song | BarlineEstimate | str | Path,
    others: SongEmbeddings | SongSource | Sequence[SongSource],
    *,
    n: int = 10,
) -> list[Neighbor]:
    """Return the `n` songs of `others` that are most similar to a song, the best first.

    Windows are compared in the latent space, wherever they stand in their song and in any key.

    Args:
        song: the song to compare with, or its file.
        others: folders, files and songs, or their embeddings from `embed`.
        n: number of songs to return.

    Raises `DataError` if the model can represent no note of the song, and errors of `embed`.
    """
    query = read_song(song) if isinstance(song, str | Path) else song
    embeddings = others if isinstance(others, SongEmbeddings) else embed(codec, others)
    return nearest_songs(embed_all_phases(codec, query), embeddings, n)


def nearest_songs(
    phases: Sequence[SongEmbeddings], others: SongEmbeddings, n: int = 10
) -> list[Neighbor]:
    """Return the `n` songs of `others` that are most similar to one song, the best first.

    `phases` are the embeddings of the song from `embed_all_phases`; for each other song the one of
    highest similarity counts.
    """
    scores = np.stack([np.stack(song_similarities(phase, others)) for phase in phases])  # (V, 3, n)
    best = scores[:, 0].argmax(0)
    both, song_match, neighbor_match = scores[best, :, np.arange(len(others))].T
    order = np.argsort(-both, kind="stable")[:n]
    return [
        Neighbor(others.names[i], float(both[i]), float(song_match[i]), float(neighbor_match[i]))
        for i in order.tolist()
    ]


def song_similarities(
    song: SongEmbeddings, others: SongEmbeddings
) -> tuple[Floats, Floats, Floats]:
    """Return the similarity of a song to n others, and its two directions. `(n,)` each

    The similarity of two windows is the cosine of their latents, standardized over `others`. Each
    window is compared with the most similar one of the other song, so that neither lengths nor the
    order of themes matter.
    """
    center, scale = others.mu.mean(0), others.mu.std(0) + 1e-6
    a, b = ((each.mu - center) / scale for each in (song, others))
    a, b = (x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-9) for x in (a, b))
    cosine = a @ b.T  # (W, M)
    song_match = np.maximum.reduceat(cosine, others.first_windows, axis=1).mean(0)
    neighbor_match = others.means(cosine.max(0)[:, None])[:, 0]
    return (song_match + neighbor_match) / 2, np.asarray(song_match, float), neighbor_match


@dataclass(frozen=True, kw_only=True, eq=False)
class SongMap:
    """Songs as n points of a plane."""

    songs: SongEmbeddings
    points: Floats  # (n, 2)
    explained: tuple[float, float]
    """Share of the variance between songs along each axis."""
    axes: tuple[str, str]
    """The attribute that correlates most with each axis, and its correlation, in words."""


def map_songs(codec: Codec, songs: SongEmbeddings | Sequence[SongSource] | SongSource) -> SongMap:
    """Place songs in a plane by the principal components of their mean latents.

    `songs` are folders, files and songs, or their embeddings from `embed`. Raises `DataError` for
    fewer than three songs, and errors of `embed`.
    """
    return project_2d(songs if isinstance(songs, SongEmbeddings) else embed(codec, songs))


def project_2d(songs: SongEmbeddings) -> SongMap:
    """Project songs to the first two principal components of their mean latents.

    Raises `DataError` for fewer than three songs.
    """
    if len(songs) < MIN_MAP_SONGS:
        raise DataError(f"a map needs at least three songs, there are {len(songs)}")
    means = songs.means(songs.mu)
    centered = means - means.mean(0)
    left, scale, _ = np.linalg.svd(centered, full_matrices=False)
    points = left[:, :2] * scale[:2]
    attributes = songs.means(songs.attributes)
    axes = []
    for axis in range(2):
        correlation = {
            name: _correlation(points[:, axis], attributes[:, nth])
            for nth, name in enumerate(ATTRIBUTES)
        }
        name = max(correlation, key=lambda each: abs(correlation[each]))
        if correlation[name] < 0:  # the sign of a component is arbitrary
            points[:, axis] *= -1
        words = f"{name}, r = {abs(correlation[name]):.2f}" if correlation[name] else ""
        axes.append(words)
    total = max(float((scale**2).sum()), 1e-12)
    share = [float(s) ** 2 / total for s in scale[:2]]
    return SongMap(
        songs=songs, points=points, explained=(share[0], share[1]), axes=(axes[0], axes[1])
    )


def _correlation(a: Floats, b: Floats) -> float:
    """Return Pearson's correlation where both are finite; 0 where one is constant."""
    known = np.isfinite(b)
    if known.sum() < 3 or np.std(b[known]) < 1e-9 or np.std(a[known]) < 1e-9:
        return 0.0
    return float(np.corrcoef(a[known], b[known])[0, 1])
