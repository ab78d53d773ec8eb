"""Jobs that do what hostile files do to a reader. In a module of their own: sandboxes import it."""

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
    """Do what the job says, with its number of seconds or bytes behind a colon."""
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
    elif what == "eat":
        bytearray(int(size))
    elif what == "fail":
        raise KeyError(size)
    elif what == "print":
        os.write(1, b"noise")
        print("noise")
    elif what == "die-second":  # as a reader does whose memory an earlier file has spoilt
        act.calls = getattr(act, "calls", 0) + 1  # type: ignore[attr-defined]
        if act.calls > 1:  # type: ignore[attr-defined]
            os.abort()
    return f"{job} {os.getpid()}".encode()


def act_all(jobs: tuple[str, ...]) -> bytes:
    """Several jobs as one."""
    answers = []
    for job in jobs:
        heartbeat()
        answers.append(act(job))
    return b"+".join(answers)


def read_hostile_song(content: bytes, name: str, options: ReadOptions) -> StoredSong:
    """Reads as always, but does what a file says that begins with `do `; counts what it reads."""
    if counter := os.environ.get("MUSICVAE_TEST_COUNTER"):
        with Path(counter).open("a") as log:
            log.write(name + "\n")
    if content.startswith(b"do "):
        act(content[3:].decode())
    return read_stored_song(content, name, options)


def first_parts(job: Any) -> list[Any]:
    """A job of several as jobs of one."""
    return [(each,) for each in job]
