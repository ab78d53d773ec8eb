"""Reading of a chunk of files inside a sandbox: file names -> a record batch and its counts.

Rows of files that were read before with the same settings are reused. What counts are a file's
bytes, not its name or position in the order. A book of tunes gives a row for each.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from musicvae.data.counts import Counts
from musicvae.data.reuse import previous_rows
from musicvae.data.sandbox import Limits
from musicvae.data.sandbox_worker import heartbeat
from musicvae.data.schema import (
    DIGEST_BYTES,
    NO_DIGEST,
    Row,
    rows_to_batch,
    schema,
    skipped_row,
    song_to_row,
)
from musicvae.data.stored_song import StoredSong, read_stored_song
from musicvae.errors import ReadError, printable
from musicvae.io import load
from musicvae.io.members import song_members
from musicvae.io.options import ReadOptions

UNGRIDDED_SECONDS = 120.0  # for a file, where beats are tracked: a recital takes half a minute

ReadSong = Callable[[bytes, str, ReadOptions], StoredSong]
Names = tuple[str, ...]


def reading_limits(options: ReadOptions) -> Limits:
    """Return the limits of reading one file."""
    return Limits(seconds=UNGRIDDED_SECONDS) if options.ungridded else Limits()


@dataclass(frozen=True, kw_only=True)
class Reader:
    """A callable that reads files of one folder and returns an answer (`pack_answer`)."""

    root: str
    out: str
    settings: str
    options: ReadOptions
    read_song: ReadSong = read_stored_song

    def __call__(self, names: Names) -> bytes:
        """Read these files; names are paths from the root."""
        return pack_answer([row for name in names for row in self._rows(name)])

    def _rows(self, name: str) -> list[Row]:
        """Return the row of a file, or one for each tune of a book."""
        heartbeat()
        path = printable(name)
        try:
            content = load(Path(self.root, name))
            members = song_members(content, path)
        except ReadError as error:
            return [skipped_row(path, NO_DIGEST, _one_line(error.reason))]
        return [self._row(path + member.suffix, member.content) for member in members]

    def _row(self, path: str, content: bytes) -> Row:
        heartbeat(len(content))
        digest = hashlib.blake2b(content, digest_size=DIGEST_BYTES).digest()
        if known := previous_rows(self.out, self.settings).row(digest):
            return known | {"path": path}
        try:
            return song_to_row(self.read_song(content, path, self.options), digest)
        except ReadError as error:
            return skipped_row(path, digest, _one_line(error.reason))
        except MemoryError:
            raise
        except Exception as error:  # a bug in a reader costs its file and is reported by name
            return skipped_row(
                path, digest, _one_line(f"reader failed ({type(error).__name__}: {error})")
            )


def crashed_row(root: str, name: str, reason: str) -> Row:
    """Return the row of a file whose reader process died; the next run tries it again."""
    try:
        with open(os.path.join(root, name), "rb") as file:  # noqa: PTH118, PTH123
            digest = hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=DIGEST_BYTES))
        content = digest.digest()
    except OSError:
        content = NO_DIGEST
    return skipped_row(printable(name), content, _one_line(reason), died=True)


def pack_answer(rows: Sequence[Row]) -> bytes:
    """Serialize rows: their counts as one line of JSON, then the record batch."""
    counts = Counts()
    for row in rows:
        counts.count(row)
    head = json.dumps(counts.to_json(), separators=(",", ":")).encode()
    return b"\n".join([head, rows_to_batch(rows).serialize()])


def unpack_answer(answer: bytes) -> tuple[Counts, Any]:
    """Return the counts and the record batch of an answer, without copying."""
    import pyarrow as pa

    end = answer.index(b"\n")
    batch = pa.ipc.read_record_batch(pa.py_buffer(answer)[end + 1 :], schema())
    return Counts.from_json(json.loads(answer[:end])), batch


def _one_line(reason: str) -> str:
    """Return a reason as one line of printable text, whatever names and bytes it quotes."""
    return printable(" ".join(reason.split()))
