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
from musicvae.io.audio.render import RenderOptions, render
from musicvae.song import Song

_BLOCK_SAMPLES = 1 << 16  # libsndfile overflows its stack on long Vorbis writes
_MIME_TYPES = {"MP3": "audio/mpeg", "OGG": "audio/ogg"}
Progress = Callable[[int, int], None]


@dataclass(frozen=True, kw_only=True)
class AudioEmbedding:
    """Which songs of a page bring their sound with them; the others are played by oscillators."""

    max_total_s: float = 480.0
    """Seconds of sound in a page, at most: about 8 kB each."""
    max_song_s: float = 240.0
    """Songs that are longer bring none."""
    sound: RenderOptions = field(default_factory=lambda: RenderOptions(rate=24_000))

    def select(self, songs: Sequence[Song]) -> list[bool]:
        """Which of them, in their order, until the seconds are spent."""
        left, chosen = self.max_total_s, []
        for song in songs:
            fits = song.n_notes > 0 and song.duration_s <= min(left, self.max_song_s)
            left -= song.duration_s if fits else 0
            chosen.append(fits)
        return chosen


NO_AUDIO = AudioEmbedding(max_total_s=0)


def embed_audio(
    songs: Sequence[Song], embedding: AudioEmbedding, progress: Progress | None = None
) -> tuple[list[str], str]:
    """For each song a `data:` URI of its sound, empty if it brings none; and why, if the
    synthesizer could not be used at all.
    """
    chosen = [nth for nth, fits in enumerate(embedding.select(songs)) if fits]
    found, trouble = [""] * len(songs), ""
    # The synthesizers wait in programs of their own, or outside Python.
    with ThreadPoolExecutor(min(os.cpu_count() or 1, 8)) as pool:
        played = pool.map(partial(_render_uri, embedding=embedding), (songs[nth] for nth in chosen))
        for done, (nth, (uri, why)) in enumerate(zip(chosen, played, strict=True), start=1):
            found[nth], trouble = uri, trouble or why
            if progress is not None:
                progress(done, len(chosen))
    return found, trouble


def _render_uri(song: Song, embedding: AudioEmbedding) -> tuple[str, str]:
    try:
        samples, rate = render(song, embedding.sound)
    except FileError as error:  # a page is sent on: it does not say where things lay
        return "", f"{Path(error.path).name}: {error.reason}"
    except MusicVAEError as error:
        return "", str(error)
    return audio_data_uri(samples.mean(1), rate), ""


def audio_data_uri(mono: np.ndarray, rate: int) -> str:
    """Samples `(n,)` as MP3, which every browser plays, or as Ogg Vorbis where there is no MP3."""
    import soundfile

    kind = next(kind for kind in _MIME_TYPES if kind in soundfile.available_formats())
    buffer = io.BytesIO()
    with soundfile.SoundFile(buffer, "w", samplerate=rate, channels=1, format=kind) as file:
        for begin in range(0, len(mono), _BLOCK_SAMPLES):
            file.write(mono[begin : begin + _BLOCK_SAMPLES])
    return f"data:{_MIME_TYPES[kind]};base64,{base64.b64encode(buffer.getvalue()).decode('ascii')}"
