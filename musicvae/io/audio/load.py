"""Floor 3: an audio file -> samples, of one channel or of all, or why they cannot be had."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
from numpy.typing import NDArray

from musicvae.errors import ReadError, reason_of

if TYPE_CHECKING:
    from soundfile import SoundFile

SUFFIXES = (".wav", ".flac", ".mp3", ".ogg", ".oga", ".aif", ".aiff")
"""What recordings are usually called; only to choose files of a folder."""
LONGEST_S = 600.0
"""Of a recording that is heard; a minute of it takes about five seconds."""
_SHORTEST_S = 0.5
_BLOCK_FRAMES = 1 << 18
_SILENT = 10 ** (-70 / 20)
_ALIKE = 0.25  # of the power of one channel: what two channels of one microphone differ by at most


def samples_of(content: bytes, rate: int, path: str | Path) -> NDArray[np.float32]:
    """Samples `(n,)` float32 at `rate`, without what is constant; channels mixed.

    Raises `ReadError` for what is damaged, silent, too short or too long.
    """
    import soxr

    with _opened(io.BytesIO(content), path) as file:
        before, total = file.samplerate, file.frames
        if total > LONGEST_S * before:
            length = f"{total / before / 60:.0f} minutes of sound"
            raise ReadError(path, length, f"cut it to {LONGEST_S / 60:.0f} minutes at most")
        blocks = file.blocks(_BLOCK_FRAMES, dtype="float32", always_2d=True)
        sound = np.concatenate([np.zeros(0, np.float32), *(_mixed(b) for b in blocks)])
    if len(sound) < _SHORTEST_S * before:
        reason = f"{len(sound) / before:.1f} seconds of sound, too short for a tune"
        raise ReadError(path, reason, "hum a few bars")
    _check_numbers(sound, path)
    sound = np.asarray(soxr.resample(sound, before, rate), np.float32)
    sound -= sound.mean()
    if np.abs(sound).max(initial=0) < _SILENT:
        raise ReadError(path, "silence", "is the microphone on?")
    return sound


def channels_of(path: str | Path) -> tuple[NDArray[np.float32], int]:
    """Samples `(n, channels)` float32 of a file as they are, however long, and their rate in hz.

    Raises `ReadError` for none, what is damaged or has samples that are no numbers.
    """
    try:
        with Path(path).open("rb") as content, _opened(content, path) as file:
            samples, rate = file.read(dtype="float32", always_2d=True), int(file.samplerate)
    except OSError as error:
        raise ReadError(path, reason_of(error), "check the path") from None
    _check_numbers(samples, path)
    return samples, rate


@contextmanager
def _opened(content: BinaryIO, path: str | Path) -> Iterator[SoundFile]:
    """The bytes of an audio file while the block reads them; what goes wrong is a `ReadError`."""
    import soundfile

    try:
        with soundfile.SoundFile(content) as file:
            if not 4_000 <= file.samplerate <= 400_000 or file.channels > 64:
                odd = f"{file.channels} channels of {file.samplerate} samples a second"
                raise ReadError(path, odd, "export it again as WAV")
            yield file
    except (soundfile.LibsndfileError, RuntimeError, ValueError) as error:
        reason = str(error).removeprefix("Error opening ").rstrip(".")
        told = f"an audio file that cannot be read ({reason.split(': ')[-1].lower()})"
        raise ReadError(path, told, "is it whole? export it again as WAV") from None


def _check_numbers(samples: NDArray[np.float32], path: str | Path) -> None:
    if not np.isfinite(samples).all():
        raise ReadError(path, "an audio file with samples that are no numbers", "export it again")


def _mixed(block: NDArray[np.float32]) -> NDArray[np.float32]:
    """The mean of the channels `(n, channels)`; but not of two that put one another out."""
    if block.shape[1] == 1:
        return block[:, 0]
    mixed = block.mean(1)
    power = float((block**2).mean())
    if float((mixed**2).mean()) < _ALIKE * power / block.shape[1]:
        return block[:, int((block**2).mean(0).argmax())]
    return mixed
