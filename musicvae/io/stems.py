"""Stems: a song for each part, aligned in time, for import into a DAW."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from musicvae.song import Part, Song

_MAX_NAME_LENGTH = 32


def split_stems(song: Song) -> dict[str, Song]:
    """Return a song for each part with notes, of the same tempo, meter, key and length.

    Keys are unique names that are valid in file names: `soprano`, `drums`, `bass-2`.
    """
    stems: dict[str, Song] = {}
    for number, part in enumerate(song.parts, start=1):
        if not len(part):
            continue
        base = _file_name(part) or f"part-{number}"
        name, count = base, 2
        while name in stems:
            name, count = f"{base}-{count}", count + 1
        stems[name] = replace(song, parts=(part,))
    return stems


def stem_path(path: Path, name: str) -> Path:
    """Return the path of a stem beside its song: `song.bass.mid` for `song.mid`."""
    return path.with_name(f"{path.stem}.{name}{path.suffix}")


def _file_name(part: Part) -> str:
    """Return the name of a part as letters, digits and hyphens, or an empty string."""
    name = re.sub(r"[^\w]+", "-", part.name.lower()).strip("-_")[:_MAX_NAME_LENGTH].strip("-_")
    return name or ("drums" if part.is_drum else "")
