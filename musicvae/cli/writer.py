"""Writing of generated songs: MIDI, scores, stems and sound, and a line or JSON for each."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from musicvae.cli.console import (
    check_overwrite,
    emit,
    first_free_path,
    print_line,
    print_once,
    stderr_console,
)
from musicvae.errors import ExistsError, one_line
from musicvae.io.stems import split_stems, stem_path
from musicvae.storage import (
    ensure_writable_folder,
    exclusive_writes,
    fit_stem,
    next_free_number,
)

if TYPE_CHECKING:
    from musicvae.io.audio.render import RenderOptions
    from musicvae.song import Song

AUDIO_FORMATS = ("wav", "flac", "ogg")
STEMS_RESERVE = 160  # bytes of a file name for the name of a part
SYNTHESIZER_NAMES = ("auto", "midirenderer", "fluidsynth", "tinysoundfont")


@dataclass(frozen=True, kw_only=True)
class AudioOutput:
    """Format and SoundFont of the sound that is rendered beside MIDI files."""

    suffix: str = ".wav"
    soundfont: Path | None = None

    def write(self, song: Song, path: Path, *, stems: bool = False) -> list[Path]:
        """Render a song beside its MIDI file, with `stems` each part as well.

        Returns the paths of all files, that of the whole song first.
        """
        from musicvae.io.audio.render import RenderOptions, write_audio, write_stems

        options, target = RenderOptions(soundfont=self.soundfont), path.with_suffix(self.suffix)
        announce_synthesizer(options)
        if stems:
            return [target, *write_stems(song, target, options)]
        return [write_audio(song, target, options)]


def announce_synthesizer(options: RenderOptions) -> None:
    """Print the synthesizer and SoundFont in use on stderr, once."""
    from musicvae.io.audio.synth import default_soundfont, find_synthesizer

    font = Path(options.soundfont or default_soundfont()).name
    name = find_synthesizer(options.synthesizer).name
    print_once(f"rendering with {name} and {font} at {options.lufs:g} LUFS")


def write_song(song: Song, path: Path, note: str) -> int:
    """Write a song as MIDI or as a score and return the number of notes written.

    Notes that a score cannot hold are reported on stderr.
    """
    from musicvae.io import write_and_count

    _, n_notes = write_and_count(song, path, note=one_line(note))
    if missing := song.n_notes - n_notes:
        why = "in notation each coincides with another note of the same part and pitch"
        text = f"{path}: {missing} of {song.n_notes} notes left out: {why}"
        stderr_console().print(one_line(text))
    return n_notes


def sibling_path(path: Path, ending: str) -> Path:
    """Return the path of a companion file: `x-2-changes.png` for `x-2.mid` and `-changes.png`."""
    return path.with_name(f"{path.stem}{ending}")


class SongWriter:
    """Writer of songs into a folder, which prints a line or a JSON object for each."""

    def __init__(
        self,
        folder: Path,
        *,
        as_json: bool,
        audio: AudioOutput | None,
        score: bool = False,
        stems: bool = False,
    ) -> None:
        self.folder, self.as_json, self.audio = ensure_writable_folder(folder), as_json, audio
        self.score, self.stems = score, stems
        self._next_numbers: dict[str, int] = {}
        self._written: set[Path] = set()

    def write_numbered(self, song: Song, stem: str, note: str, **figures: Any) -> Path:
        """Write a song as `stem-NN.mid` with the next free number and return the path."""
        stem = self._fit_stem(stem, len("-0000.mid"))
        number = self._next_numbers.get(stem) or next_free_number(self.folder, stem, ".mid")
        while True:
            path = self.folder / f"{stem}-{number:02d}.mid"
            number += 1
            if any(map(os.path.lexists, self._output_paths(song, path))):
                continue
            with exclusive_writes():
                try:
                    n_notes = write_song(song, path, note)
                except ExistsError:  # another process has written it in the meantime
                    continue
                self._write_companions(song, path, note, n_notes, figures)
            self._next_numbers[stem] = number
            return path

    def write_group(self, songs: Mapping[str, Song], stem: str, note: str) -> None:
        """Write songs that share a number as `stem-NN` and the ending of each."""
        group, is_claimed = self._next_free_stem(stem), False
        for ending, song in songs.items():
            while True:
                try:
                    self.write_named(song, f"{group}{ending}", force=False, note=note)
                    break
                except ExistsError:  # another process has taken the number in the meantime
                    if is_claimed:
                        raise
                    group = self._next_free_stem(stem)
            is_claimed = True

    def _next_free_stem(self, stem: str) -> str:
        """Return `stem-NN` with the number after the highest one in use."""
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
        """Write a song under the name of its input, numbered if another input had that name.

        `plot` is the ending of a picture that the caller draws at `sibling_path(path, plot)`.
        Returns the path. Raises `WriteError` if a file exists and `force` is not given.
        """
        stem = self._fit_stem(stem, max(len(suffix), len(plot)))
        path = first_free_path(self.folder / f"{stem}{suffix}", lambda p: p not in self._written)
        pictures = [sibling_path(path, plot)] if plot else []
        for target in (*self._output_paths(song, path), *pictures):
            check_overwrite(target, force=force)
        if plot:
            figures["plot"] = str(pictures[0])
        self._written.add(path)
        with exclusive_writes(not force):
            self._write_companions(song, path, note, write_song(song, path, note), figures)
        return path

    def _fit_stem(self, stem: str, ending: int) -> str:
        """Return the stem, cut to leave room for `ending` bytes and for the files beside it."""
        score = len("-0000.musicxml") if self.score else 0
        return fit_stem(stem, max(ending, score, 12, STEMS_RESERVE * self.stems))

    def _output_paths(self, song: Song, path: Path) -> list[Path]:
        """Return the paths of all files that are written for a song."""
        found = [path]
        if self.audio:
            found.append(path.with_suffix(self.audio.suffix))
        if self.score:
            found.append(path.with_suffix(".musicxml"))
        if self.stems:
            stems = [stem_path(path, name) for name in split_stems(song)]
            found += [*stems, *(p.with_suffix(self.audio.suffix) for p in stems if self.audio)]
        return found

    def _write_companions(
        self, song: Song, path: Path, note: str, n_notes: int, figures: dict[str, Any]
    ) -> None:
        """Write what goes with a song of which `n_notes` were written, and print its line."""
        fields: dict[str, Any] = {
            "notes": n_notes,
            **({"left_out": song.n_notes - n_notes} if path.suffix.lower() != ".mid" else {}),
            "parts": len(song.parts),
            "duration_s": round(song.duration_s, 3),
            **figures,
        }
        if self.score:
            score = path.with_suffix(".musicxml")
            fields["score"], fields["score_notes"] = str(score), write_song(song, score, note)
        if self.stems:
            written = []
            for name, alone in split_stems(song).items():
                written.append(stem_path(path, name))
                write_song(alone, written[-1], f"{note} {name}")
            fields["stems"] = [str(each) for each in written]
        if self.audio:
            sounds = [str(each) for each in self.audio.write(song, path, stems=self.stems)]
            fields["audio"] = sounds[0]
            if self.stems:
                fields["stems_audio"] = sounds[1:]
        if self.as_json:
            emit(True, "song", path=str(path), **fields)
        else:
            kl_bits = figures.get("kl_bits", math.nan)
            bits = "" if math.isnan(kl_bits) else f", {kl_bits:.0f} bits"
            print_line(f"{path}: {n_notes} notes, {song.duration_s:.0f} s{bits}")
