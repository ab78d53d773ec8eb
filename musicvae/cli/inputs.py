"""What the commands that make songs share: load a model, read inputs, write results."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from musicvae.cli.console import console
from musicvae.errors import DataError, MusicVAEError, one_line
from musicvae.storage import is_folder

if TYPE_CHECKING:
    from musicvae.downbeats import Alignment
    from musicvae.io.options import ReadOptions
    from musicvae.io.result import Reading
    from musicvae.model import MusicVAE

_TOLD: set[Path] = set()
"""Recordings of which it was told what was heard."""


def load_model(
    checkpoint: str | None,
    device: str,
    seed: int | None = None,
    songs: Sequence[Alignment] = (),
    mends: Sequence[str] = (),
) -> MusicVAE:
    """The model asked for, or the one that suits the songs; stderr says which one, and why.

    `mends` is damage that it must know; without any it must be one that makes songs.
    """
    from musicvae.model import MusicVAE

    path, why = _chosen(checkpoint, songs, mends)
    _tell(path, why, "" if seed is None else f", seed {seed}")
    return MusicVAE.load(path, device=device)


class Models:
    """The model asked for, or for each song the one that suits it; loaded once, told when new."""

    def __init__(self, checkpoint: str | None, device: str, mends: Sequence[str] = ()) -> None:
        self.checkpoint, self.device, self.mends = checkpoint, device, mends
        self._loaded: dict[Path, MusicVAE] = {}
        self._latest = _chosen(checkpoint, (), mends)[
            0
        ]  # none at all is an error before any song is read

    def suiting(self, song: Alignment) -> MusicVAE:
        """The model for a song."""
        from musicvae.model import MusicVAE

        path, why = _chosen(self.checkpoint, (song,), self.mends)
        if not self._loaded or path != self._latest:
            _tell(path, why)
        if path not in self._loaded:
            self._loaded[path] = MusicVAE.load(path, device=self.device)
        self._latest = path
        return self._loaded[path]


def _chosen(
    checkpoint: str | None, songs: Sequence[Alignment], mends: Sequence[str] = ()
) -> tuple[Path, str]:
    """The checkpoint to use, and why if it was not named."""
    from musicvae.checkpoints import choose, find
    from musicvae.representation.bars import Bars

    if checkpoint is not None:
        return find(checkpoint), ""
    choice = choose([Bars.from_song(each.song) for each in songs], mends=mends)
    return choice.path, choice.why


def _tell(path: Path, why: str, more: str = "") -> None:
    console().print(one_line(f"using {path}" + (f" ({why})" if why else "") + more))


def read_aligned(path: Path, options: ReadOptions) -> Alignment:
    """The song of a file, whatever kind it is, with its bar lines where the music has them.

    Raises `ReadError` if it cannot be read, or is a performance without a grid and these are not
    allowed.
    """
    from musicvae.downbeats import align
    from musicvae.errors import ReadError

    reading = _read(path, options)
    found = align(reading.song, as_written=options.as_written, measured=reading.measured)
    if not options.ungridded and (reason := found.fit.decline):
        raise ReadError(path, reason, "take it all the same with --allow-ungridded")
    return found


def _read(path: Path, options: ReadOptions) -> Reading:
    """What a file holds; of a recording what was heard is told once, on stderr."""
    from musicvae import io

    reading = io.examine(io.load(path), path, options)
    if reading.heard and path not in _TOLD:
        _TOLD.add(path)
        console().print(one_line(f"{path}: heard {reading.heard}"))
    return reading


def some_of(paths: Sequence[Path], options: ReadOptions, n: int = 8) -> list[Alignment]:
    """Up to `n` songs under each path, to choose a model by. What of a folder cannot be read is
    passed over; raises `DataError` for a folder without songs, `ReadError` for a file that is none.
    """
    found: list[Alignment] = []
    for path in paths:
        for file in songs_under([path])[:n]:
            try:
                found.append(read_aligned(file, options))
            except MusicVAEError:
                if not is_folder(path):
                    raise
    return found


def songs_under(paths: Sequence[Path]) -> list[Path]:
    """These files, and what is called like a song in these folders, in the order of paths."""
    from musicvae.data.discover import files_under
    from musicvae.io import SUFFIXES

    found: list[Path] = []
    for path in paths:
        if is_folder(path):
            names = (path / name for name in files_under(path))
            inside = [file for file in names if file.suffix.lower() in SUFFIXES]
            if not inside:
                raise DataError(
                    f"{path}: no MIDI file or score there; give a file or another folder"
                )
            found.extend(inside)
        else:
            found.append(path)
    return found
