"""Sandbox jobs that misbehave like hostile files; sandboxes import this module by name."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

from musicvae.data.sandbox_worker import heartbeat
from musicvae.data.stored_song import StoredSong, read_stored_song
from musicvae.io.options import ReadOptions


def act(job: str) -> bytes:
    """Run a job such as `sleep:2` or `eat:1000`, with its seconds or bytes after the colon."""
    what, _, size = job.partition(":")
    if what == "die":
        os.kill(os.getpid(), signal.SIGSEGV)
    elif what == "leave":
        os._exit(3)
    elif what == "sleep":
        time.sleep(float(size))
    elif what == "work":
        for _ in range(4):
            time.sleep(float(size) / 4)
            heartbeat()
    elif what == "read":  # a file of that many bytes, which takes longer than the limit
        heartbeat(int(size))
        time.sleep(1.8)
    elif what == "eat":
        bytearray(int(size))
    elif what == "fail":
        raise KeyError(size)
    elif what == "print":
        os.write(1, b"noise")
        print("noise")
    elif what == "die-second":  # as after memory corruption by an earlier file
        act.calls = getattr(act, "calls", 0) + 1  # type: ignore[attr-defined]
        if act.calls > 1:  # type: ignore[attr-defined]
            os.abort()
    return f"{job} {os.getpid()}".encode()


def act_all(jobs: tuple[str, ...]) -> bytes:
    """Run several jobs as one."""
    answers = []
    for job in jobs:
        heartbeat()
        answers.append(act(job))
    return b"+".join(answers)


def read_hostile_song(content: bytes, name: str, options: ReadOptions) -> StoredSong:
    """Read a song, or run the job of a file that begins with `do `; log the name of each file."""
    if counter := os.environ.get("MUSICVAE_TEST_COUNTER"):
        with Path(counter).open("a") as log:
            log.write(name + "\n")
    if content.startswith(b"do "):
        act(content[3:].decode())
    return read_stored_song(content, name, options)


def first_parts(job: Any) -> list[Any]:
    """Split a job of several into single jobs."""
    return [(each,) for each in job]
