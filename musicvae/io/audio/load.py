"""Audio files -> samples, mixed to mono or with all channels."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
from numpy.typing import NDArray

from musicvae.errors import ReadError, os_reason
from musicvae.io.limits import MAX_RECORDING_S, MAX_RECORDING_SAMPLES, MAX_SAMPLE

if TYPE_CHECKING:
    from soundfile import SoundFile

RECORDING_SUFFIXES = (".wav", ".flac", ".mp3", ".ogg", ".oga", ".aif", ".aiff")
"""Usual suffixes of recordings; they only select the files of a folder."""
_MIN_DURATION_S = 0.5
_BLOCK_FRAMES = 1 << 18
_SILENCE_PEAK = 10 ** (-70 / 20)
_MIN_MIX_POWER = 0.25  # of the mean channel power; less means that channels cancel


def load_mono(content: bytes, rate: int, path: str | Path) -> NDArray[np.float32]:
    """Decode an audio file; return samples `(n,)` float32 at `rate` Hz, mono, without DC offset.

    Raises `ReadError` for damaged, silent, too short and too long recordings.
    """
    import soxr

    with _open_audio(io.BytesIO(content), path) as file:
        file_rate, n_frames = file.samplerate, file.frames
        if n_frames > MAX_RECORDING_S * file_rate:
            length = f"{n_frames / file_rate / 60:.0f} minutes of audio"
            raise ReadError(path, length, f"cut it to {MAX_RECORDING_S / 60:.0f} minutes at most")
        blocks = (_mix_to_mono(block) for block in _read_blocks(file, path, n_channels=1))
        sound = np.concatenate([np.zeros(0, np.float32), *blocks])
    if len(sound) < _MIN_DURATION_S * file_rate:
        reason = f"{len(sound) / file_rate:.1f} seconds of audio, too short for a tune"
        raise ReadError(path, reason, "record a few bars")
    sound = np.asarray(soxr.resample(sound, file_rate, rate), np.float32)
    sound -= sound.mean()
    if np.abs(sound).max(initial=0) < _SILENCE_PEAK:
        raise ReadError(path, "silence", "check the microphone")
    return sound


def load_channels(path: str | Path) -> tuple[NDArray[np.float32], int]:
    """Read an audio file; return samples `(n, channels)` float32, and their rate.

    Raises `ReadError` for missing, damaged and too long files, and for samples that are NaN or inf.
    """
    try:
        with Path(path).open("rb") as content, _open_audio(content, path) as file:
            blocks = list(_read_blocks(file, path, n_channels=file.channels))
            samples = np.concatenate([np.zeros((0, file.channels), np.float32), *blocks])
            return samples, int(file.samplerate)
    except OSError as error:
        raise ReadError(path, os_reason(error), "check the path") from None


def _read_blocks(
    file: SoundFile, path: str | Path, n_channels: int
) -> Iterator[NDArray[np.float32]]:
    """Yield the samples of a file block by block, whatever its header says of their number.

    Raises `ReadError` for more of them, in `n_channels`, than are kept in memory, and for numbers
    that are no sound.
    """
    n_frames, size = 0, max(_BLOCK_FRAMES // file.channels, 1)
    while len(block := file.read(size, dtype="float32", always_2d=True)):
        n_frames += len(block)
        if n_frames * n_channels > MAX_RECORDING_SAMPLES:
            length = f"more than {n_frames / file.samplerate / 60:.0f} minutes of audio"
            raise ReadError(path, f"{length} at {file.samplerate} Hz", "cut it into pieces")
        _check_samples(block, path)
        yield block


@contextmanager
def _open_audio(content: BinaryIO, path: str | Path) -> Iterator[SoundFile]:
    """Open an audio file for the block; all errors become `ReadError`."""
    import soundfile

    try:
        with soundfile.SoundFile(content) as file:
            if not 4_000 <= file.samplerate <= 400_000 or file.channels > 64:
                reason = f"{file.channels} channels at {file.samplerate} Hz"
                raise ReadError(path, reason, "export it again as WAV")
            yield file
    except (soundfile.LibsndfileError, RuntimeError, ValueError) as error:
        detail = str(error).removeprefix("Error opening ").rstrip(".").split(": ")[-1].lower()
        reason = f"an audio file that cannot be read ({detail})"
        raise ReadError(path, reason, "export it again as WAV") from None


def _check_samples(samples: NDArray[np.float32], path: str | Path) -> None:
    """Raise `ReadError` for samples that are NaN, inf or beyond `MAX_SAMPLE`."""
    if not np.isfinite(samples).all():
        raise ReadError(path, "an audio file with samples that are NaN or inf", "export it again")
    if np.abs(samples).max(initial=0) > MAX_SAMPLE:
        raise ReadError(
            path, f"an audio file with samples beyond {MAX_SAMPLE:g}", "export it again"
        )


def _mix_to_mono(block: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the mean of the channels `(n, channels)`, or the loudest if they cancel each other."""
    if block.shape[1] == 1:
        return block[:, 0]
    mean = block.mean(1)
    power = float((block**2).mean())
    if float((mean**2).mean()) < _MIN_MIX_POWER * power / block.shape[1]:
        return block[:, int((block**2).mean(0).argmax())]
    return mean
