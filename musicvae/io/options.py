"""Floor 1: the choices one has when a file is read, the same for every command and from Python."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class ReadOptions:
    """How files become songs. The defaults are what learning wants."""

    pedal: bool = False
    """Let the sustain pedal lengthen notes (else notes are as long as their keys were held)."""
    repeats: bool = False
    """Play the repeats of a score as often as it says (else each bar once, as written)."""
    merge: bool = True
    """Make one part of tracks that are one instrument: a piano's hands, a kit's drums."""
    ungridded: bool = False
    """Keep a performance that follows no grid (else it is declined with its reason)."""
    as_written: bool = False
    """Take grid and bar lines of the file as they are, without asking whether the notes agree."""
