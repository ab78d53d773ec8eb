"""Report of a prepared folder: every file kept, or skipped with a reason.

`report.json` is written file by file from the shards, in constant memory.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from musicvae.data.counts import Counts
from musicvae.data.duplicates import DUPLICATE_KINDS, DuplicateGroup
from musicvae.data.shards import iter_batches
from musicvae.storage import atomic_path

REPORT_FILE = "report.json"
OMITTED_KEYS = ("reasons", "examples")  # `skipped` holds them in full


@dataclass(frozen=True, kw_only=True)
class PrepareReport:
    """Outcome for every regular file under a folder.

    Sums are in memory; lists with one entry per file are read from `report.json` on demand.
    """

    counts: Counts
    """Sums over files: kept and skipped by reason, with their bars and parts. They are attributes
    of the report too: `report.kept` is `report.counts.kept`."""
    duplicates: Counter[str]
    """Groups of duplicates by kind (`duplicates.DUPLICATE_KINDS`)."""
    folder: Path = field(compare=False)

    def __repr__(self) -> str:
        sums = self.counts
        facts = f"{sums.kept:,} of {sums.files:,} files, {sums.windows:,} windows"
        return f"<PrepareReport: {facts}>"

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name == "counts":
            raise AttributeError(name)
        return getattr(self.counts, name)

    @property
    def skipped(self) -> list[dict[str, str]]:
        """`path` and `reason` of every file that was not kept."""
        found: list[dict[str, str]] = self.to_json()["skipped"]
        return found

    def to_json(self) -> dict[str, Any]:
        """Return the content of `report.json`."""
        found: dict[str, Any] = json.loads((self.folder / REPORT_FILE).read_text("utf-8"))
        return found


def write_report(
    folder: Path,
    shards: list[str],
    counts: Counts,
    groups: list[DuplicateGroup],
    settings: dict[str, Any],
) -> PrepareReport:
    """Write `report.json` beside the shards of a folder. Raises `WriteError`."""
    sums = {name: value for name, value in counts.to_json().items() if name not in OMITTED_KEYS}
    paths = _paths(folder, shards, [row for group in groups for row in group.rows])
    duplicates = (
        {"kind": group.kind, "paths": [paths[row] for row in group.rows]} for group in groups
    )
    lists = (("duplicates", duplicates), ("skipped", iter_skipped(folder, shards)))
    with atomic_path(folder / REPORT_FILE) as temporary, temporary.open("w", encoding="ascii") as f:
        f.write(json.dumps({**sums, "settings": settings}, indent=1).removesuffix("\n}"))
        for name, entries in lists:
            f.write(f',\n "{name}": [')
            for number, entry in enumerate(entries):
                f.write(("," if number else "") + "\n  " + json.dumps(entry))
            f.write("\n ]")
        f.write("\n}\n")
    by_kind = Counter(dict.fromkeys(DUPLICATE_KINDS, 0))
    by_kind.update(group.kind for group in groups)
    return PrepareReport(counts=counts, duplicates=by_kind, folder=folder)


def iter_skipped(folder: Path, shards: list[str]) -> Iterator[dict[str, str]]:
    """Yield `path` and `reason` of every skipped file of these shards."""
    for batch in iter_batches(folder, shards):
        reasons = batch.column("reason")
        if reasons.null_count < len(reasons):
            paths = batch.column("path").to_pylist()
            for path, reason in zip(paths, reasons.to_pylist(), strict=True):
                if reason is not None:
                    yield {"path": path, "reason": reason}


def _paths(folder: Path, shards: list[str], rows: Iterable[int]) -> dict[int, str]:
    """Look up the paths of rows, numbered in the order of files."""
    wanted, found, begin = np.unique(np.fromiter(rows, np.int64)), {}, 0
    for batch in iter_batches(folder, shards) if len(wanted) else ():
        first, last = np.searchsorted(wanted, (begin, begin + batch.num_rows))
        for row in wanted[first:last].tolist():
            found[row] = batch.column("path")[row - begin].as_py()
        begin += batch.num_rows
    return found
