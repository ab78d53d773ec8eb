"""Floor 5: the one way from a file's bytes to what shards store of it.

Nothing here knows of folders, processes or shards, so whatever wants to know what would be kept of
a file, and why, asks the same function that `musicvae prepare` asks.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from musicvae.data.fingerprints import Hashes, Marks, marks
from musicvae.errors import ReadError
from musicvae.io.options import ReadOptions
from musicvae.representation.bars import Bars

READER = 4
"""To be raised whenever the same bytes and options give something else: older rows are then not
taken over."""


@dataclass(frozen=True, kw_only=True)
class StoredSong:
    """A song as shards hold it: on the stored grid, with where it came from.

    `facts` is what reading found out, in plain JSON. The report sums up these of it: `parts`, a
    list of `{"name": ..., "role": ...}`; `bars`, a number of bars for each reason (`kept` and
    others); `warnings`, a list of lines. Anything else is kept as it is.
    """

    path: str
    bars: Bars
    marks: Marks
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def fingerprints(self) -> Hashes:
        """One number for each different bar with enough notes, the same in every transposition."""
        return self.marks.bars


def intake(content: bytes, name: str, options: ReadOptions) -> StoredSong:
    """One file as it is stored. Raises `ReadError` with the reason if it has nothing to give.

    `name` is the file's path as people know it; what kind of file it is, `content` says.
    """
    from musicvae.data.pipeline import examine  # songs are stored and known without reading

    seen = examine(content, name, options)
    if not options.ungridded and (reason := seen.alignment.fit.decline):
        raise ReadError(name, reason, "keep it with --allow-ungridded")
    return StoredSong(path=name, bars=seen.bars, marks=marks(seen.bars), facts=seen.facts())
