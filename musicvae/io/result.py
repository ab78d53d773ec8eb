"""Result of reading a file: the song, the format of the file, and warnings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from musicvae.song import Song


@dataclass(frozen=True, kw_only=True)
class ReadResult:
    """A song with what is known about the file it was read from."""

    song: Song
    kind: str
    """Name of the format, for people: `MIDI`, `MusicXML`, `single voice`."""
    warnings: tuple[str, ...] = ()
    """One line for each repair and each omission."""
    transcription_note: str = ""
    """One line that sums up a transcription; empty for all other formats."""
    transcription_facts: Mapping[str, Any] = field(default_factory=dict)
    """The same as data: `tempo`, `meters`, `bars`, `key`."""

    @property
    def left_out(self) -> tuple[str, ...]:
        """The warnings that tell of something left out."""
        return tuple(warning for warning in self.warnings if "left out" in warning)


def plural(count: int, noun: str) -> str:
    """Return a count with its noun: ``plural(2, "note") == "2 notes"``."""
    return f"{count:,} {noun}" + ("" if count == 1 else "s")
