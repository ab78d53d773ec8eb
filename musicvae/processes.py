"""Worker processes that end with their parent, however it ends.

A process that is killed cannot tell its workers. So each worker watches a pipe or handle that the
system closes with the parent, in a thread of its own, which also notices while the worker computes.
Linux sends a signal as well, which reaches code that keeps Python's lock.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread
from typing import IO

_POLL_INTERVAL_S = 0.5
_PR_SET_PDEATHSIG = 1  # of <sys/prctl.h>
_GUARD_CODE = """
import os, subprocess, sys, threading
program = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL)
def watch():
    while os.read(0, 1): pass
    program.kill()
threading.Thread(target=watch, daemon=True).start()
code = program.wait()
os._exit(code if code >= 0 else 1)
"""
"""A process that runs a program and kills it at the end of its own standard input."""


def end_with_parent(wait: Callable[[], object]) -> None:
    """End this process when its parent is gone; returns at once.

    `wait` blocks until then: it reads a pipe from the parent, or waits for a handle of it.
    """

    def watch() -> None:
        with suppress(OSError, EOFError):
            wait()
        os._exit(1)

    Thread(target=watch, name="parent", daemon=True).start()
    request_death_signal()


def request_death_signal() -> None:
    """Ask Linux for SIGKILL when the parent dies; elsewhere do nothing."""
    if sys.platform.startswith("linux"):
        import ctypes

        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def limit_memory(memory_bytes: int) -> None:
    """Limit the memory of this process to that in use plus `memory_bytes`, except on Windows."""
    if sys.platform == "win32":
        return
    import resource

    try:
        in_use = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    except OSError:
        in_use = 0
    for what, size in ((resource.RLIMIT_AS, in_use + memory_bytes), (resource.RLIMIT_CORE, 0)):
        hard = resource.getrlimit(what)[1]
        allowed = size if hard == resource.RLIM_INFINITY else min(size, hard)
        try:
            resource.setrlimit(what, (allowed, hard))
        except (ValueError, OSError):  # macOS has the limit but does not support it
            continue


def boot_code(module: str, function: str) -> str:
    """Return code that calls a function of the package in another process (`boot_command`)."""
    paths = "import json, sys; sys.path[:] = json.loads(sys.argv[1])"
    return f"{paths}; from {module} import {function}; {function}()"


def boot_command(code: str, *arguments: str) -> list[str]:
    """Return the command that runs `boot_code` with the paths of this process.

    `arguments` are `sys.argv[2:]` there.
    """
    return [sys.executable, "-c", code, json.dumps(sys.path), *arguments]


def end_with_launcher() -> None:
    """End this process when the process that started it is gone, without a pipe between them."""
    parent = os.getppid()

    def wait() -> None:
        while os.getppid() == parent:
            time.sleep(_POLL_INTERVAL_S)

    end_with_parent(wait)


@contextmanager
def worker_pool(workers: int) -> Iterator[ProcessPoolExecutor]:
    """Yield a pool of spawned processes that end with this one.

    On leaving, jobs that have not begun are dropped.
    """
    from multiprocessing import get_context

    with ProcessPoolExecutor(
        workers, mp_context=get_context("spawn"), initializer=_watch_pool_owner
    ) as pool:
        try:
            yield pool
        finally:  # the caller may stop early
            pool.shutdown(wait=False, cancel_futures=True)


def _watch_pool_owner() -> None:
    """Let a process of a pool end with the process that owns the pool."""
    from multiprocessing import parent_process
    from multiprocessing.connection import wait

    if (owner := parent_process()) is not None:
        end_with_parent(lambda: wait([owner.sentinel]))


def run_program(command: Sequence[str], timeout_s: float) -> subprocess.CompletedProcess[bytes]:
    """Run a program that ends with this process, and return its output.

    Raises `OSError` if a process cannot be started, `subprocess.TimeoutExpired` if the program
    takes too long; it is killed then.
    """
    guarded = [sys.executable, "-I", "-S", "-c", _GUARD_CODE, *command]
    pipe = subprocess.PIPE
    with subprocess.Popen(guarded, stdin=pipe, stdout=pipe, stderr=pipe) as guard:
        assert guard.stdin is not None and guard.stdout is not None and guard.stderr is not None
        outputs: dict[str, bytes] = {}

        def read(name: str, file: IO[bytes]) -> None:
            outputs[name] = file.read()

        streams = {"out": guard.stdout, "err": guard.stderr}
        readers = [Thread(target=read, args=item, daemon=True) for item in streams.items()]
        for reader in readers:
            reader.start()
        try:
            code = guard.wait(timeout_s)
        except BaseException:
            guard.stdin.close()  # its guard kills the program
            guard.wait()
            raise
        for reader in readers:
            reader.join()
    return subprocess.CompletedProcess(command, code, outputs["out"], outputs["err"])
