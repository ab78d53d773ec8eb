"""Parsed corpora, kept as one zip of MIDI files and an index each. No pickle.

The folder is `$MUSICVAE_CACHE`, else `musicvae` in the user's cache folder. A cache that cannot
be written, or was damaged, is as good as none: nothing here raises.
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

EXPORTER_VERSION = 1  # raise it whenever the exported bytes change
_INDEX_NAME = "index.json"
_ZIP_DATE = (1980, 1, 1, 0, 0, 0)  # the same bytes whenever it is written


def cache_folder() -> Path:
    """Where parsed corpora are kept."""
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
    """The file for corpus `name`; another music21 or another exporter means another file."""
    return cache_folder() / f"{name}-music21-{music21_version()}-v{EXPORTER_VERSION}.zip"


def load(name: str) -> list[Piece | Skipped] | None:
    """The pieces of the corpus in their order, or None if they are not there in full."""
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
    """Keep the whole corpus; None if there is no place for it."""
    index, target = [], path(name)
    try:
        with atomic_path(target) as aside, zipfile.ZipFile(aside, "w") as archive:
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
    info = zipfile.ZipInfo(name, _ZIP_DATE)
    archive.writestr(info, content, zipfile.ZIP_DEFLATED)
