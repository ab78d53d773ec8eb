"""Floor 10: the sound of songs inside a page: rendered as `render` does, small and mono."""

from __future__ import annotations

import base64
import io
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np

from musicvae.errors import FileError, MusicVAEError
from musicvae.io.audio.render import SoundOptions, render
from musicvae.song import Song

_BLOCK_FRAMES = 1 << 16  # libsndfile overflows its stack on long Vorbis writes
_TYPES = {"MP3": "audio/mpeg", "OGG": "audio/ogg"}
Progress = Callable[[int, int], None]


@dataclass(frozen=True, kw_only=True)
class Embedding:
    """Which songs of a page bring their sound with them; the others are played by oscillators."""

    most_s: float = 480.0
    """Seconds of sound in a page, at most: about 8 kB each."""
    longest_s: float = 240.0
    """Songs that are longer bring none."""
    sound: SoundOptions = field(default_factory=lambda: SoundOptions(rate=24_000))

    def chosen(self, songs: Sequence[Song]) -> list[bool]:
        """Which of them, in their order, until the seconds are spent."""
        left, chosen = self.most_s, []
        for song in songs:
            fits = song.n_notes > 0 and song.duration_s <= min(left, self.longest_s)
            left -= song.duration_s if fits else 0
            chosen.append(fits)
        return chosen


NO_SOUND = Embedding(most_s=0)


def embedded(
    songs: Sequence[Song], how: Embedding, progress: Progress | None = None
) -> tuple[list[str], str]:
    """For each song a `data:` URI of its sound, empty if it brings none; and why, if the
    synthesizer could not be used at all.
    """
    chosen = [nth for nth, fits in enumerate(how.chosen(songs)) if fits]
    found, trouble = [""] * len(songs), ""
    # The synthesizers wait in programs of their own, or outside Python.
    with ThreadPoolExecutor(min(os.cpu_count() or 1, 8)) as pool:
        played = pool.map(partial(_played, how=how), (songs[nth] for nth in chosen))
        for done, (nth, (uri, why)) in enumerate(zip(chosen, played, strict=True), start=1):
            found[nth], trouble = uri, trouble or why
            if progress is not None:
                progress(done, len(chosen))
    return found, trouble


def _played(song: Song, how: Embedding) -> tuple[str, str]:
    try:
        samples, rate = render(song, how.sound)
    except FileError as error:  # a page is sent on: it does not say where things lay
        return "", f"{Path(error.path).name}: {error.reason}"
    except MusicVAEError as error:
        return "", str(error)
    return data_uri(samples.mean(1), rate), ""


def data_uri(mono: np.ndarray, rate: int) -> str:
    """Samples `(n,)` as MP3, which every browser plays, or as Ogg Vorbis where there is no MP3."""
    import soundfile

    kind = next(kind for kind in _TYPES if kind in soundfile.available_formats())
    buffer = io.BytesIO()
    with soundfile.SoundFile(buffer, "w", samplerate=rate, channels=1, format=kind) as file:
        for begin in range(0, len(mono), _BLOCK_FRAMES):
            file.write(mono[begin : begin + _BLOCK_FRAMES])
    return f"data:{_TYPES[kind]};base64,{base64.b64encode(buffer.getvalue()).decode('ascii')}"
