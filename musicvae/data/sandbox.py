"""Sandboxed worker processes for untrusted input, with limits of time and memory.

Each process has its own pipes to this one: no lock is shared, so no process can block another
however it ends, and the end of its pipe shows at once that it has died. They are plain children
that import nothing of the caller's script, so scripts and notebooks need no main guard.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from queue import Empty, PriorityQueue, SimpleQueue
from threading import Thread
from typing import Any, TypeVar

from musicvae.data.sandbox_worker import (
    HEARTBEAT_INTERVAL_S,
    receive,
    send,
    serialize,
    unpack_allowance,
)
from musicvae.errors import DataError
from musicvae.processes import boot_code, boot_command

Job = TypeVar("Job")
BOOT_CODE = boot_code("musicvae.data.sandbox_worker", "main")
JOBS_PER_WORKER = 4  # jobs per worker that may start before the oldest one is done
POLL_INTERVAL_S = 0.05  # interval between checks for processes that take too long
START_TIMEOUT_S = 120.0  # a process that is not ready by then has failed
EXIT_TIMEOUT_S = 2.0  # time to exit after its input was closed
JobQueue = PriorityQueue[tuple[int, int, Any]]
"""Index of a job, index of its part, and the job with whether it can be split."""
AnswerQueue = SimpleQueue[tuple[int, int, "bytes | Failure"]]


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Limits of one job, or of the part of a job between two calls of `heartbeat`.

    The time grows with the size of the file that `heartbeat` is given.
    """

    seconds: float = 20.0
    memory_bytes: int = 2 << 30

    @property
    def memory_reason(self) -> str:
        """Reason for a job that ran out of memory."""
        size = self.memory_bytes / 2**30
        shown = f"{size:g} GB" if size >= 1 else f"{1024 * size:g} MB"
        return f"needs more than {shown} of memory"


@dataclass(frozen=True, kw_only=True)
class Failure:
    """A job without an answer, and the reason."""

    reason: str


def run(
    function: Callable[[Job], bytes],
    jobs: Iterable[Job],
    *,
    workers: int = 1,
    limits: Limits | None = None,
    split: Callable[[Job], Sequence[Job]] | None = None,
) -> Generator[bytes | Failure | list[bytes | Failure], None, None]:
    """Yield the answer to each job, in order: the result of `function`, or a `Failure`.

    `function` must be importable by name (or a `functools.partial` of such a function) and return
    bytes; `jobs` are pickled and may be endless, as few are taken ahead. A failed job that `split`
    divides into several is run again as these, and its answer is the list of their answers; its
    first run has half of the time limit, so that little is lost. Raises `DataError` if processes
    cannot be started.

    A job whose process died is tried again in a fresh one if the process had run other jobs before
    it. All processes are killed when the generator is closed or interrupted.
    """
    limits = limits or Limits()
    todo: JobQueue = PriorityQueue()
    done: AnswerQueue = SimpleQueue()
    pool: list[_Worker] = []
    source, n_yielded = enumerate(jobs), 0
    parts: dict[int, Sequence[Job]] = {}  # parts of each job in progress; one if it is not split
    answers: dict[int, bytes | Failure | list[bytes | Failure]] = {}
    part_answers: dict[int, list[Any]] = {}
    try:
        while True:
            for index, job in islice(source, JOBS_PER_WORKER * workers - len(parts)):
                parts[index] = list(split(job)) if split else [job]
                todo.put((index, 0, (job, len(parts[index]) > 1)))
                if len(pool) < min(workers, len(parts)):
                    pool.append(_Worker(function, limits, todo, done))
            if not parts:
                return
            index, part, answer = _next_answer(done, pool)
            if index in part_answers:
                part_answers[index][part] = answer
                if None not in part_answers[index]:
                    answers[index] = part_answers.pop(index)
            elif isinstance(answer, Failure) and len(parts[index]) > 1:
                part_answers[index] = [None] * len(parts[index])
                for i, job in enumerate(parts[index]):
                    todo.put((index, i, (job, False)))
            else:
                answers[index] = answer
            while n_yielded in answers:
                del parts[n_yielded]
                yield answers.pop(n_yielded)
                n_yielded += 1
    finally:
        for worker in pool:
            worker.is_closed = True
        for number in range(len(pool)):
            todo.put((-1, number, None))
        for worker in pool:
            worker.kill()


