"""Floor 3: Song -> sound. SoundFont synthesis from wheels alone, no system library.

The synthesizer is `midirenderer`; the General MIDI SoundFont is the one inside the `pretty_midi`
wheel, unless another is given. What comes back is stereo at 48 kHz, as long as the song with all
its silence, and a tail in which the last notes die away.
"""

from __future__ import annotations

import io
import wave
from dataclasses import replace
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from musicvae.errors import ReadError, WriteError, reason_of
from musicvae.files import replacing
from musicvae.formats import midi
from musicvae.song import Song

Samples = NDArray[np.float32]

SUFFIXES = (".wav", ".flac", ".ogg")
_FORMATS = {".wav": ("WAV", "PCM_16"), ".flac": ("FLAC", "PCM_16"), ".ogg": ("OGG", "VORBIS")}
_PEAK = 10 ** (-1 / 20)  # -1 dBFS
_TAIL_S, _LEAST_TAIL_S, _FADE_S = 4.0, 0.5, 0.25
_SILENCE = 10 ** (-72 / 20)  # of the peak: below it the tail is over
_CLEAR_VELOCITY = 80  # a song that is softer throughout is raised, or much of it would vanish
_CLIPPED = 32766 / 32768
_LONGEST_S = 3 * 3600
_BLOCK_FRAMES = 1 << 16  # libsndfile overflows its stack on long Vorbis writes


def render(song: Song, soundfont: str | Path | None = None) -> tuple[Samples, int]:
    """Play `song`; returns samples `(n, 2)` float32 within -1..1, and their rate in hz.

    The peak is at -1 dBFS; a song without notes is silence of its length. `soundfont` is an SF2
    file. Raises `ReadError` if it cannot be used, `WriteError` if the song lasts for hours.
    """
    if song.duration_s > _LONGEST_S:
        hours = f"{song.duration_s / 3600:.0f} hours of sound"
        raise WriteError("audio", hours, f"up to {_LONGEST_S // 3600} are rendered")
    font, name = _soundfont(soundfont)
    velocity = max((int(part.velocity.max(initial=0)) for part in song.parts), default=0)
    scale = max(1.0, _CLEAR_VELOCITY / velocity) if velocity else 1.0
    samples, rate = _played(_scaled(song, scale), font, name)
    if np.abs(samples).max(initial=0) >= _CLIPPED:
        samples, rate = _played(_scaled(song, scale / 2), font, name)
    length = round(song.duration_s * rate)
    samples = _tailed(_levelled(samples), length, rate)
    return samples, rate


def write_audio(song: Song, path: str | Path, soundfont: str | Path | None = None) -> Path:
    """Render `song` to a `.wav`, `.flac` or `.ogg` file, by its suffix; returns the path.

    Raises `WriteError` for another suffix or a place that cannot be written, and as `render`.
    """
    import soundfile

    suffix = Path(path).suffix.lower()
    if suffix not in _FORMATS:
        kinds = ", ".join(SUFFIXES)
        raise WriteError(path, f"no audio format {suffix or 'without a suffix'}", f"use {kinds}")
    samples, rate = render(song, soundfont)
    kind, subtype = _FORMATS[suffix]
    shape = {"samplerate": rate, "channels": 2, "format": kind, "subtype": subtype}
    with replacing(path) as aside:
        try:
            with soundfile.SoundFile(aside, "w", **shape) as file:
                for begin in range(0, len(samples), _BLOCK_FRAMES):
                    file.write(samples[begin : begin + _BLOCK_FRAMES])
        except soundfile.LibsndfileError as error:
            raise WriteError(path, str(error), "is the disk full?") from None
    return Path(path)


def default_soundfont() -> Path:
    """The General MIDI SoundFont inside the `pretty_midi` wheel. Raises `ReadError`."""
    found = find_spec("pretty_midi")  # only its place: importing it takes a second
    folder = Path(found.origin).parent if found and found.origin else Path("pretty_midi")
    path = folder / "TimGM6mb.sf2"
    if not path.is_file():
        raise ReadError(path, "no SoundFont there", "reinstall pretty_midi, or name an SF2 file")
    return path


def _soundfont(path: str | Path | None) -> tuple[bytes, Path]:
    place = default_soundfont() if path is None else Path(path)
    try:
        return _content(place, place.stat().st_mtime_ns), place
    except OSError as error:
        raise ReadError(place, f"SoundFont: {reason_of(error)}", "name an SF2 file") from None


@lru_cache(maxsize=1)
def _content(path: Path, changed_ns: int) -> bytes:
    return path.read_bytes()


def _scaled(song: Song, scale: float) -> Song:
    """The song with all velocities times `scale`: loudness grows with their square."""
    if scale == 1.0:
        return song
    parts = [
        replace(part, velocity=np.round(part.velocity * scale).astype(np.int64))
        for part in song.parts
    ]
    return replace(song, parts=tuple(parts))


def _played(song: Song, font: bytes, name: Path) -> tuple[Samples, int]:
    """What the synthesizer plays until the tail is over, `(n, 2)`, and its rate in hz.

    It stops with the last event, so the song is made longer by the tail.
    """
    from midirenderer import render_wave_from

    us_per_quarter = int(song.tempo.us_per_quarter[-1])
    tail_ticks = int(np.ceil(_TAIL_S * 1e6 * song.ticks_per_quarter / us_per_quarter))
    longer = replace(song, end_ticks=song.end_ticks + tail_ticks)
    try:
        content = render_wave_from(font, midi.to_bytes(longer))
    except RuntimeError as error:
        reason = f"the synthesizer cannot use it ({error})"
        raise ReadError(name, reason, "name an SF2 SoundFont") from None
    with wave.open(io.BytesIO(content)) as file:
        frames = np.frombuffer(file.readframes(file.getnframes()), "<i2")
        return np.float32(1 / 32768) * frames.reshape(-1, 2), file.getframerate()


def _levelled(samples: Samples) -> Samples:
    peak = float(np.abs(samples).max(initial=0))
    return samples * np.float32(_PEAK / peak) if peak else samples


def _tailed(samples: Samples, length: int, rate: int) -> Samples:
    """`length` samples and the tail until it is silent, faded at its end."""
    needed = length + round(_LEAST_TAIL_S * rate)
    if len(samples) < needed:
        samples = np.pad(samples, ((0, needed - len(samples)), (0, 0)))
    loud = np.flatnonzero(np.abs(samples[needed:]).max(axis=1) > _SILENCE * _PEAK)
    end = needed + (int(loud[-1]) + 1 if len(loud) else 0)
    samples = samples[:end].copy()
    fade = round(_FADE_S * rate)
    samples[-fade:] *= np.linspace(1, 0, fade, dtype=np.float32)[:, None]
    return samples
