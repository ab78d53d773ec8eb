"""Split of a dataset into training, validation and test songs.

Songs that share much (duplicates, transpositions, other versions of one tune) form a cluster, and
a cluster is never divided. Which clusters are held out depends on their content and a seed alone.
"""

from __future__ import annotations

import hashlib

import numpy as np

from musicvae.data.shards import Clusters

SPLITS = ("train", "valid", "test")


def split_songs(clusters: Clusters, seed: int = 0) -> list[str]:
    """Assign `train`, `valid` or `test` to each song: 80, 10 and 10 percent, in whole clusters.

    With fewer than 20 songs there is no test split; with a single cluster nothing is held out.
    """
    n_songs = len(clusters.head)
    found, first, size = np.unique(clusters.head, return_index=True, return_counts=True)
    key = clusters.key[first].tolist()
    order = sorted(range(len(found)), key=lambda i: _sort_key(key[i], seed))
    n_held_out = max(1, round(0.1 * n_songs))
    free = {"valid": n_held_out, "test": n_held_out if n_songs >= 20 else 0}
    assigned = ["train"] * len(found)
    if len(order) > 1:
        for cluster in order:
            name = next((name for name, left in free.items() if size[cluster] <= left), "train")
            assigned[cluster] = name
            if name in free:
                free[name] -= int(size[cluster])
        if "valid" not in assigned:  # every cluster is larger than a tenth
            assigned[min(order, key=lambda cluster: size[cluster])] = "valid"
    return [assigned[i] for i in np.searchsorted(found, clusters.head).tolist()]


def _sort_key(key: int, seed: int) -> bytes:
    return hashlib.blake2b(f"{seed} {key}".encode()).digest()
