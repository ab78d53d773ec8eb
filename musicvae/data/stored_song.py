"""A song as shards store it, and how it is read from the bytes of a file.

Nothing here depends on folders, processes or shards: `musicvae prepare` calls the same function as
anything else that asks what would be kept of a file, and why.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from typing import Any

from musicvae.chords import NO_CHORD, Chord, ChordMap, parse_harte
from musicvae.data.fingerprints import Fingerprint, fingerprint
from musicvae.io.options import ReadOptions
from musicvae.representation.bars import Bars

READER_VERSION = 9
"""Increase whenever the same bytes and options give a different row (notes, facts or reasons); rows
of another version are read again."""


@dataclass(frozen=True, kw_only=True)
class StoredSong:
    """A song on the stored grid, with its path, its hashes and facts from reading it.

    The chord map of `bars` holds what the file states; chords found in its notes are in `facts`.

    `facts` is plain JSON. The report sums up `parts`, a list of `{"name": ..., "role": ...}`;
    `bars`, a number of bars by reason (`kept` and others); `chords`, with their `source` and their
    number by quality; `warnings`, a list of lines. Other keys are stored as they are.
    """

    path: str
    bars: Bars
    fingerprint: Fingerprint
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def chords(self) -> ChordMap:
        """The chords that the file states, else those found in its notes; empty for guesses."""
        stated = self.bars.header.chords
        found = self.facts.get("chords", {}).get("found", [])
        if len(stated) or not found:
            return stated
        return ChordMap.from_chords((tick, _chord(label)) for tick, label, _ in found)


@cache
def _chord(label: str) -> Chord:
    """Return the chord of a stored label in Harte syntax."""
    parsed = parse_harte(label)
    return NO_CHORD if parsed is None else parsed[0]


def read_stored_song(content: bytes, name: str, options: ReadOptions) -> StoredSong:
    """Read the bytes of one file into a song to store.

    `name` is the file's path for messages; the format is detected from `content`. Raises
    `ReadError` with the reason if there is nothing to store.
    """
    from musicvae.data.pipeline import process_file  # stored songs load without the readers

    file = process_file(content, name, options)
    if not options.ungridded:
        file.barlines.require_grid(name)
    return StoredSong(
        path=name, bars=file.bars, fingerprint=fingerprint(file.bars), facts=file.facts()
    )
