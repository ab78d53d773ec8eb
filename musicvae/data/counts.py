"""Floor 5: what a report sums up, chunk by chunk: a few counters, however many files there are."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np

from musicvae.data.schema import Row

_KINDS = 500  # different reasons or warnings that are told apart
_OTHERS = "others"
_EXAMPLES = 3
_NUMBER = re.compile(r"(?<![\w.])-?[0-9]+(?:,[0-9]{3})*(?:\.[0-9]+)?(?![\w/])")


def alike(words: str) -> str:
    """A reason or warning with its numbers left open, so that those of one kind count as one."""
    return _NUMBER.sub("N", words)


@dataclass(kw_only=True)
class Tally:
    """Sums over files."""

    files: int = 0
    kept: int = 0
    bars: int = 0
    windows: int = 0
    """Places where a window of two bars with a note in it can begin."""
    notes: int = 0
    moved: int = 0
    """Notes that were not exactly on the stored grid."""
    merged: int = 0
    """Notes that fell onto another of their part and pitch."""
    reasons: Counter[str] = field(default_factory=Counter)
    """Skipped files by reason, whatever the numbers in it."""
    parts: Counter[str] = field(default_factory=Counter)
    """Parts by role."""
    bars_by_reason: Counter[str] = field(default_factory=Counter)
    warnings: Counter[str] = field(default_factory=Counter)
    """Files by what was odd about them, whatever the numbers in it."""
    examples: dict[str, list[str]] = field(default_factory=dict)
    """The first few files of each reason."""

    def count(self, row: Row) -> None:
        """Add one file."""
        self.files += 1
        if row["reason"] is not None:
            reason = alike(row["reason"])
            self.reasons[reason] += 1
            if len(some := self.examples.setdefault(reason, [])) < _EXAMPLES:
                some.append(row["path"])
            return
        self.kept += 1
        n_bars = len(row["bar_steps"])
        self.bars += n_bars
        sounds = np.zeros(n_bars + 1, bool)
        sounds[row["note_bar"]] = True
        self.windows += int(np.count_nonzero(sounds[:-1] | sounds[1:]))
        self.notes += len(row["note_bar"])
        moved, merged = json.loads(row["frame"])["counts"]
        self.moved += moved
        self.merged += merged
        facts = json.loads(row["facts"])
        self.parts.update(part["role"] for part in facts.get("parts", ()))
        self.bars_by_reason.update(facts.get("bars", {}))
        self.warnings.update({alike(warning) for warning in facts.get("warnings", ())})

    def add(self, other: Tally) -> None:
        """Add the sums over other files, which come after these."""
        for each in fields(self):
            mine, theirs = getattr(self, each.name), getattr(other, each.name)
            if isinstance(theirs, int):
                setattr(self, each.name, mine + theirs)
            elif isinstance(theirs, Counter):
                for what, number in theirs.items():
                    mine[what if what in mine or len(mine) < _KINDS else _OTHERS] += number
        for reason, paths in other.examples.items():
            if reason in self.reasons:
                known = self.examples.setdefault(reason, [])
                known.extend(paths[: _EXAMPLES - len(known)])

    def to_json(self) -> dict[str, Any]:
        """As plain JSON; the inverse is `from_json`."""
        return dict(vars(self))

    @classmethod
    def from_json(cls, plain: dict[str, Any]) -> Tally:
        """From what `to_json` gave, as JSON gives it back."""
        counters = ("reasons", "parts", "bars_by_reason", "warnings")
        return cls(**plain | {name: Counter(plain[name]) for name in counters})
