"""Floor 5: which songs are learned from and which are held out.

Songs that share much (duplicates, transpositions, other versions of one tune) form a cluster, and
a cluster is never divided. Which clusters are held out follows from their content and a seed.
"""

from __future__ import annotations

import hashlib

import numpy as np

from musicvae.data.shards import Clusters

SPLITS = ("train", "valid", "test")


def split(clusters: Clusters, seed: int = 0) -> list[str]:
    """`train`, `valid` or `test` for each song: 80, 10 and 10 hundredths, whole clusters each.

    With fewer than 20 songs there is no test split; with a single cluster nothing is held out.
    """
    n_songs = len(clusters.head)
    found, first, size = np.unique(clusters.head, return_index=True, return_counts=True)
    key = clusters.key[first].tolist()
    heads = sorted(range(len(found)), key=lambda i: _order(key[i], seed))
    held = max(1, round(0.1 * n_songs))
    room = {"valid": held, "test": held if n_songs >= 20 else 0}
    place = ["train"] * len(found)
    if len(heads) > 1:
        for head in heads:
            where = next((where for where, left in room.items() if size[head] <= left), "train")
            place[head] = where
            if where in room:
                room[where] -= int(size[head])
        if "valid" not in place:  # every cluster is larger than a tenth
            place[min(heads, key=lambda head: size[head])] = "valid"
    return [place[i] for i in np.searchsorted(found, clusters.head).tolist()]


def _order(key: int, seed: int) -> bytes:
    return hashlib.blake2b(f"{seed} {key}".encode()).digest()
