"""Cache of parsed corpora: one zip archive each, of MIDI files and a JSON index.

The folder is `$MUSICVAE_CACHE`, else `musicvae` in the user's cache folder. A cache that is damaged
or cannot be written is treated as missing: nothing here raises.
"""

from __future__ import annotations

import json
import os
import sys
import zipfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from musicvae.data.corpora.parse import Piece, Skipped
from musicvae.data.corpora.sources import music21_version
from musicvae.errors import WriteError
from musicvae.storage import atomic_path

EXPORTER_VERSION = 2  # increase whenever the exported bytes change
_INDEX_NAME = "index.json"
_ZIP_DATE = (1980, 1, 1, 0, 0, 0)  # fixed, so that archives are reproducible


def corpora_cache_folder() -> Path:
    """Return the folder of parsed corpora."""
    if chosen := os.environ.get("MUSICVAE_CACHE"):
        return Path(chosen)
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or "~/AppData/Local"
    elif sys.platform == "darwin":
        base = "~/Library/Caches"
    else:
        base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(os.path.expanduser(base)) / "musicvae"  # noqa: PTH111 - never raises


def path(name: str) -> Path:
    """Return the cache file of a corpus; its name has the versions of music21 and the exporter."""
    return corpora_cache_folder() / f"{name}-music21-{music21_version()}-v{EXPORTER_VERSION}.zip"


def load(name: str) -> list[Piece | Skipped] | None:
    """Return the pieces of a corpus in order, or None if they are not cached completely."""
    try:
        with zipfile.ZipFile(path(name)) as archive:
            index = json.loads(archive.read(_INDEX_NAME))
            return [
                Skipped(**entry)
                if "reason" in entry
                else Piece(**entry, midi=archive.read(f"{entry['stem']}.mid"))
                for entry in index
            ]
    except (OSError, zipfile.BadZipFile, ValueError, KeyError, TypeError, EOFError):
        return None


def save(name: str, results: Sequence[Piece | Skipped]) -> Path | None:
    """Cache a complete corpus; return the file, or None if it cannot be written."""
    index, target = [], path(name)
    try:
        with atomic_path(target) as temporary, zipfile.ZipFile(temporary, "w") as archive:
            for result in results:
                entry = asdict(result)
                if isinstance(result, Piece):
                    _add_file(archive, f"{result.stem}.mid", entry.pop("midi"))
                index.append(entry)
            _add_file(archive, _INDEX_NAME, json.dumps(index, indent=0).encode())
    except (WriteError, OSError):
        return None
    return target


def _add_file(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    """Add a file to an archive, with a fixed date."""
    info = zipfile.ZipInfo(name, _ZIP_DATE)
    archive.writestr(info, content, zipfile.ZIP_DEFLATED)
