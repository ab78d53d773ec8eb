"""Options for reading files, the same for every command and from Python."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class ReadOptions:
    """How a file becomes a `Song`. The defaults are those for training."""

    pedal: bool = False
    """Let the sustain pedal lengthen notes (else notes end with their key)."""
    repeats: bool = False
    """Play the repeats of a score (else read each bar once, as written)."""
    merge: bool = True
    """Merge the tracks of one instrument into one part: a piano's hands, a kit's drums."""
    ungridded: bool = False
    """Accept a performance without a metrical grid, whose beats are then tracked from the onsets
    (else it is declined with a reason)."""
    as_written: bool = False
    """Keep the notated grid and bar lines (else they are checked against the notes)."""
