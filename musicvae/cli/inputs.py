"""What the commands that make songs share: load a model, read inputs, write results."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from musicvae.cli.console import stderr_console
from musicvae.errors import DataError, MusicVAEError, one_line
from musicvae.storage import is_folder

if TYPE_CHECKING:
    from musicvae.downbeats import BarlineEstimate
    from musicvae.io.options import ReadOptions
    from musicvae.io.result import ReadResult
    from musicvae.model import MusicVAE

_ANNOUNCED_RECORDINGS: set[Path] = set()
"""Recordings of which it was told what was heard."""


def load_model(
    checkpoint: str | None,
    device: str,
    seed: int | None = None,
    songs: Sequence[BarlineEstimate] = (),
    corruptions: Sequence[str] = (),
) -> MusicVAE:
    """The model asked for, or the one that suits the songs; stderr says which one, and why.

    `corruptions` is damage that it must know; without any it must be one that makes songs.
    """
    from musicvae.model import MusicVAE

    path, why = _resolve_checkpoint(checkpoint, songs, corruptions)
    _announce(path, why, "" if seed is None else f", seed {seed}")
    return MusicVAE.load(path, device=device)


class ModelPicker:
    """The model asked for, or for each song the one that suits it; loaded once, told when new."""

    def __init__(
        self, checkpoint: str | None, device: str, corruptions: Sequence[str] = ()
    ) -> None:
        self.checkpoint, self.device, self.corruptions = checkpoint, device, corruptions
        self._loaded: dict[Path, MusicVAE] = {}
        self._latest = _resolve_checkpoint(checkpoint, (), corruptions)[
            0
        ]  # none at all is an error before any song is read

    def for_song(self, song: BarlineEstimate) -> MusicVAE:
        """The model for a song."""
        from musicvae.model import MusicVAE

        path, why = _resolve_checkpoint(self.checkpoint, (song,), self.corruptions)
        if not self._loaded or path != self._latest:
            _announce(path, why)
        if path not in self._loaded:
            self._loaded[path] = MusicVAE.load(path, device=self.device)
        self._latest = path
        return self._loaded[path]


def _resolve_checkpoint(
    checkpoint: str | None, songs: Sequence[BarlineEstimate], corruptions: Sequence[str] = ()
) -> tuple[Path, str]:
    """The checkpoint to use, and why if it was not named."""
    from musicvae.checkpoints import choose, find
    from musicvae.representation.bars import Bars

    if checkpoint is not None:
        return find(checkpoint), ""
    choice = choose([Bars.from_song(each.song) for each in songs], mends=corruptions)
    return choice.path, choice.why


def _announce(path: Path, why: str, more: str = "") -> None:
    stderr_console().print(one_line(f"using {path}" + (f" ({why})" if why else "") + more))


def read_with_barlines(path: Path, options: ReadOptions) -> BarlineEstimate:
    """The song of a file, whatever kind it is, with its bar lines where the music has them.

    Raises `ReadError` if it cannot be read, or is a performance without a grid and these are not
    allowed.
    """
    from musicvae.downbeats import estimate_barlines
    from musicvae.errors import ReadError

    reading = _read_file(path, options)
    found = estimate_barlines(
        reading.song, as_written=options.as_written, measured=reading.has_notated_bars
    )
    if not options.ungridded and (reason := found.grid_estimate.reject_reason):
        raise ReadError(path, reason, "take it all the same with --allow-ungridded")
    return found


def _read_file(path: Path, options: ReadOptions) -> ReadResult:
    """What a file holds; of a recording what was heard is told once, on stderr."""
    from musicvae import io

    reading = io.read_bytes(io.load(path), path, options)
    if reading.transcription_note and path not in _ANNOUNCED_RECORDINGS:
        _ANNOUNCED_RECORDINGS.add(path)
        stderr_console().print(one_line(f"{path}: heard {reading.transcription_note}"))
    return reading


def sample_songs(paths: Sequence[Path], options: ReadOptions, n: int = 8) -> list[BarlineEstimate]:
    """Up to `n` songs under each path, to choose a model by. What of a folder cannot be read is
    passed over; raises `DataError` for a folder without songs, `ReadError` for a file that is none.
    """
    found: list[BarlineEstimate] = []
    for path in paths:
        for file in find_song_files([path])[:n]:
            try:
                found.append(read_with_barlines(file, options))
            except MusicVAEError:
                if not is_folder(path):
                    raise
    return found


def find_song_files(paths: Sequence[Path]) -> list[Path]:
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
