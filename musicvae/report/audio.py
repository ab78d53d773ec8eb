"""Audio of songs embedded in a report: rendered, mono and compressed."""

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
ProgressCallback = Callable[[int, int], None]


@dataclass(frozen=True, kw_only=True)
class AudioEmbedding:
    """Limits on the audio embedded in a page; other songs are played by oscillators."""

    max_total_s: float = 480.0
    """Maximum seconds of audio in a page, at about 8 kB per second."""
    max_song_s: float = 240.0
    """Songs longer than this are not embedded."""
    sound: RenderOptions = field(default_factory=lambda: RenderOptions(rate=24_000))

    def select(self, songs: Sequence[Song]) -> list[bool]:
        """Return whether to embed each of the songs, first come, first served."""
        remaining_s, selected = self.max_total_s, []
        for song in songs:
            fits = song.n_notes > 0 and song.duration_s <= min(remaining_s, self.max_song_s)
            remaining_s -= song.duration_s if fits else 0
            selected.append(fits)
        return selected


NO_AUDIO = AudioEmbedding(max_total_s=0)


def embed_audio(
    songs: Sequence[Song], embedding: AudioEmbedding, progress: ProgressCallback | None = None
) -> tuple[list[str], str]:
    """Render the selected songs to `data:` URIs, empty for the others.

    Also returns the reason if a song could not be rendered, empty if all could.
    """
    selected = [index for index, fits in enumerate(embedding.select(songs)) if fits]
    uris, failure = [""] * len(songs), ""
    # Threads suffice: synthesizers run in other processes or release the GIL.
    with ThreadPoolExecutor(min(os.cpu_count() or 1, 8)) as pool:
        render_one = partial(_render_uri, embedding=embedding)
        rendered = pool.map(render_one, (songs[index] for index in selected))
        for done, (index, (uri, reason)) in enumerate(
            zip(selected, rendered, strict=True), start=1
        ):
            uris[index], failure = uri, failure or reason
            if progress is not None:
                progress(done, len(selected))
    return uris, failure


def _render_uri(song: Song, embedding: AudioEmbedding) -> tuple[str, str]:
    """Return a `data:` URI, or an empty string and the reason why not."""
    try:
        samples, rate = render(song, embedding.sound)
    except FileError as error:  # pages are shared: leave out folders
        return "", f"{Path(error.path).name}: {error.reason}"
    except MusicVAEError as error:
        return "", str(error)
    return audio_data_uri(samples.mean(1), rate), ""


def audio_data_uri(mono: np.ndarray, rate: int) -> str:
    """Encode samples `(n,)` at `rate` Hz as MP3, or Ogg Vorbis if libsndfile has no MP3."""
    import soundfile

    kind = next(kind for kind in _MIME_TYPES if kind in soundfile.available_formats())
    buffer = io.BytesIO()
    with soundfile.SoundFile(buffer, "w", samplerate=rate, channels=1, format=kind) as file:
        for begin in range(0, len(mono), _BLOCK_SAMPLES):
            file.write(mono[begin : begin + _BLOCK_SAMPLES])
    return f"data:{_MIME_TYPES[kind]};base64,{base64.b64encode(buffer.getvalue()).decode('ascii')}"
