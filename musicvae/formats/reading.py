"""Floor 3: what reading a file gives: the song, what kind of file it was, what was odd about it."""

from __future__ import annotations

from dataclasses import dataclass

from musicvae.song import Song


@dataclass(frozen=True, kw_only=True)
class Reading:
    """A song as its file tells it; `kind` names the format, `warnings` are one line each.

    `measured` says that its bars are those of a score, which no one needs to ask the music for.
    """

    song: Song
    kind: str
    warnings: tuple[str, ...] = ()
    measured: bool = False


def many(count: int, what: str) -> str:
    """How many of what, as warnings say it: ``many(2, "note") == "2 notes"``."""
    return f"{count:,} {what}" + ("" if count == 1 else "s")
