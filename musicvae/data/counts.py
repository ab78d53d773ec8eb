"""Counters that a preparation report sums up, chunk by chunk, in constant memory."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np

from musicvae.data.schema import Row

MAX_KINDS = 500  # distinct reasons or warnings that are counted apart
OTHER_KINDS = "others"
MAX_EXAMPLES = 3
_NUMBER = re.compile(r"(?<![\w.])-?[0-9]+(?:,[0-9]{3})*(?:\.[0-9]+)?(?![\w/])")


def message_template(message: str) -> str:
    """Return a reason or warning with `N` for each number, so that similar ones count together."""
    return _NUMBER.sub("N", message)


@dataclass(kw_only=True)
class Counts:
    """Sums over files. The field names are the keys of `report.json`."""

    files: int = 0
    """Files, and each tune of a book."""
    kept: int = 0
    bars: int = 0
    windows: int = 0
    """Places where a window of two bars with at least one note can begin."""
    notes: int = 0
    moved: int = 0
    """Notes that were not exactly on the stored grid."""
    merged: int = 0
    """Notes that fell onto another of their part and pitch."""
    reasons: Counter[str] = field(default_factory=Counter)
    """Skipped files by message template of the reason."""
    parts: Counter[str] = field(default_factory=Counter)
    """Parts by role."""
    bars_by_reason: Counter[str] = field(default_factory=Counter)
    chords: Counter[str] = field(default_factory=Counter)
    """Songs by where their chords are from (see `ChordEstimate`)."""
    qualities: Counter[str] = field(default_factory=Counter)
    """Chords by quality, in Harte syntax."""
    warnings: Counter[str] = field(default_factory=Counter)
    """Kept files by message template of each warning."""
    examples: dict[str, list[str]] = field(default_factory=dict)
    """Paths of the first few skipped files for each reason."""

    def count(self, row: Row) -> None:
        """Add one file."""
        self.files += 1
        if row["reason"] is not None:
            reason = message_template(row["reason"])
            self.reasons[reason] += 1
            if len(paths := self.examples.setdefault(reason, [])) < MAX_EXAMPLES:
                paths.append(row["path"])
            return
        self.kept += 1
        n_bars = len(row["bar_steps"])
        self.bars += n_bars
        has_onset = np.zeros(n_bars + 1, bool)
        has_onset[row["note_bar"]] = True
        self.windows += int(np.count_nonzero(has_onset[:-1] | has_onset[1:]))
        self.notes += len(row["note_bar"])
        moved, merged = json.loads(row["frame"])["counts"]
        self.moved += moved
        self.merged += merged
        facts = json.loads(row["facts"])
        self.parts.update(part["role"] for part in facts.get("parts", ()))
        self.bars_by_reason.update(facts.get("bars", {}))
        if chords := facts.get("chords"):
            self.chords[chords["source"]] += 1
            self.qualities.update(chords["qualities"])
        kinds = dict.fromkeys(map(message_template, facts.get("warnings", ())))  # in their order
        self.warnings.update(list(kinds))

    def add(self, other: Counts) -> None:
        """Add the sums over other files, which come after these."""
        for each in fields(self):
            mine, theirs = getattr(self, each.name), getattr(other, each.name)
            if isinstance(theirs, int):
                setattr(self, each.name, mine + theirs)
            elif isinstance(theirs, Counter):
                for kind, number in theirs.items():
                    mine[kind if kind in mine or len(mine) < MAX_KINDS else OTHER_KINDS] += number
        for reason, paths in other.examples.items():
            if reason in self.reasons:
                known = self.examples.setdefault(reason, [])
                known.extend(paths[: MAX_EXAMPLES - len(known)])

    def to_json(self) -> dict[str, Any]:
        """Return the counters as plain JSON; the inverse is `from_json`."""
        return dict(vars(self))

    @classmethod
    def from_json(cls, plain: dict[str, Any]) -> Counts:
        """Build counters from the JSON that `to_json` returned."""
        counters = [each.name for each in fields(cls) if each.type == "Counter[str]"]
        return cls(**plain | {name: Counter(plain.get(name, {})) for name in counters})
