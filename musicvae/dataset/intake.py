"""Floor 5: the one way from a file's bytes to what shards store of it.

Nothing here knows of folders, processes or shards, so whatever wants to know what would be kept of
a file, and why, asks the same function that `musicvae prepare` asks.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from musicvae.bars import Bars
from musicvae.dataset.fingerprints import Hashes, Marks, marks
from musicvae.errors import ReadError
from musicvae.formats import midi
from musicvae.options import ReadOptions

READER = 1
"""To be raised whenever the same bytes and options give something else: older rows are then not
taken over."""
_MOST_CELLS = 2**27
"""Cells of the longest song that can be stored: about 14,000 hours at 120 quarters a minute."""


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
    song = midi.from_bytes(content, name)
    if not song.n_notes:
        raise ReadError(name, "no notes", "leave it out")
    bars = Bars.from_song(song)
    if int(bars.grid.base[-1]) >= _MOST_CELLS:
        raise ReadError(name, "longer than any piece of music", "leave it out")
    sounding = len(np.unique(bars.notes.bar))
    roles = ("drums" if part.is_drum else "other" for part in song.parts)
    facts = {
        "parts": [
            {"name": part.name, "role": role} for part, role in zip(song.parts, roles, strict=True)
        ],
        "bars": {"kept": sounding, "silent": len(bars) - sounding},
        "warnings": [],
    }
    return StoredSong(path=name, bars=bars, marks=marks(bars), facts=facts)
