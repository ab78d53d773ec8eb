"""Limits on what a file may hold, each with its reason.

Every limit is checked before the memory for what it bounds is allocated. Music stays far below;
files above are damaged, stress tests for players, or attacks. The limits of stored songs are in
`data.pipeline`, of `.z` files in `latent.file`, of checkpoints in `checkpoints.checkpoint`, and of
reading processes in `data.sandbox`.
"""

from __future__ import annotations

from pathlib import Path

from musicvae.errors import ReadError

MAX_FILE_BYTES = 64 << 20
"""Size of any file. Orchestral scores in MusicXML reach some ten megabytes."""
MAX_MIDI_BYTES = 8 << 20
"""Size of a MIDI file: a million notes at eight bytes each."""
MAX_NOTES = 1_000_000
"""Notes of a piece. A pianist playing ten notes a second needs a day for as many."""
MAX_PARTS = 1_000
"""Tracks with notes, counted once per program. A full orchestra needs about forty."""
MAX_CHANGES = 100_000
"""Tempo, meter and key changes, names, texts, lyrics and markers. A hand-drawn tempo map has some
thousand."""
MAX_QUARTERS = 100_000
"""Length of a piece: fourteen hours at 120 quarters a minute."""
MAX_INVALID_DATA = 1_000
"""MIDI events of a track with data bytes above 127."""
MAX_SCORE_BYTES = 64 << 20
"""Size of a score once unpacked. An orchestral movement has about 20 MiB."""
MAX_SCORE_CHARACTERS = 4 << 20
"""Text of one piece in ABC or Humdrum."""
MAX_SCORE_NOTES = 500_000
"""Notes of a score; an element of XML takes far more memory than an event of MIDI."""
MAX_SCORE_MEASURES = 200_000
"""Measures of a score, the total of all parts."""
MAX_SCORE_BARS = 20_000
"""Bars of a score as played, repeats included."""
MAX_SCORE_NOTE_QUARTERS = 1024
"""Length of a note, a rest or a measure of a score, of a bar of its meters and of the unit of its
notes: 256 bars of 4/4."""
MAX_SCORE_RESOLUTION = 10**30
"""Units of a quarter in which all times of a score are whole numbers. Tuplets of every number up to
31 within each other's bars need 10^12."""
MAX_SCORE_PARTS = 512
"""Staves of a score, which are drawn one below the other."""
MAX_RECORDING_S = 600.0
"""Duration of a recording that is transcribed, which takes about five seconds a minute."""
MAX_RECORDING_SAMPLES = 1 << 26
"""Samples of a recording, or of each channel of it: 23 minutes at 48 kHz."""
MAX_SAMPLE = 1e6
"""Magnitude of a sample in floating point, of which 1 is full scale; some programs write whole
numbers of 16 bits as floats."""
MAX_SILENCE_QUARTERS = 128
"""Silence kept after the last note of a piece that is shorter than this silence."""


def check_size(n_bytes: int, path: str | Path, limit: int = MAX_FILE_BYTES) -> None:
    """Raise `ReadError` for a file of more bytes than `limit`."""
    if n_bytes > limit:
        reason = f"{n_bytes / (1 << 20):.0f} MB, over the limit of {limit >> 20} MB"
        raise ReadError(path, reason, "leave it out, or cut it into pieces")


def check_counts(n_notes: int, n_parts: int, path: str | Path) -> None:
    """Raise `ReadError` for more notes or parts than a piece of music has."""
    if n_notes > MAX_NOTES:
        reason = f"{n_notes:,} notes, over the limit of {MAX_NOTES:,}"
        raise ReadError(path, reason, "leave it out, or cut it into pieces")
    if n_parts > MAX_PARTS:
        reason = f"{n_parts:,} parts, over the limit of {MAX_PARTS:,}"
        raise ReadError(path, reason, "leave it out, or merge its tracks")


def check_changes(n_changes: int, path: str | Path) -> None:
    """Raise `ReadError` for more tempo, meter and key changes than a piece of music has."""
    if n_changes > MAX_CHANGES:
        reason = f"more than {MAX_CHANGES:,} changes of tempo, meter or key"
        raise ReadError(path, reason, "leave it out, or export it again")


def check_length(ticks: int, ticks_per_quarter: int, path: str | Path) -> None:
    """Raise `ReadError` for a piece longer than `MAX_QUARTERS`."""
    quarters = ticks // ticks_per_quarter
    if quarters > MAX_QUARTERS:
        reason = f"its last note ends after {quarters:,} quarters (implausible delta times)"
        raise ReadError(path, reason, "leave it out, or export it again")
