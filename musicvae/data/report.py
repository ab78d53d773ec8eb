"""Floor 5: the account of a prepared folder: every file kept, or skipped and why.

`report.json` is written file by file from the shards, so it needs no more memory for many files.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from musicvae.data.counts import Tally
from musicvae.data.duplicates import KINDS, Group
from musicvae.data.shards import batches_of
from musicvae.storage import replacing

REPORT = "report.json"
_INNER = ("reasons", "examples")  # of a tally: `skipped` says the same in full


@dataclass(frozen=True, kw_only=True)
class PrepareReport:
    """What became of every regular file under a folder.

    Sums are held; what has an entry a file is read from `report.json` when it is asked for.
    """

    tally: Tally
    """Sums over files: how many were kept, and skipped for which reasons, their bars and parts."""
    duplicates: Counter[str]
    """Groups of songs that are one, by kind (`duplicates.KINDS`)."""
    folder: Path = field(compare=False)

    def __repr__(self) -> str:
        sums = self.tally
        facts = f"{sums.kept:,} of {sums.files:,} files, {sums.windows:,} windows"
        return f"<PrepareReport: {facts}>"

    def __getattr__(self, name: str) -> Any:
        """The sums by their own names: `report.kept` is `report.tally.kept`."""
        if name.startswith("_") or name == "tally":
            raise AttributeError(name)
        return getattr(self.tally, name)

    @property
    def skipped(self) -> list[dict[str, str]]:
        """`path` and `reason` of every file that was not kept."""
        found: list[dict[str, str]] = self.to_json()["skipped"]
        return found

    def to_json(self) -> dict[str, Any]:
        """The whole report, as `report.json` has it."""
        found: dict[str, Any] = json.loads((self.folder / REPORT).read_text("utf-8"))
        return found


def write_report(
    folder: Path, shards: list[str], tally: Tally, groups: list[Group], settings: dict[str, Any]
) -> PrepareReport:
    """Write `report.json` beside the shards of a folder. Raises `WriteError`."""
    sums = {name: value for name, value in tally.to_json().items() if name not in _INNER}
    paths = _paths(folder, shards, [row for group in groups for row in group.rows])
    duplicates = (
        {"kind": group.kind, "paths": [paths[row] for row in group.rows]} for group in groups
    )
    with replacing(folder / REPORT) as aside, aside.open("w", encoding="ascii") as file:
        file.write(json.dumps({**sums, "settings": settings}, indent=1).removesuffix("\n}"))
        for name, entries in (("duplicates", duplicates), ("skipped", skipped_in(folder, shards))):
            file.write(f',\n "{name}": [')
            for number, entry in enumerate(entries):
                file.write(("," if number else "") + "\n  " + json.dumps(entry))
            file.write("\n ]")
        file.write("\n}\n")
    found = Counter(dict.fromkeys(KINDS, 0))
    found.update(group.kind for group in groups)
    return PrepareReport(tally=tally, duplicates=found, folder=folder)


def skipped_in(folder: Path, shards: list[str]) -> Iterator[dict[str, str]]:
    """`path` and `reason` of every file of these shards that was not kept."""
    for batch in batches_of(folder, shards):
        reason = batch.column("reason")
        if reason.null_count < len(reason):
            for path, why in zip(batch.column("path").to_pylist(), reason.to_pylist(), strict=True):
                if why is not None:
                    yield {"path": path, "reason": why}


def _paths(folder: Path, shards: list[str], rows: Iterable[int]) -> dict[int, str]:
    """The paths of some files by their number in the order of files."""
    wanted, found, begin = np.unique(np.fromiter(rows, np.int64)), {}, 0
    for batch in batches_of(folder, shards) if len(wanted) else ():
        first, last = np.searchsorted(wanted, (begin, begin + batch.num_rows))
        for row in wanted[first:last].tolist():
            found[row] = batch.column("path")[row - begin].as_py()
        begin += batch.num_rows
    return found
