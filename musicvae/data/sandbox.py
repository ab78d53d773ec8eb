"""Floor 5: untrusted input is worked on in processes that may die without taking the run along.

Each process has its own line to this one: no lock is shared, so that no process can keep another
one waiting however it ends, and the end of its line says at once that it is gone. They are plain
children that import nothing of the caller's script, so scripts and notebooks need no guard.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from queue import Empty, PriorityQueue, SimpleQueue
from threading import Thread
from typing import Any, TypeVar

from musicvae.data.sandbox_worker import HEARTBEAT_INTERVAL_S, receive, send, serialize
from musicvae.errors import DataError

Job = TypeVar("Job")
_BOOT = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from musicvae.data.sandbox_worker import main; main()"
)
JOBS_PER_WORKER = 4  # jobs a worker that may be begun before the oldest one is done
POLL_INTERVAL_S = 0.05  # how often to look for processes that take too long
START_TIMEOUT_S = 120.0  # a process that is not ready by then never will be
EXIT_TIMEOUT_S = 2.0  # time to end for a process that has nothing left to say
JobQueue = PriorityQueue[tuple[int, int, Any]]
"""Number of a job, of a piece of it, and the job with whether it can be divided."""
AnswerQueue = SimpleQueue[tuple[int, int, "bytes | Failure"]]


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What one job may take, or one part of it that it tells of with `still_at_work`."""

    seconds: float = 20.0
    memory_bytes: int = 2 << 30

    @property
    def late(self) -> str:
        """The reason of a job that took too long."""
        return f"took longer than {self.seconds:g} s"

    @property
    def hungry(self) -> str:
        """The reason of a job that ran out of memory."""
        size = self.memory_bytes / 2**30
        shown = f"{size:g} GB" if size >= 1 else f"{1024 * size:g} MB"
        return f"needs more than {shown} of memory"


@dataclass(frozen=True, kw_only=True)
class Failure:
    """A job that gave no answer, and why, in words."""

    reason: str


def run(
    function: Callable[[Job], bytes],
    jobs: Iterable[Job],
    *,
    workers: int = 1,
    limits: Limits | None = None,
    split: Callable[[Job], Sequence[Job]] | None = None,
) -> Generator[bytes | Failure | list[bytes | Failure], None, None]:
    """The answer to each job, in order: what `function` gives, or a `Failure`.

    `function` must be importable by name (or a `functools.partial` of such a one) and give bytes;
    `jobs` are pickled and may be endless: few are taken ahead. A job that fails for which `split`
    gives smaller ones is done again as these, and answered by the list of their answers; the time
    of such a job is half of what the limits say, so that little is lost. Raises `DataError` if
    processes cannot be started.

    A job in which a process ended is tried once more in a fresh one before it is blamed, if other
    jobs went before it in the same process. Ends all processes when it is closed or interrupted.
    """
    limits = limits or Limits()
    todo: JobQueue = PriorityQueue()
    done: AnswerQueue = SimpleQueue()
    crew: list[_Worker] = []
    source, given = enumerate(jobs), 0
    parts: dict[int, Sequence[Job]] = {}  # of each job under way; itself alone if it is not split
    whole: dict[int, bytes | Failure | list[bytes | Failure]] = {}
    pieces: dict[int, list[Any]] = {}
    try:
        while True:
            for index, job in islice(source, JOBS_PER_WORKER * workers - len(parts)):
                parts[index] = list(split(job)) if split else [job]
                todo.put((index, 0, (job, len(parts[index]) > 1)))
                if len(crew) < min(workers, len(parts)):
                    crew.append(_Worker(function, limits, todo, done))
            if not parts:
                return
            index, piece, answer = _next_answer(done, crew)
            if index in pieces:
                pieces[index][piece] = answer
                if None not in pieces[index]:
                    whole[index] = pieces.pop(index)
            elif isinstance(answer, Failure) and len(parts[index]) > 1:
                pieces[index] = [None] * len(parts[index])
                for i, part in enumerate(parts[index]):
                    todo.put((index, i, (part, False)))
            else:
                whole[index] = answer
            while given in whole:
                del parts[given]
                yield whole.pop(given)
                given += 1
    finally:
        for worker in crew:
            worker.ended = True
        for number in range(len(crew)):
            todo.put((-1, number, None))
        for worker in crew:
            worker.end()


