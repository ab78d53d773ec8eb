"""Commands in forked processes, which share imports: what they do after start-up costs a tenth.

The imports of a command take longer than most commands and write nothing. Processes forked from
one that has imported everything spend their time where kills and races matter.
"""

from __future__ import annotations

import os
import pkgutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import IO, NoReturn

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
from support.fuzz.isolation import exit_after

os.environ.setdefault("OMP_NUM_THREADS", "1")  # threads of OpenMP do not survive a fork

POLL_INTERVAL_S = 0.005
LATE_IMPORTS = (
    *("librosa", "soundfile", "numba", "pyloudnorm", "mido", "pyarrow.ipc", "filelock"),
    *("cloudpickle", "safetensors.torch", "matplotlib.backends.backend_agg", "midirenderer"),
    *("tensorboard", "torch.utils.tensorboard", "symusic.soundfont"),
)


class ForkedCommand:
    """A run of `musicvae` in a forked process, with the methods of `subprocess.Popen` used here."""

    def __init__(self, folder: Path, words: str, environment: dict[str, str]) -> None:
        self.returncode: int | None = None
        self._outputs = tempfile.TemporaryFile(), tempfile.TemporaryFile()  # noqa: SIM115
        preload()
        sys.stdout.flush()
        self.pid = os.fork()
        if not self.pid:
            _act(folder, words, environment, *self._outputs)

    def poll(self) -> int | None:
        """Return the exit code, negative after a signal; None while the process runs."""
        if self.returncode is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode

    def wait(self, timeout: float = float("inf")) -> int:
        """Wait for the end and return the exit code, or raise `subprocess.TimeoutExpired`."""
        deadline = time.monotonic() + timeout
        while (code := self.poll()) is None:
            if time.monotonic() > deadline:
                raise subprocess.TimeoutExpired("musicvae", timeout)
            time.sleep(POLL_INTERVAL_S)
        return code

    def communicate(self, timeout: float = float("inf")) -> tuple[str, str]:
        """Wait for the end and return what was written to stdout and stderr."""
        self.wait(timeout)
        texts = []
        for file in self._outputs:
            file.seek(0)
            texts.append(file.read().decode(errors="replace"))
        return texts[0], texts[1]

    def kill(self) -> None:
        """Kill the process, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, signal.SIGKILL)


def preload() -> None:
    """Import what commands import, all of musicvae and what it imports late."""
    if "musicvae.cli" not in sys.modules:
        import musicvae

        for module in pkgutil.walk_packages(musicvae.__path__, "musicvae."):
            if not module.name.endswith("__main__"):
                import_module(module.name)
        for name in LATE_IMPORTS:
            with suppress(ImportError):
                import_module(name)


def _act(
    folder: Path, words: str, environment: dict[str, str], out: IO[bytes], err: IO[bytes]
) -> NoReturn:
    """Be the command, in the child."""

    def run() -> None:
        os.setsid()  # its group tells which processes are its own
        os.chdir(folder)
        os.environ.update(environment)
        sys.modules["__main__"] = ModuleType("__main__")  # what workers import again
        for number, file in enumerate((out, err), start=1):
            os.dup2(file.fileno(), number)
        sys.stdout = os.fdopen(1, "w", errors="backslashreplace", closefd=False)
        sys.stderr = os.fdopen(2, "w", buffering=1, errors="backslashreplace", closefd=False)
        from musicvae.cli import main

        main(words.split(), prog_name="musicvae")

    def finish() -> None:
        sys.stdout.flush()
        threading._shutdown()  # type: ignore[attr-defined]  # waits as an exit of Python does

    exit_after(run, finish, crash_code=1)
