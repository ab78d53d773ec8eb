"""Floor 5: some files -> a record batch and its sums, inside a sandbox.

Rows of files that were read before, with the same settings, are taken over from the shards that are
there; what a file is called and where in the order it comes does not matter, its bytes do.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from musicvae.data.counts import Tally
from musicvae.data.reuse import earlier
from musicvae.data.sandbox_worker import still_at_work
from musicvae.data.schema import DIGEST_BYTES, NO_DIGEST, Row, kept_row, pack, schema, skipped_row
from musicvae.data.stored_song import StoredSong, intake
from musicvae.errors import ReadError, shown
from musicvae.io import load
from musicvae.io.options import ReadOptions

Intake = Callable[[bytes, str, ReadOptions], StoredSong]
Names = tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Reader:
    """What reads files of one folder: called with their names, it gives an answer (`packed`)."""

    root: str
    out: str
    settings: str
    options: ReadOptions
    intake: Intake = intake

    def __call__(self, names: Names) -> bytes:
        """Read these files; names are paths from the root."""
        return packed([self._row(name) for name in names])

    def _row(self, name: str) -> Row:
        still_at_work()
        path = shown(name)
        try:
            content = load(Path(self.root, name))
        except ReadError as error:
            return skipped_row(path, NO_DIGEST, _clean(error.reason))
        digest = hashlib.blake2b(content, digest_size=DIGEST_BYTES).digest()
        if known := earlier(self.out, self.settings).row(digest):
            return known | {"path": path}
        try:
            return kept_row(self.intake(content, path, self.options), digest)
        except ReadError as error:
            return skipped_row(path, digest, _clean(error.reason))
        except MemoryError:
            raise
        except Exception as error:  # a fault of a reader costs its file, and says which it was
            return skipped_row(
                path, digest, _clean(f"reader failed ({type(error).__name__}: {error})")
            )


def crashed_row(root: str, name: str, reason: str) -> Row:
    """The row of a file in which reading it ended the process; it is tried again the next time."""
    try:
        with open(os.path.join(root, name), "rb") as file:  # noqa: PTH118, PTH123
            digest = hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=DIGEST_BYTES))
        content = digest.digest()
    except OSError:
        content = NO_DIGEST
    return skipped_row(shown(name), content, _clean(reason), died=True)


def packed(rows: Sequence[Row]) -> bytes:
    """Rows as an answer: their sums as one line of JSON, then the record batch."""
    tally = Tally()
    for row in rows:
        tally.count(row)
    head = json.dumps(tally.to_json(), separators=(",", ":")).encode()
    return b"\n".join([head, pack(rows).serialize()])


def unpacked(answer: bytes) -> tuple[Tally, Any]:
    """The sums and the record batch of an answer; nothing of it is copied."""
    import pyarrow as pa

    end = answer.index(b"\n")
    batch = pa.ipc.read_record_batch(pa.py_buffer(answer)[end + 1 :], schema())
    return Tally.from_json(json.loads(answer[:end])), batch


def _clean(reason: str) -> str:
    """A reason as one line that is text, whatever names and bytes it quotes."""
    return shown(" ".join(reason.split()))
