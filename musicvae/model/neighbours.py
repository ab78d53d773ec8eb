"""Floor 8: which songs are like a song, by their paths in the latent space."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from musicvae.directions import Floats
from musicvae.model.encoded import EncodedSongs


@dataclass(frozen=True)
class Neighbour:
    """A song beside another one."""

    name: str
    similarity: float
    """1 for the same music, around 0 for any two songs."""
    of_song: float
    """How well each window of the song is matched by one of the neighbour, mean."""
    of_neighbour: float
    """The same the other way."""


def neighbours(ways: Sequence[EncodedSongs], others: EncodedSongs, n: int = 10) -> list[Neighbour]:
    """The `n` songs of `others` that are most like one song, the most similar first.

    `ways` are the song as it may be encoded (`encoded_ways`); for each other song that way counts
    in which they are most alike.
    """
    found = np.stack([np.stack(similarities(way, others)) for way in ways])  # (V, 3, n)
    best = found[:, 0].argmax(0)
    both, there, back = found[best, :, np.arange(len(others))].T
    order = np.argsort(-both, kind="stable")[:n]
    return [
        Neighbour(others.names[i], float(both[i]), float(there[i]), float(back[i]))
        for i in order.tolist()
    ]


def similarities(song: EncodedSongs, others: EncodedSongs) -> tuple[Floats, Floats, Floats]:
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
