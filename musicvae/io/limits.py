"""Floor 3: how much a file may hold before it is declined, and why just so much.

Every limit is checked before the memory for what it bounds is asked for. Music stays far below;
what is above is damage, a stress test for players, or meant to hurt.
"""

from __future__ import annotations

from pathlib import Path

from musicvae.errors import ReadError

MAX_FILE_BYTES = 64 << 20
"""Of any file at all. Orchestral scores in MusicXML reach some ten megabytes."""
MAX_MIDI_BYTES = 8 << 20
"""Of a MIDI file: a million notes at eight bytes each."""
MAX_NOTES = 1_000_000
"""A pianist playing ten notes a second needs a day for so many."""
MAX_PARTS = 1_000
"""Tracks with notes in them, one more for each program. A full orchestra needs about forty."""
MAX_CHANGES = 100_000
"""Changes of tempo, meter and key, with names, lyrics and marks. A tempo map drawn by hand has some
thousand."""
MAX_QUARTERS = 100_000
"""Length of a piece: fourteen hours at 120 quarters a minute."""
MAX_SILENCE_QUARTERS = 128
"""Silence after the last note that is still believed, if the music itself is no longer."""


def check_bytes(size: int, path: str | Path, limit: int = MAX_FILE_BYTES) -> None:
    """Raises `ReadError` for a file of more bytes than `limit`."""
    if size > limit:
        reason = f"{size / (1 << 20):.0f} MB, more than the {limit >> 20} MB that are read"
        raise ReadError(path, reason, "leave it out, or cut it into pieces")


def check_counts(notes: int, parts: int, path: str | Path) -> None:
    """Raises `ReadError` for more notes or parts than a piece of music has."""
    if notes > MAX_NOTES:
        reason = f"{notes:,} notes, more than the {MAX_NOTES:,} that are read"
        raise ReadError(path, reason, "leave it out, or cut it into pieces")
    if parts > MAX_PARTS:
        reason = f"{parts:,} parts, more than the {MAX_PARTS:,} that are read"
        raise ReadError(path, reason, "leave it out, or merge its tracks")


def check_changes(changes: int, path: str | Path) -> None:
    """Raises `ReadError` for more changes of tempo, meter and key than anyone would write."""
    if changes > MAX_CHANGES:
        reason = f"more than {MAX_CHANGES:,} changes of tempo, meter or key"
        raise ReadError(path, reason, "leave it out, or export it again")


def check_length(ticks: int, ticks_per_quarter: int, path: str | Path) -> None:
    """Raises `ReadError` for a piece that lasts longer than any."""
    quarters = ticks // ticks_per_quarter
    if quarters > MAX_QUARTERS:
        reason = f"its last note ends after {quarters:,} quarters (absurd times between events)"
        raise ReadError(path, reason, "leave it out, or export it again")
