"""Exclusive writes and locks: of two processes one wins, and the other is told."""

from __future__ import annotations

import os
from pathlib import Path
from threading import Barrier, Thread

import pytest

from musicvae.checkpoints import MODEL_FILE, claim_run_name, locked_checkpoint
from musicvae.errors import ExistsError, WriteError
from musicvae.storage import exclusive_writes, hidden_lock_file, locked, write_bytes


@pytest.fixture(params=[True, False], ids=["links", "no links"])
def links(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether the file system has hard links."""
    if not request.param:

        def refuse(*paths: Path) -> None:
            raise PermissionError(1, "no hard links here")

        monkeypatch.setattr(os, "link", refuse)
    return bool(request.param)


def test_exclusive_write_keeps_an_existing_file(tmp_path: Path, links: bool) -> None:
    path = tmp_path / "a.mid"
    with exclusive_writes():
        write_bytes(path, b"first")
        with pytest.raises(ExistsError, match="already exists; overwrite it with --force"):
            write_bytes(path, b"second")
        with exclusive_writes(False):
            write_bytes(tmp_path / "b.mid", b"third")
    assert path.read_bytes() == b"first"
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a.mid", "b.mid"]
    write_bytes(path, b"fourth")
    assert path.read_bytes() == b"fourth"


def test_of_many_writers_of_a_path_one_wins(tmp_path: Path, links: bool) -> None:
    path, barrier, won = tmp_path / "a.mid", Barrier(8), []

    def write(nth: int) -> None:
        barrier.wait()
        try:
            with exclusive_writes():
                write_bytes(path, b"%d" % nth)
        except ExistsError:
            return
        won.append(b"%d" % nth)

    threads = [Thread(target=write, args=(nth,)) for nth in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert won == [path.read_bytes()]


def test_held_lock_refuses_and_is_released(tmp_path: Path) -> None:
    refusal = WriteError(tmp_path, "busy", "wait")
    for _ in range(2):
        with (
            locked(tmp_path / ".lock", refusal),
            pytest.raises(WriteError, match="busy; wait"),
            locked(tmp_path / ".lock", refusal),
        ):
            pass


def test_checkpoint_is_locked_by_its_run_or_without_a_file_beside_it(tmp_path: Path) -> None:
    for name in (MODEL_FILE, "other.safetensors"):
        with (
            locked_checkpoint(tmp_path / name),
            pytest.raises(WriteError, match="another process is writing it"),
            locked_checkpoint(tmp_path / name),
        ):
            pass
    assert [path.name for path in tmp_path.iterdir()] == [".lock"]
    hidden_lock_file(tmp_path / "other.safetensors").unlink()


def test_claimed_run_names_differ_and_a_chosen_one_is_kept(tmp_path: Path) -> None:
    names = [claim_run_name("a", user_chosen=False, folder=tmp_path / "runs") for _ in range(3)]
    assert names == ["a", "a-2", "a-3"]
    assert claim_run_name("a", user_chosen=True, folder=tmp_path / "runs") == "a"
