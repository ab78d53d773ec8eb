"""Inputs of the commands: the model to use, and the songs and tables to read."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from musicvae.cli.console import print_once, stderr_console
from musicvae.errors import DataError, MusicVAEError, ReadError, one_line, os_reason
from musicvae.storage import is_folder

if TYPE_CHECKING:
    from musicvae.downbeats import BarlineEstimate
    from musicvae.io.options import ReadOptions
    from musicvae.io.result import ReadResult
    from musicvae.model import MusicVAE

_ANNOUNCED_RECORDINGS: set[Path] = set()
"""Recordings already reported."""


def load_model(
    checkpoint: str | None,
    device: str,
    seed: int | None = None,
    songs: Sequence[BarlineEstimate] = (),
    corruptions: Sequence[str] = (),
) -> MusicVAE:
    """Load the named checkpoint, else the one that fits the songs best; print which one and why.

    Args:
        checkpoint: name or path; chosen by the songs if None.
        device: `auto`, `cpu`, `cuda` or `mps`.
        seed: printed with the choice.
        songs: songs that the model should represent, all together.
        corruptions: kinds of corruption that a denoising model must have been trained on; if
            empty, denoising models are not considered.
    """
    models = _Models(device)
    path, why = _resolve_checkpoint(checkpoint, models, songs, corruptions)
    _announce(path, why, "" if seed is None else f", seed {seed}")
    return models[path]


class _Models(dict[Path, "MusicVAE"]):
    """Models by path, each loaded once, when it is first asked for."""

    def __init__(self, device: str) -> None:
        super().__init__()
        self.device = device

    def __missing__(self, path: Path) -> MusicVAE:
        from musicvae.model import MusicVAE

        self[path] = MusicVAE.load(path, device=self.device)
        return self[path]


class ModelPicker:
    """Model of each song: the named checkpoint, else the one that fits the song best.

    Models are loaded once; a change of the model is printed. Arguments as for `load_model`.
    """

    def __init__(
        self, checkpoint: str | None, device: str, corruptions: Sequence[str] = ()
    ) -> None:
        self.checkpoint, self.corruptions = checkpoint, corruptions
        self._models = _Models(device)
        self._announced: Path | None = None
        # Fail before any song is read if there is no model at all.
        _resolve_checkpoint(checkpoint, self._models, (), corruptions)

    def for_song(self, song: BarlineEstimate) -> MusicVAE:
        """Return the model for a song."""
        path, why = _resolve_checkpoint(self.checkpoint, self._models, (song,), self.corruptions)
        if path != self._announced:
            _announce(path, why)
        self._announced = path
        return self._models[path]


def _resolve_checkpoint(
    checkpoint: str | None,
    models: _Models,
    songs: Sequence[BarlineEstimate],
    corruptions: Sequence[str] = (),
) -> tuple[Path, str]:
    """Return the checkpoint to use and, if it was not named, the reason for the choice."""
    from musicvae.checkpoints import choose, find
    from musicvae.representation.bars import Bars

    if checkpoint is not None:
        return find(checkpoint), ""
    print_unreadable_runs()
    bars = [Bars.from_song(each.song) for each in songs]

    def measure(path: Path) -> float:
        from musicvae.tools.reconstruction import quick_f1

        return quick_f1(models[path], bars)

    choice = choose(bars, corruptions=corruptions, measure=measure)
    if corruptions and choice.note_share == 0:
        trained = f"no model trained on {', '.join(corruptions)}"
        raise DataError(f"{trained} can represent a note of it; give another song")
    return choice.path, choice.reason


def print_unreadable_runs() -> None:
    """Print once on stderr which runs are passed over, as their models cannot be read."""
    from musicvae.checkpoints import unreadable_runs

    for error in unreadable_runs():
        print_once(f"warning: {error.path}: {error.reason}; passed over")


def _announce(path: Path, why: str, more: str = "") -> None:
    """Print the checkpoint in use on stderr, by the name that finds it, else by its path."""
    from musicvae.checkpoints import public_name

    stderr_console().print(
        one_line(f"using {public_name(path)}" + (f" ({why})" if why else "") + more)
    )


def naming(path: Path, error: MusicVAEError) -> MusicVAEError:
    """Return an error about a song with its path ahead of the reason."""
    if isinstance(error, DataError) and not str(error).startswith(one_line(str(path))):
        return DataError(f"{path}: {error}")
    return error


def print_left_out(path: Path, left_out: Sequence[str]) -> None:
    """Print once on stderr what of a file its song does not hold."""
    if left_out:
        print_once(f"{path}: {'; '.join(left_out)}")


def read_with_barlines(path: Path, options: ReadOptions, *, quiet: bool = False) -> BarlineEstimate:
    """Read the song of a file of any kind and estimate its bar lines.

    Unless `quiet`, what is left out of a file is printed on stderr.

    Raises `ReadError` if the file cannot be read, or holds a performance without a metrical grid
    and `options.ungridded` is not set.
    """
    from musicvae.downbeats import estimate_barlines

    reading = _read_file(path, options)
    if not quiet:
        print_left_out(path, reading.left_out)
    found = estimate_barlines(
        reading.song, as_written=options.as_written, ungridded=options.ungridded
    )
    return found if options.ungridded else found.require_grid(path)


def _read_file(path: Path, options: ReadOptions) -> ReadResult:
    """Read a file; print once on stderr what was recognized in a recording."""
    from musicvae import io

    reading = io.read_bytes(io.load(path), path, options)
    if reading.transcription_note and path not in _ANNOUNCED_RECORDINGS:
        _ANNOUNCED_RECORDINGS.add(path)
        stderr_console().print(one_line(f"{path}: recognized {reading.transcription_note}"))
    return reading


def sample_songs(paths: Sequence[Path], options: ReadOptions, n: int = 8) -> list[BarlineEstimate]:
    """Read up to `n` songs under each path, from which a model can be chosen.

    Unreadable files of a folder are skipped. Raises `DataError` for a folder without songs and
    `ReadError` for a file that cannot be read.
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
    """Return the given files and, by suffix, the songs in the given folders, in order.

    A book of tunes stands for its tunes: `book.abc#1` and so on.
    Raises `DataError` for a folder without songs.
    """
    from musicvae.data.discover import files_under
    from musicvae.io import SONG_SUFFIXES, expand

    found: list[Path] = []
    for path in paths:
        if is_folder(path):
            names = (path / name for name in files_under(path))
            inside = [file for file in names if file.suffix.lower() in SONG_SUFFIXES]
            if not inside:
                raise DataError(
                    f"{path}: contains no MIDI file or score; give a file or another folder"
                )
            found.extend(song for file in inside for song in expand(file))
        else:
            found.extend(expand(path))
    return found


def read_metrics(path: Path) -> list[dict[str, str]]:
    """Return the rows of a run's `metrics.csv`. Raises `ReadError` for other files."""
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
    except OSError as error:
        raise ReadError(path, os_reason(error), "check the path") from None
    except (UnicodeDecodeError, csv.Error):
        raise ReadError(path, "not a table of metrics", "give the metrics.csv of a run") from None
    if not rows or "minutes" not in rows[0]:
        raise ReadError(path, "not a table of metrics", "give the metrics.csv of a run")
    return rows
