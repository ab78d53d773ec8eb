"""Floor 3: what reading a file gives: the song, what kind of file it was, what was odd about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from musicvae.song import Song


@dataclass(frozen=True, kw_only=True)
class Reading:
    """A song as its file tells it; `kind` names the format, `warnings` are one line each.

    `measured` says that its bars are those of a score, which no one needs to ask the music for;
    `heard` is a line on what was made of sound, empty for all else, and `facts` the same as data.
    """

    song: Song
    kind: str
    warnings: tuple[str, ...] = ()
    measured: bool = False
    heard: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)


def many(count: int, what: str) -> str:
    """How many of what, as warnings say it: ``many(2, "note") == "2 notes"``."""
    return f"{count:,} {what}" + ("" if count == 1 else "s")
