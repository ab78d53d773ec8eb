"""Floor 5: which songs are learned from and which are held out.

Songs that share much (duplicates, transpositions, other versions of one tune) form a cluster, and
a cluster is never divided. Which clusters are held out follows from their content and a seed.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np

from musicvae.song import Ints

SPLITS = ("train", "valid", "test")
_SHARED = 0.5  # share of the smaller song's bars that makes two songs one
_COMMON = 20  # a bar found in more songs than this says nothing about any two of them


def clusters(fingerprints: Sequence[Ints]) -> list[int]:
    """For each song the index of the first song of its cluster.

    `fingerprints[i]` are the bar hashes of song i (`shards.fingerprints`).
    """
    songs_of: dict[int, list[int]] = defaultdict(list)
    for song, prints in enumerate(fingerprints):
        for each in prints.tolist():
            songs_of[each].append(song)
    shared: dict[tuple[int, int], int] = defaultdict(int)
    for songs in songs_of.values():
        if len(songs) <= _COMMON:
            for i, first in enumerate(songs):
                for second in songs[i + 1 :]:
                    shared[first, second] += 1
    parent = list(range(len(fingerprints)))

    def root(song: int) -> int:
        while parent[song] != song:
            parent[song] = parent[parent[song]]
            song = parent[song]
        return song

    for (first, second), count in shared.items():
        fewest = min(len(fingerprints[first]), len(fingerprints[second]))
        if count >= max(2, _SHARED * fewest):
            one, other = sorted((root(first), root(second)))
            parent[other] = one
    return [root(song) for song in range(len(fingerprints))]


def split(fingerprints: Sequence[Ints], names: Sequence[str], seed: int = 0) -> list[str]:
    """`train`, `valid` or `test` for each song: 80, 10 and 10 hundredths, whole clusters each.

    With fewer than 20 songs there is no test split; with a single cluster nothing is held out.
    """
    cluster = clusters(fingerprints)
    size = Counter(cluster)
    heads = sorted(size, key=lambda head: _order(fingerprints[head], names[head], seed))
    held = max(1, round(0.1 * len(cluster)))
    room = {"valid": held, "test": held if len(cluster) >= 20 else 0}
    place = dict.fromkeys(heads, "train")
    if len(heads) > 1:
        for head in heads:
            where = next((where for where, left in room.items() if size[head] <= left), "train")
            place[head] = where
            if where in room:
                room[where] -= size[head]
        if "valid" not in place.values():  # every cluster is larger than a tenth
            place[min(heads, key=lambda head: size[head])] = "valid"
    return [place[head] for head in cluster]


def _order(prints: Ints, name: str, seed: int) -> bytes:
    content = prints.astype("<i8").tobytes() if len(prints) else name.encode()
    return hashlib.blake2b(content + np.int64(seed).tobytes()).digest()
