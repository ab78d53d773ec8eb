"""Output of the commands that make songs: files of songs and sound, and what is printed of each."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from musicvae.song import Song
from typing import TYPE_CHECKING

from musicvae.cli.console import emit, print_line

if TYPE_CHECKING:
    pass
from functools import cache
from typing import TYPE_CHECKING

from musicvae.cli.console import stderr_console
from musicvae.errors import one_line

if TYPE_CHECKING:
    from musicvae.io.audio.render import SoundOptions
    from musicvae.song import Song
import math
import re
from typing import TYPE_CHECKING

from musicvae.cli.console import check_overwrite, first_free_path
from musicvae.io.stems import stem_path, stems_of
from musicvae.storage import next_free, writable_folder

if TYPE_CHECKING:
    from musicvae.song import Song


AUDIO_FORMATS = ("wav", "flac", "ogg")


@dataclass(frozen=True, kw_only=True)
class AudioOutput:
    """Sound beside MIDI: of which kind, and by which SoundFont."""

    suffix: str = ".wav"
    soundfont: Path | None = None

    def write(self, song: Song, path: Path, *, stems: bool = False) -> list[Path]:
        """Render a song beside its MIDI file, each part alone too if asked; say once by what.

        Returns the paths of all files, the whole song's first.
        """
        from musicvae.io.audio.render import SoundOptions, write_audio, write_stems

        options, target = SoundOptions(soundfont=self.soundfont), path.with_suffix(self.suffix)
        announce_synth(options)
        if stems:
            return [target, *write_stems(song, target, options)]
        return [write_audio(song, target, options)]


def announce_synth(options: SoundOptions) -> None:
    """Say on stderr, once, what sound is made by."""
    from musicvae.io.audio.synth import default_soundfont, pick_synth

    font = Path(options.soundfont or default_soundfont()).name
    print_once(f"sound by {pick_synth(options.synth)} with {font}, at {options.lufs:g} LUFS")


@cache
def print_once(words: str) -> None:
    """A line on stderr, the first time that it is to be said."""
    stderr_console().print(one_line(words))


def write_song(song: Song, path: Path, note: str) -> int:
    """Write a song as MIDI or as a score; returns how many notes were written.

    If a score does not hold all, it is told on stderr.
    """
    from musicvae.io import write_and_count

    _, n_notes = write_and_count(song, path, note=one_line(note))
    if missing := song.n_notes - n_notes:
        why = "each falls onto another note of its part and pitch"
        told = f"{path}: {missing} of {song.n_notes} notes left out; on paper {why}"
        stderr_console().print(one_line(told))
    return n_notes


def sibling_path(path: Path, ending: str) -> Path:
    """What is named after a file: of `x-2.mid` and `-changes.png`, `x-2-changes.png`."""
    return path.with_name(f"{path.stem}{ending}")


class SongWriter:
    """Writes songs into a folder and tells of each: a line, or JSON."""

    def __init__(
        self,
        folder: Path,
        *,
        as_json: bool,
        audio: AudioOutput | None,
        score: bool = False,
        stems: bool = False,
    ) -> None:
        self.folder, self.as_json, self.audio = writable_folder(folder), as_json, audio
        self.score, self.stems = score, stems
        self._next_numbers: dict[str, int] = {}
        self._written: set[Path] = set()

    def write_numbered(self, song: Song, stem: str, note: str, **figures: Any) -> Path:
        """Write under the next free number; returns the path."""
        number = self._next_numbers.get(stem) or next_free(self.folder, stem, ".mid")
        while any(
            path.exists()
            for path in self._output_paths(song, self.folder / f"{stem}-{number:02d}.mid")
        ):
            number += 1
        self._next_numbers[stem] = number + 1
        path = self.folder / f"{stem}-{number:02d}.mid"
        self._write(song, path, note, figures)
        return path

    def next_free_stem(self, stem: str) -> str:
        """`stem-NN` with the first number of which no file has it or a later one."""
        found = (
            re.match(re.escape(stem) + "-([0-9]+)", path.name) for path in self.folder.iterdir()
        )
        return f"{stem}-{1 + max((int(each[1]) for each in found if each), default=0):02d}"

    def write_named(
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
        path = first_free_path(self.folder / f"{stem}{suffix}", lambda p: p not in self._written)
        pictures = [sibling_path(path, plot)] if plot else []
        for target in (*self._output_paths(song, path), *pictures):
            check_overwrite(target, force=force)
        if plot:
            figures["plot"] = str(pictures[0])
        self._written.add(path)
        self._write(song, path, note, figures)
        return path

    def _output_paths(self, song: Song, path: Path) -> list[Path]:
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
        n_notes = write_song(song, path, note)
        told = {
            "notes": n_notes,
            **({"left_out": song.n_notes - n_notes} if path.suffix.lower() != ".mid" else {}),
            "parts": len(song.parts),
            "duration_s": round(song.duration_s, 3),
            **figures,
        }
        if self.score:
            score = path.with_suffix(".musicxml")
            told["score"], told["score_notes"] = str(score), write_song(song, score, note)
        if self.stems:
            written = []
            for name, alone in stems_of(song).items():
                written.append(stem_path(path, name))
                write_song(alone, written[-1], f"{note} {name}")
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
            print_line(f"{path}: {n_notes} notes, {song.duration_s:.0f} s{bits}")
