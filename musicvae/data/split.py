"""Split of a dataset into training, validation and test songs.

Songs that share much (duplicates, transpositions, other versions of one tune) form a cluster, and
a cluster is never divided. Which clusters are held out depends on their content and a seed alone.

A folder may say itself which songs are held out, by a table `split.csv` with the columns `file` (a
path from the folder of the table) and `split`; other songs of the folder are split as above.
"""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from musicvae.data.discover import SPLIT_FILE
from musicvae.data.shards import Clusters, Shards
from musicvae.errors import DataError, ReadError, WriteError, os_reason
from musicvae.io import load
from musicvae.io.members import parse_member_path
from musicvae.storage import write_bytes

SPLITS = ("train", "valid", "test")
_COLUMNS = ("file", "split")


def split_shards(shards: Shards, seed: int = 0) -> list[str]:
    """Return `train`, `valid` or `test` for each song of prepared shards.

    Raises `DataError` for an invalid table of splits.
    """
    table = read_split_table(shards.folder / SPLIT_FILE)
    clusters = shards.clusters()
    if not table:
        return split_songs(clusters, seed)
    assigned = [_find_split(table, path) for path in shards.paths()]
    others = np.array([i for i, split in enumerate(assigned) if not split], np.int64)
    if len(others):
        rest = split_songs(Clusters(clusters.head[others], clusters.key[others]), seed)
        for i, split in zip(others.tolist(), rest, strict=True):
            assigned[i] = split
    return assigned


def read_split_table(path: Path) -> dict[str, str]:
    """Return the split of each file that a table names, empty if there is no such file.

    Raises `DataError` with the line for an invalid table.
    """
    if not path.is_file():
        return {}
    hint = "give a table with the columns file and split (train, valid or test)"
    try:
        rows = list(csv.reader(io.StringIO(load(path).decode("utf-8-sig"), newline="")))
    except (ReadError, UnicodeDecodeError, csv.Error) as error:
        reason = error.reason if isinstance(error, ReadError) else str(error)
        raise DataError(f"{path}: {reason}; {hint}") from None
    table: dict[str, str] = {}
    if tuple(rows[:1][0] if rows else ()) != _COLUMNS:
        raise DataError(f"{path}: its first line is not file,split; {hint}")
    for number, row in enumerate(rows[1:], start=2):
        if not row:
            continue
        if len(row) != len(_COLUMNS) or row[1] not in SPLITS:
            raise DataError(f"{path}: line {number} is invalid; {hint}")
        table[row[0]] = row[1]
    return table


def write_split_table(path: Path, table: dict[str, str]) -> None:
    """Write a table of splits; without entries, remove it. Raises `WriteError`."""
    if not table:
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise WriteError(path, os_reason(error), "choose another folder") from None
        return
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows([_COLUMNS, *table.items()])
    write_bytes(path, text.getvalue().encode("utf-8", "surrogateescape"))


def merge_split_tables(root: Path, split_files: Sequence[str]) -> dict[str, str]:
    """Return the table of a folder from those in it and its subfolders. Raises `DataError`."""
    merged: dict[str, str] = {}
    for name in split_files:
        folder = name.removesuffix(SPLIT_FILE)
        table = read_split_table(root / name)
        merged |= {folder + file: split for file, split in table.items()}
    return merged


def _find_split(table: dict[str, str], path: str) -> str:
    """Return the split of a song's path, or of the book of tunes it is in; else an empty text."""
    if path in table:
        return table[path]
    book = parse_member_path(path)
    return table.get(book[0].as_posix(), "") if book else ""


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