def _next_answer(done: AnswerQueue, pool: list[_Worker]) -> tuple[int, int, bytes | Failure]:
    """Wait for the next answer of any worker; kill workers that take too long."""
    while True:
        try:
            index, part, answer = done.get(timeout=POLL_INTERVAL_S)
        except Empty:
            for worker in pool:
                worker.kill_if_late()
            continue
        if index < 0:
            reason = answer.reason if isinstance(answer, Failure) else ""
            raise DataError(f"reading processes cannot start: {reason}")
        return index, part, answer


class _Worker:
    """A thread that passes jobs to one process, and starts another one when it has died."""

    def __init__(
        self, function: Callable[[Any], bytes], limits: Limits, todo: JobQueue, done: AnswerQueue
    ) -> None:
        self.limits, self.todo, self.done = limits, todo, done
        self.setup = serialize((function, limits.memory_bytes, limits.seconds))
        self.process: subprocess.Popen[bytes] | None = None
        self.timeout_s = limits.seconds
        self.allowance_s = 0.0
        """Time that the last message from the process added to the limit."""
        self.last_sign_s = float("inf")
        """Time of the last message from the process, if it has a job."""
        self.is_closed = False
        self.thread = Thread(target=self._serve, name="sandbox", daemon=True)
        self.thread.start()

    def kill_if_late(self) -> None:
        """Kill the process if its job has sent no heartbeat for too long."""
        process, limit_s = self.process, self.timeout_s + self.allowance_s
        if process and time.monotonic() - self.last_sign_s > limit_s + HEARTBEAT_INTERVAL_S:
            process.kill()

    def kill(self) -> None:
        """Kill the process and wait for the thread, after `is_closed` was set."""
        while self.thread.is_alive():
            if process := self.process:
                process.kill()
            self.thread.join(POLL_INTERVAL_S)

    def _serve(self) -> None:
        try:
            while not self.is_closed:
                index, part, task = self.todo.get()
                if task is not None:
                    self.done.put((index, part, self._answer(*task)))
        except Exception as error:
            self.done.put((-1, 0, Failure(reason=f"{type(error).__name__}: {error}")))
        finally:
            self._discard()

    def _answer(self, job: Any, can_split: bool) -> bytes | Failure:
        self.timeout_s = self.limits.seconds / (2 if can_split else 1)
        while True:
            fresh = self.process is None
            kind, content = self._ask(self.process or self._start(), job)
            silent_s, self.last_sign_s = time.monotonic() - self.last_sign_s, float("inf")
            if kind == b"a":
                return content
            if kind == b"e":
                return Failure(reason=content.decode("utf-8", "replace"))
            code = self._discard()
            if kind == b"m":
                return Failure(reason=self.limits.memory_reason)
            if silent_s > (limit_s := self.timeout_s + self.allowance_s):
                return Failure(reason=f"took longer than {limit_s:.3g} s")
            if fresh or can_split or self.is_closed:
                how = f"signal {-code}" if code < 0 else f"exit code {code}"
                return Failure(reason=f"reader crashed ({how})")

    def _ask(self, process: subprocess.Popen[bytes], job: Any) -> tuple[bytes, bytes]:
        """Send a job and return the last message about it; empty if the process died."""
        assert process.stdin is not None and process.stdout is not None
        self.allowance_s = 0.0
        try:
            self.last_sign_s = time.monotonic()
            send(process.stdin, b"j", serialize(job))
            kind, content = receive(process.stdout)
            while kind == b"b":
                self.allowance_s = unpack_allowance(content)
                self.last_sign_s = time.monotonic()
                kind, content = receive(process.stdout)
        except (EOFError, OSError):
            return b"", b""
        return kind, content

    def _start(self) -> subprocess.Popen[bytes]:
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(
            boot_command(BOOT_CODE), stdin=pipe, stdout=pipe, start_new_session=True
        )
        assert self.process.stdin is not None and self.process.stdout is not None
        timeout_s, self.timeout_s = self.timeout_s, START_TIMEOUT_S
        try:
            self.last_sign_s = time.monotonic()
            send(self.process.stdin, b"s", self.setup)
            receive(self.process.stdout)
        except (EOFError, OSError):
            raise RuntimeError(f"it ended with code {self.process.wait()}") from None
        finally:
            self.timeout_s = timeout_s
        return self.process

    def _discard(self) -> int:
        """Close the process, kill it if it does not exit, and return its exit code."""
        process = self.process
        if process is None:
            return 0
        assert process.stdin is not None and process.stdout is not None
        with suppress(OSError):  # bytes that it did not read
            process.stdin.close()
        try:
            code = process.wait(EXIT_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            code = process.wait()
        process.stdout.close()
        self.process = None
        return code


def available_cpus() -> int:
    """Return the number of processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
