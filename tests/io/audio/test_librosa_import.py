"""One process at a time compiles the loops of librosa."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from filelock import FileLock, Timeout

from musicvae.io.audio import librosa_import

PACKAGE = Path(librosa_import.__file__).parents[2]


@pytest.fixture
def compiled_under_lock(monkeypatch, tmp_path) -> list[bool]:
    """Whether a lock in the folder for temporary files was held at each compilation."""
    held: list[bool] = []

    def compile_nothing(librosa: object) -> None:
        locks = list(tmp_path.glob("*.lock"))
        try:
            for path in locks:
                FileLock(path).acquire(timeout=0, poll_interval=0.01)
            held.append(False)
        except Timeout:
            held.append(True)

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(librosa_import, "_compile", compile_nothing)
    return held


def test_lock_is_held_once_a_process_while_librosa_compiles(compiled_under_lock) -> None:
    import_librosa = librosa_import.import_librosa.__wrapped__
    assert import_librosa().__name__ == "librosa"
    assert import_librosa() is import_librosa()
    assert compiled_under_lock == [True] * 3  # each released what it held


def test_without_a_folder_for_locks(compiled_under_lock, monkeypatch, tmp_path) -> None:
    file = tmp_path / "file"
    file.touch()
    monkeypatch.setattr(tempfile, "tempdir", str(file))
    assert librosa_import.import_librosa.__wrapped__().__name__ == "librosa"
    assert compiled_under_lock == [False]


def test_nothing_else_imports_librosa() -> None:
    importing = {
        path.name
        for path in PACKAGE.rglob("*.py")
        if any(
            line.split()[:2] in (["import", "librosa"], ["from", "librosa"])
            for line in path.read_text("utf-8").replace(".", " ").splitlines()
        )
    }
    assert importing == {"librosa_import.py"}


@pytest.mark.slow
def test_two_processes_that_compile_at_once(tmp_path) -> None:
    code = (
        "import numpy as np; from musicvae.io.transcription.pitch import track_pitch; "
        "x = np.sin(np.arange(32000) / 12).astype(np.float32); print(len(track_pitch(x).pitch))"
    )
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)}
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    outputs = {process.communicate()[0] for process in processes}
    assert [process.returncode for process in processes] == [0, 0]
    assert len(outputs) == 1
