"""Import librosa, whose loops numba compiles at their first use on a machine.

numba keeps what it compiled in a cache that processes share, and which it does not lock: two that
fill it at once can leave code for one type under the name of another, and every later process that
calls it dies of a segmentation fault. So the cache is filled by one process at a time.
"""

from __future__ import annotations

import os
import tempfile
from contextlib import ExitStack, suppress
from functools import cache
from pathlib import Path
from types import ModuleType

import numpy as np

_TIMEOUT_S = 300.0  # a process that compiles for longer is stuck
_RATE_HZ = 22050


@cache
def import_librosa() -> ModuleType:
    """Return librosa, with the functions of it that numba compiles compiled.

    The first time on a machine that takes some twenty seconds, then numba's cache has them. Where
    no lock can be had, librosa is imported and compiled without.
    """
    from filelock import FileLock, Timeout

    user = os.getuid() if hasattr(os, "getuid") else ""
    lock = FileLock(Path(tempfile.gettempdir(), f"musicvae-librosa-{user}.lock"))
    with ExitStack() as stack:
        with suppress(OSError, NotImplementedError, Timeout):
            stack.enter_context(lock.acquire(timeout=_TIMEOUT_S))
        import librosa

        _compile(librosa)
    return librosa


def _compile(librosa: ModuleType) -> None:
    """Call each function that is compiled, with samples as elsewhere, on a moment of sound."""
    samples = np.sin(2 * np.pi * 220 / _RATE_HZ * np.arange(1 << 15)).astype(np.float32)
    moment = samples[: 1 << 12]
    librosa.pyin(moment, fmin=110, fmax=440, sr=_RATE_HZ, frame_length=1024, fill_na=None)
    librosa.onset.onset_strength(y=moment, sr=_RATE_HZ, n_fft=1024)
    librosa.cqt(samples, sr=_RATE_HZ, n_bins=168, bins_per_octave=24)
