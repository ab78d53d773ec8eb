"""Floor 3: Song -> a song for each of its parts, which lie on one another in a DAW."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from musicvae.song import Part, Song

_LONGEST = 32


def stems_of(song: Song) -> dict[str, Song]:
    """Each part that sounds as a song of the same tempo, meter, key and length, by a name that
    can be a file's: `soprano`, `drums`, `bass-2`.
    """
    found: dict[str, Song] = {}
    for nth, part in enumerate(song.parts, start=1):
        if not len(part):
            continue
        plain = _plain(part) or f"part-{nth}"
        name, more = plain, 2
        while name in found:
            name, more = f"{plain}-{more}", more + 1
        found[name] = replace(song, parts=(part,))
    return found


def stem_path(path: Path, name: str) -> Path:
    """Where a stem goes beside its song: `song.mid` has `song.bass.mid`."""
    return path.with_name(f"{path.stem}.{name}{path.suffix}")


def _plain(part: Part) -> str:
    words = re.sub(r"[^\w]+", "-", part.name.lower()).strip("-_")[:_LONGEST].strip("-_")
    return words or ("drums" if part.is_drum else "")