def _next_answer(done: AnswerQueue, crew: list[_Worker]) -> tuple[int, int, bytes | Failure]:
    """The next answer of any worker; until it comes, those that take too long are ended."""
    while True:
        try:
            index, piece, answer = done.get(timeout=POLL_INTERVAL_S)
        except Empty:
            for worker in crew:
                worker.end_if_late()
            continue
        if index < 0:
            reason = answer.reason if isinstance(answer, Failure) else ""
            raise DataError(f"reading processes cannot start: {reason}")
        return index, piece, answer


class _Worker:
    """A thread that hands jobs to one process, and to another one when that has ended."""

    def __init__(
        self, function: Callable[[Any], bytes], limits: Limits, todo: JobQueue, done: AnswerQueue
    ) -> None:
        self.limits, self.todo, self.done = limits, todo, done
        self.setup = serialize((function, limits.memory_bytes, limits.seconds))
        self.process: subprocess.Popen[bytes] | None = None
        self.patience_s = limits.seconds
        self.since = float("inf")
        """When the process was last heard of, if it has a job."""
        self.ended = False
        self.thread = Thread(target=self._serve, name="sandbox", daemon=True)
        self.thread.start()

    def end_if_late(self) -> None:
        """Kill the process if its job has not been heard of for too long."""
        process = self.process
        if process and time.monotonic() - self.since > self.patience_s + HEARTBEAT_INTERVAL_S:
            process.kill()

    def end(self) -> None:
        """Kill the process, whatever it does, and wait for the thread, which has been told."""
        while self.thread.is_alive():
            if process := self.process:
                process.kill()
            self.thread.join(POLL_INTERVAL_S)

    def _serve(self) -> None:
        try:
            while not self.ended:
                index, piece, task = self.todo.get()
                if task is not None:
                    self.done.put((index, piece, self._answer(*task)))
        except Exception as error:
            self.done.put((-1, 0, Failure(reason=f"{type(error).__name__}: {error}")))
        finally:
            self._discard()

    def _answer(self, job: Any, divisible: bool) -> bytes | Failure:
        self.patience_s = self.limits.seconds / (2 if divisible else 1)
        while True:
            fresh = self.process is None
            letter, content = self._ask(self.process or self._start(), job)
            silent_s, self.since = time.monotonic() - self.since, float("inf")
            if letter == b"a":
                return content
            if letter == b"e":
                return Failure(reason=content.decode("utf-8", "replace"))
            code = self._discard()
            if letter == b"m":
                return Failure(reason=self.limits.hungry)
            if silent_s > self.patience_s:
                return Failure(reason=self.limits.late)
            if fresh or divisible or self.ended:
                how = f"signal {-code}" if code < 0 else f"exit code {code}"
                return Failure(reason=f"reader crashed ({how})")

    def _ask(self, process: subprocess.Popen[bytes], job: Any) -> tuple[bytes, bytes]:
        """The last frame that a process sends about a job; empty if it ended."""
        assert process.stdin is not None and process.stdout is not None
        try:
            self.since = time.monotonic()
            send(process.stdin, b"j", serialize(job))
            letter, content = receive(process.stdout)
            while letter == b"b":
                self.since = time.monotonic()
                letter, content = receive(process.stdout)
        except (EOFError, OSError):
            return b"", b""
        return letter, content

    def _start(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-c", _BOOT, json.dumps(sys.path)]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, start_new_session=True)
        assert self.process.stdin is not None and self.process.stdout is not None
        patience_s, self.patience_s = self.patience_s, START_TIMEOUT_S
        try:
            self.since = time.monotonic()
            send(self.process.stdin, b"s", self.setup)
            receive(self.process.stdout)
        except (EOFError, OSError):
            raise RuntimeError(f"it ended with code {self.process.wait()}") from None
        finally:
            self.patience_s = patience_s
        return self.process

    def _discard(self) -> int:
        """The exit code of the process, which is ended if it has not ended itself."""
        process = self.process
        if process is None:
            return 0
        assert process.stdin is not None and process.stdout is not None
        with suppress(OSError):  # what it was sent and did not read
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
    """Processors that this process may use: as many workers are of use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
