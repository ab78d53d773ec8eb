"""Floor 3: Song -> sound. Stereo, as long as the song with all its silence, and a tail in which the
last notes die away; every song is equally loud.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from musicvae.errors import ConfigError, ReadError, WriteError, reason_of
from musicvae.io import midi
from musicvae.io.audio.loudness import TARGET_LUFS, levelled, limited
from musicvae.io.audio.synth import default_soundfont, pick_synth, synthesised
from musicvae.io.stems import stem_path, stems_of
from musicvae.song import Song
from musicvae.storage import replacing

Samples = NDArray[np.float32]

SUFFIXES = (".wav", ".flac", ".ogg")
_FORMATS = {".wav": ("WAV", "PCM_16"), ".flac": ("FLAC", "PCM_16"), ".ogg": ("OGG", "VORBIS")}
_TAIL_S, _LEAST_TAIL_S, _FADE_S = 4.0, 0.5, 0.25
_SILENCE = 10 ** (-72 / 20)  # of the peak: below it the tail is over
_CLEAR_VELOCITY = 80  # a song that is softer throughout is raised, or much of it would vanish
_CLIPPED = 32766 / 32768
_LONGEST_S = 3 * 3600
_BLOCK_FRAMES = 1 << 16  # libsndfile overflows its stack on long Vorbis writes


@dataclass(frozen=True, kw_only=True)
class SoundOptions:
    """How songs become sound."""

    soundfont: str | Path | None = None
    """An SF2 file; the one inside the `pretty_midi` wheel if not given."""
    synth: str = "auto"
    """`fluidsynth`, `midirenderer`, or what of the two is there, in this order."""
    lufs: float = TARGET_LUFS
    """Integrated loudness asked for, in LUFS; -70 to -5."""
    rate: int = 48_000
    """Samples a second; 8,000 to 192,000."""

    def __post_init__(self) -> None:
        if not -70 <= self.lufs <= -5:
            raise ConfigError(f"a loudness of {self.lufs:g} LUFS: ask for -70 to -5")
        if not 8_000 <= self.rate <= 192_000:
            raise ConfigError(f"a rate of {self.rate}: ask for 8000 to 192000")


def render(song: Song, options: SoundOptions | None = None) -> tuple[Samples, int]:
    """Play `song`; returns samples `(n, 2)` float32 within -1..1, and their rate in hz.

    As loud as the options say, and no peak above -1 dBFS; a song without notes is silence of its
    length. Raises `ReadError` if a SoundFont cannot be used, `ConfigError` if a synthesizer is not
    there, `WriteError` if the song lasts for hours.
    """
    options = options or SoundOptions()
    samples, _ = _raw(song, options)
    return levelled(samples, options.rate, options.lufs)[0], options.rate


def render_stems(
    song: Song, options: SoundOptions | None = None
) -> tuple[Samples, dict[str, Samples], int]:
    """Play `song`, and each of its parts alone: the mix, stems by name, and their rate in hz.

    All are of one length. Stems have the gain of the mix, so together they are the mix before its
    limiter. Raises as `render`.
    """
    options = options or SoundOptions()
    raw, scale = _raw(song, options)
    mix, gain = levelled(raw, options.rate, options.lufs)
    content, font = _soundfont(options.soundfont)
    stems: dict[str, Samples] = {}
    for name, stem in stems_of(song).items():
        alone, rate = _played(_scaled(stem, scale), font, content, pick_synth(options.synth))
        alone = _faded(_of_length(_at_rate(alone, rate, options.rate), len(mix)), options.rate)
        stems[name] = limited(alone * np.float32(gain), options.rate)
    return mix, stems, options.rate


def _raw(song: Song, options: SoundOptions) -> tuple[Samples, float]:
    """What is played, with its tail, not levelled yet; and what velocities were multiplied by."""
    if song.duration_s > _LONGEST_S:
        hours = f"{song.duration_s / 3600:.0f} hours of sound"
        raise WriteError("audio", hours, f"up to {_LONGEST_S // 3600} are rendered")
    content, font = _soundfont(options.soundfont)
    synth = pick_synth(options.synth)
    if not song.n_notes:
        silent = np.zeros((round(song.duration_s * options.rate), 2), np.float32)
        return _tailed(silent, len(silent), options.rate), 1.0
    velocity = max((int(part.velocity.max(initial=0)) for part in song.parts), default=0)
    scale = max(1.0, _CLEAR_VELOCITY / velocity) if velocity else 1.0
    samples, rate = _played(_scaled(song, scale), font, content, synth)
    if np.abs(samples).max(initial=0) >= _CLIPPED:
        scale /= 2
        samples, rate = _played(_scaled(song, scale), font, content, synth)
    samples = _at_rate(samples, rate, options.rate)
    return _tailed(samples, round(song.duration_s * options.rate), options.rate), scale


def write_audio(song: Song, path: str | Path, options: SoundOptions | None = None) -> Path:
    """Render `song` to a `.wav`, `.flac` or `.ogg` file, by its suffix; returns the path.

    Raises `WriteError` for another suffix or a place that cannot be written, and as `render`.
    """
    _checked(path)
    samples, rate = render(song, options)
    return _write(samples, rate, path)


def write_stems(song: Song, path: str | Path, options: SoundOptions | None = None) -> list[Path]:
    """`write_audio`, and a file for each part beside it (`song.bass.wav`); returns their paths."""
    _checked(path)
    mix, stems, rate = render_stems(song, options)
    _write(mix, rate, path)
    return [_write(each, rate, stem_path(Path(path), name)) for name, each in stems.items()]


def _checked(path: str | Path) -> str:
    suffix = Path(path).suffix.lower()
    if suffix not in _FORMATS:
        kinds = ", ".join(SUFFIXES)
        raise WriteError(path, f"no audio format {suffix or 'without a suffix'}", f"use {kinds}")
    return suffix


def _write(samples: Samples, rate: int, path: str | Path) -> Path:
    import soundfile

    kind, subtype = _FORMATS[_checked(path)]
    shape = {"samplerate": rate, "channels": 2, "format": kind, "subtype": subtype}
    with replacing(path) as aside:
        try:
            with soundfile.SoundFile(aside, "w", **shape) as file:
                for begin in range(0, len(samples), _BLOCK_FRAMES):
                    file.write(samples[begin : begin + _BLOCK_FRAMES])
        except soundfile.LibsndfileError as error:
            raise WriteError(path, str(error), "is the disk full?") from None
    return Path(path)


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


def _played(song: Song, font: Path, content: bytes, synth: str) -> tuple[Samples, int]:
    """What the synthesizer plays until the tail is over, `(n, 2)`, and its rate in hz.

    It stops with the last event, so the song is made longer by the tail.
    """
    us_per_quarter = int(song.tempo.us_per_quarter[-1])
    tail_ticks = int(np.ceil(_TAIL_S * 1e6 * song.ticks_per_quarter / us_per_quarter))
    longer = replace(song, end_ticks=song.end_ticks + tail_ticks)
    return synthesised(midi.to_bytes(longer), font, content, synth)


def _at_rate(samples: Samples, before: int, after: int) -> Samples:
    if before == after:
        return samples
    import soxr

    return np.asarray(soxr.resample(samples, before, after), np.float32)


def _tailed(samples: Samples, length: int, rate: int) -> Samples:
    """`length` samples and the tail until it is silent, faded at its end."""
    needed = length + round(_LEAST_TAIL_S * rate)
    samples = _of_length(samples, max(len(samples), needed))
    least = _SILENCE * np.abs(samples).max(initial=0)
    loud = np.flatnonzero(np.abs(samples[needed:]).max(axis=1) > least)
    end = needed + (int(loud[-1]) + 1 if len(loud) else 0)
    return _faded(samples[:end].copy(), rate)


def _of_length(samples: Samples, length: int) -> Samples:
    """Samples cut, or followed by silence."""
    return np.pad(samples[:length], ((0, max(length - len(samples), 0)), (0, 0)))


def _faded(samples: Samples, rate: int) -> Samples:
    fade = round(_FADE_S * rate)
    samples[-fade:] *= np.linspace(1, 0, fade, dtype=np.float32)[:, None]
    return samples
