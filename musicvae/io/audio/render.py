"""Song -> audio: stereo, of equal loudness, of the length of the song and a decay tail."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from musicvae.arrays import Floats32
from musicvae.errors import ConfigError, WriteError
from musicvae.io import midi
from musicvae.io.audio.loudness import TARGET_LUFS, limit_peaks, normalize_loudness
from musicvae.io.audio.synth import MAX_DURATION_S, SoundFont, Synthesizer, find_synthesizer
from musicvae.io.midi.channels import assign_channels
from musicvae.io.stems import split_stems, stem_path
from musicvae.song import Part, Song
from musicvae.storage import atomic_path

AUDIO_SUFFIXES = (".wav", ".flac", ".ogg")
_FORMATS = {".wav": ("WAV", "PCM_16"), ".flac": ("FLAC", "PCM_16"), ".ogg": ("OGG", "VORBIS")}
_TAIL_S, _MIN_TAIL_S, _FADE_S = 4.0, 0.5, 0.25
_SILENCE_RATIO = 10 ** (-72 / 20)  # of the peak; the tail ends below it
_MIN_PEAK_VELOCITY = 80  # softer songs are raised to it, or quiet notes would be lost
_CLIPPING_LEVEL = 32766 / 32768
_BLOCK_FRAMES = 1 << 16  # libsndfile overflows its stack on long Vorbis writes


@dataclass(frozen=True, kw_only=True)
class RenderOptions:
    """Synthesizer, loudness and sample rate."""

    soundfont: str | Path | None = None
    """An SF2 file; by default the one inside the `pretty_midi` wheel."""
    synthesizer: str = "auto"
    """A name in `synth.SYNTHESIZERS`, or `auto`: the first of them that is installed."""
    lufs: float = TARGET_LUFS
    """Integrated loudness in LUFS, -70 to -5."""
    rate: int = 48_000
    """Sample rate in Hz, 8,000 to 192,000."""

    def __post_init__(self) -> None:
        if not -70 <= self.lufs <= -5:
            raise ConfigError(f"loudness {self.lufs:g} LUFS is out of range: use -70 to -5")
        if not 8_000 <= self.rate <= 192_000:
            raise ConfigError(f"sample rate {self.rate} is out of range: use 8000 to 192000")


def render(song: Song, options: RenderOptions | None = None) -> tuple[Floats32, int]:
    """Render `song`; return samples `(n, 2)` float32 within -1..1, and their rate in Hz.

    No peak is above -1 dBFS; a song without notes is silence of its length. Raises `ReadError` if
    the SoundFont cannot be used, `ConfigError` if the synthesizer is not installed, `WriteError`
    if the song lasts for hours.
    """
    options = options or RenderOptions()
    samples, _ = _render_unnormalized(song, options)
    return normalize_loudness(samples, options.rate, options.lufs)[0], options.rate


def render_stems(
    song: Song, options: RenderOptions | None = None
) -> tuple[Floats32, dict[str, Floats32], int]:
    """Render `song` and each of its parts; return the mix, stems by name, and their rate in Hz.

    All have the same length. Stems have the gain of the mix, so they sum to the mix before its
    limiter. Raises as `render`.
    """
    options = options or RenderOptions()
    raw, scale = _render_unnormalized(song, options)
    mix, gain = normalize_loudness(raw, options.rate, options.lufs)
    font, synthesizer = SoundFont.load(options.soundfont), find_synthesizer(options.synthesizer)
    stems: dict[str, Floats32] = {}
    for name, stem in split_stems(song).items():
        stem = _scale_velocities(stem, scale)
        alone = _synthesize_with_tail(stem, synthesizer, font, options.rate)
        alone = _fade_out(_fit_length(alone, len(mix)), options.rate)
        stems[name] = limit_peaks(alone * np.float32(gain), options.rate)
    return mix, stems, options.rate


def _render_unnormalized(song: Song, options: RenderOptions) -> tuple[Floats32, float]:
    """Return samples `(n, 2)` with their tail, and the factor applied to velocities."""
    if song.duration_s > MAX_DURATION_S:
        hours = f"{song.duration_s / 3600:.0f} hours of audio"
        raise WriteError("audio", hours, f"the limit is {MAX_DURATION_S // 3600} hours")
    font, synthesizer = SoundFont.load(options.soundfont), find_synthesizer(options.synthesizer)
    if not song.n_notes:
        silence = np.zeros((round(song.duration_s * options.rate), 2), np.float32)
        return _trim_tail(silence, len(silence), options.rate), 1.0
    velocity = max((int(part.velocity.max(initial=0)) for part in song.parts), default=0)
    scale = max(1.0, _MIN_PEAK_VELOCITY / velocity) if velocity else 1.0
    scaled = _scale_velocities(song, scale)
    samples = _synthesize_with_tail(scaled, synthesizer, font, options.rate)
    if synthesizer.clips and np.abs(samples).max(initial=0) >= _CLIPPING_LEVEL:
        scale /= 2
        scaled = _scale_velocities(song, scale)
        samples = _synthesize_with_tail(scaled, synthesizer, font, options.rate)
    return _trim_tail(samples, round(song.duration_s * options.rate), options.rate), scale


def write_audio(song: Song, path: str | Path, options: RenderOptions | None = None) -> Path:
    """Render `song` to a `.wav`, `.flac` or `.ogg` file, by its suffix; return the path.

    Raises `WriteError` for other suffixes and unwritable paths, and as `render`.
    """
    _check_suffix(path)
    samples, rate = render(song, options)
    return _write(samples, rate, path)


def write_stems(song: Song, path: str | Path, options: RenderOptions | None = None) -> list[Path]:
    """Render `song` and, beside it, a file for each part (`song.bass.wav`); return all paths."""
    _check_suffix(path)
    mix, stems, rate = render_stems(song, options)
    _write(mix, rate, path)
    return [_write(stem, rate, stem_path(Path(path), name)) for name, stem in stems.items()]


def _check_suffix(path: str | Path) -> str:
    """Return the suffix of an audio file in lower case, or raise `WriteError`."""
    suffix = Path(path).suffix.lower()
    if suffix not in _FORMATS:
        kinds = ", ".join(AUDIO_SUFFIXES)
        raise WriteError(path, f"no audio format {suffix or 'without a suffix'}", f"use {kinds}")
    return suffix


def _write(samples: Floats32, rate: int, path: str | Path) -> Path:
    """Write samples `(n, 2)` to an audio file atomically."""
    import soundfile

    kind, subtype = _FORMATS[_check_suffix(path)]
    shape = {"samplerate": rate, "channels": 2, "format": kind, "subtype": subtype}
    with atomic_path(path) as aside:
        try:
            with soundfile.SoundFile(aside, "w", **shape) as file:
                for begin in range(0, len(samples), _BLOCK_FRAMES):
                    file.write(samples[begin : begin + _BLOCK_FRAMES])
        except soundfile.LibsndfileError as error:
            raise WriteError(path, str(error), "check the free disk space") from None
    return Path(path)


def _scale_velocities(song: Song, scale: float) -> Song:
    """Return the song with velocities times `scale`; amplitude grows with their square."""
    if scale == 1.0:
        return song
    parts = [
        replace(part, velocity=np.round(part.velocity * scale).astype(np.int64))
        for part in song.parts
    ]
    return replace(song, parts=tuple(parts))


def _synthesize_with_tail(
    song: Song, synthesizer: Synthesizer, font: SoundFont, rate: int
) -> Floats32:
    """Return samples `(n, 2)` of a song and its tail.

    Synthesizers stop at the last event, so the song is extended by the tail. They have sixteen
    channels and ignore ports, so the parts of each port are played alone and added.
    """
    us_per_quarter = int(song.tempo.us_per_quarter[-1])
    tail_ticks = int(np.ceil(_TAIL_S * 1e6 * song.ticks_per_quarter / us_per_quarter))
    extended = replace(song, end_ticks=song.end_ticks + tail_ticks)
    by_port: dict[int, list[Part]] = {}
    for part, (port, _) in zip(song.parts, assign_channels(song.parts), strict=True):
        by_port.setdefault(port, []).append(part)
    mix = np.zeros((0, 2), np.float32)
    for parts in by_port.values():
        group = replace(extended, parts=tuple(parts))
        samples = synthesizer.play(midi.to_bytes(group), font, rate, extended.duration_s)
        length = max(len(mix), len(samples))
        mix = _fit_length(mix, length) + _fit_length(samples, length)
    return mix


def _trim_tail(samples: Floats32, length: int, rate: int) -> Floats32:
    """Return `length` samples and the tail until silence, faded out."""
    min_length = length + round(_MIN_TAIL_S * rate)
    samples = _fit_length(samples, max(len(samples), min_length))
    threshold = _SILENCE_RATIO * np.abs(samples).max(initial=0)
    loud = np.flatnonzero(np.abs(samples[min_length:]).max(axis=1) > threshold)
    end = min_length + (int(loud[-1]) + 1 if len(loud) else 0)
    return _fade_out(samples[:end].copy(), rate)


def _fit_length(samples: Floats32, length: int) -> Floats32:
    """Return samples truncated or zero-padded to `length`."""
    return np.pad(samples[:length], ((0, max(length - len(samples), 0)), (0, 0)))


def _fade_out(samples: Floats32, rate: int) -> Floats32:
    """Fade out the end of samples `(n, 2)`, in place."""
    fade = round(_FADE_S * rate)
    samples[-fade:] *= np.linspace(1, 0, fade, dtype=np.float32)[:, None]
    return samples
