"""A song as shards store it, and how it is read from the bytes of a file.

Nothing here depends on folders, processes or shards: `musicvae prepare` calls the same function as
anything else that asks what would be kept of a file, and why.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from musicvae.data.fingerprints import Fingerprint, fingerprint
from musicvae.errors import ReadError
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


def read_stored_song(content: bytes, name: str, options: ReadOptions) -> StoredSong:
    """Read the bytes of one file into a song to store.

    `name` is the file's path for messages; the format is detected from `content`. Raises
    `ReadError` with the reason if there is nothing to store.
    """
    from musicvae.data.pipeline import process_file  # stored songs load without the readers

    file = process_file(content, name, options)
    if not options.ungridded and (reason := file.barlines.grid_estimate.reject_reason):
        raise ReadError(name, reason)
    return StoredSong(
        path=name, bars=file.bars, fingerprint=fingerprint(file.bars), facts=file.facts()
    )
