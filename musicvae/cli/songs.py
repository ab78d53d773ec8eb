"""What the commands that make songs share: load a model, read inputs, write results."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from musicvae.cli.common import console, emit, first_free, named_path, say
from musicvae.cli.sound import Sound
from musicvae.errors import DataError, MusicVAEError, one_line
from musicvae.files import is_folder, next_free, writable_folder
from musicvae.formats.stems import stem_path, stems_of

if TYPE_CHECKING:
    from musicvae.alignment import Alignment
    from musicvae.formats.reading import Reading
    from musicvae.model import MusicVAE
    from musicvae.options import ReadOptions
    from musicvae.song import Song

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
    from musicvae.bars import Bars
    from musicvae.checkpoints import choose, find

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
    from musicvae.alignment import align
    from musicvae.errors import ReadError

    reading = _read(path, options)
    found = align(reading.song, as_written=options.as_written, measured=reading.measured)
    if not options.ungridded and (reason := found.fit.decline):
        raise ReadError(path, reason, "take it all the same with --allow-ungridded")
    return found


def _read(path: Path, options: ReadOptions) -> Reading:
    """What a file holds; of a recording what was heard is told once, on stderr."""
    from musicvae import formats

    reading = formats.examine(formats.load(path), path, options)
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
    from musicvae.dataset.walk import files_under
    from musicvae.formats import SUFFIXES

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


def save(song: Song, path: Path, note: str) -> int:
    """Write a song as MIDI or as a score; returns how many notes were written.

    If a score does not hold all, it is told on stderr.
    """
    from musicvae.formats import write_counted

    _, n_notes = write_counted(song, path, note=one_line(note))
    if missing := song.n_notes - n_notes:
        why = "each falls onto another note of its part and pitch"
        told = f"{path}: {missing} of {song.n_notes} notes left out; on paper {why}"
        console().print(one_line(told))
    return n_notes


def beside(path: Path, ending: str) -> Path:
    """What is named after a file: of `x-2.mid` and `-changes.png`, `x-2-changes.png`."""
    return path.with_name(f"{path.stem}{ending}")


class Writer:
    """Writes songs into a folder and tells of each: a line, or JSON."""

    def __init__(
        self,
        folder: Path,
        *,
        as_json: bool,
        audio: Sound | None,
        score: bool = False,
        stems: bool = False,
    ) -> None:
        self.folder, self.as_json, self.audio = writable_folder(folder), as_json, audio
        self.score, self.stems = score, stems
        self._next: dict[str, int] = {}
        self._taken: set[Path] = set()

    def numbered(self, song: Song, stem: str, note: str, **figures: Any) -> Path:
        """Write under the next free number; returns the path."""
        number = self._next.get(stem) or next_free(self.folder, stem, ".mid")
        while any(
            path.exists() for path in self._targets(song, self.folder / f"{stem}-{number:02d}.mid")
        ):
            number += 1
        self._next[stem] = number + 1
        path = self.folder / f"{stem}-{number:02d}.mid"
        self._write(song, path, note, figures)
        return path

    def free_stem(self, stem: str) -> str:
        """`stem-NN` with the first number of which no file has it or a later one."""
        found = (
            re.match(re.escape(stem) + "-([0-9]+)", path.name) for path in self.folder.iterdir()
        )
        return f"{stem}-{1 + max((int(each[1]) for each in found if each), default=0):02d}"

    def named(
        self,
        song: Song,
        stem: str,
        *,
        force: bool,
        note: str,
        suffix: str = ".mid",
        plot: str = "",
        **figures: Any,
    ) -> Path:
        """Write under the input's name; of inputs with one name the later ones get a number.

        `plot` is the ending of a picture that the caller draws beside it, under `beside`. Returns
        the path.
        """
        path = first_free(self.folder / f"{stem}{suffix}", lambda p: p not in self._taken)
        pictures = [beside(path, plot)] if plot else []
        for target in (*self._targets(song, path), *pictures):
            named_path(target, force=force)
        if plot:
            figures["plot"] = str(pictures[0])
        self._taken.add(path)
        self._write(song, path, note, figures)
        return path

    def _targets(self, song: Song, path: Path) -> list[Path]:
        """All files that writing a song to a path makes."""
        found = [path]
        if self.audio:
            found.append(path.with_suffix(self.audio.suffix))
        if self.score:
            found.append(path.with_suffix(".musicxml"))
        if self.stems:
            stems = [stem_path(path, name) for name in stems_of(song)]
            found += [*stems, *(p.with_suffix(self.audio.suffix) for p in stems if self.audio)]
        return found

    def _write(self, song: Song, path: Path, note: str, figures: dict[str, Any]) -> None:
        n_notes = save(song, path, note)
        told = {
            "notes": n_notes,
            **({"left_out": song.n_notes - n_notes} if path.suffix.lower() != ".mid" else {}),
            "parts": len(song.parts),
            "duration_s": round(song.duration_s, 3),
            **figures,
        }
        if self.score:
            score = path.with_suffix(".musicxml")
            told["score"], told["score_notes"] = str(score), save(song, score, note)
        if self.stems:
            written = []
            for name, alone in stems_of(song).items():
                written.append(stem_path(path, name))
                save(alone, written[-1], f"{note} {name}")
            told["stems"] = [str(each) for each in written]
        if self.audio:
            sounds = [str(each) for each in self.audio.write(song, path, stems=self.stems)]
            told["audio"] = sounds[0]
            if self.stems:
                told["stems_audio"] = sounds[1:]
        if self.as_json:
            emit(True, "song", path=str(path), **told)
        else:
            kl_bits = figures.get("kl_bits", math.nan)
            bits = "" if math.isnan(kl_bits) else f", {kl_bits:.0f} bits"
            say(f"{path}: {n_notes} notes, {song.duration_s:.0f} s{bits}")
