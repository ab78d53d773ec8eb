"""One call in a process of its own, with limits of time and memory, and how it ended."""

from __future__ import annotations

import os
import resource
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

SPARE_BYTES = 4 << 30  # of address space, beside what the process has: only a net below the limit


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a call ended.

    `verdict` is `done` (exit code 0), `refused` (exit code 1 and one line of error for each song),
    or what is wrong: `traceback`, `hang`, `memory`, `died` or `unclear` (no line of error).
    """

    verdict: str
    detail: str
    seconds: float
    extra_bytes: int
    """Memory beyond that of the process before the call."""

    @property
    def is_failure(self) -> bool:
        """Whether the call broke a promise."""
        return self.verdict not in ("done", "refused")


def run(call: Callable[[], object], *, seconds: float = 20.0, memory: int = 1 << 30) -> Outcome:
    """Call a function in a forked process, with its output in a file; return how it ended.

    A return or `SystemExit(0)` is `done`. The process is killed after `seconds`.
    """
    with tempfile.TemporaryFile() as output:
        start = time.perf_counter()
        child = os.fork()
        if not child:
            _act(call, output.fileno(), seconds)
        _, status, usage = os.wait4(child, 0)
        elapsed = time.perf_counter() - start
        output.seek(0)
        before = int(output.readline() or 0)
        text = output.read(1 << 20).decode(errors="replace")
    extra = max(usage.ru_maxrss * 1024 - before, 0)
    verdict, detail = _judge(status, text)
    if verdict in ("done", "refused") and extra > memory:
        verdict, detail = "memory", f"{extra >> 20} MB; {detail}"
    return Outcome(verdict=verdict, detail=detail, seconds=elapsed, extra_bytes=extra)


def exit_after(
    call: Callable[[], object], finish: Callable[[], object], *, crash_code: int
) -> NoReturn:
    """End a forked process with the exit code of `call`; after a traceback it is `crash_code`."""
    code = crash_code
    try:
        call()
        code = 0
    except SystemExit as left:
        code = left.code if isinstance(left.code, int) else int(left.code is not None)
    except BaseException:
        traceback.print_exc()
    with suppress(Exception):
        finish()
    os._exit(code)


def _act(call: Callable[[], object], output: int, seconds: float) -> NoReturn:
    """Run the call in the child and end the process."""

    def limited() -> None:
        os.write(output, b"%d\n" % _resident_bytes())
        for stream in (1, 2):
            os.dup2(output, stream)
        sys.stdout = sys.stderr = os.fdopen(2, "w", buffering=1, errors="backslashreplace")
        limit = _virtual_bytes() + SPARE_BYTES
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_REAL, seconds)
        call()

    exit_after(limited, lambda: sys.stderr.flush(), crash_code=99)


def _judge(status: int, text: str) -> tuple[str, str]:
    """Return verdict and detail of a process that has ended."""
    lines = [line for line in text.splitlines() if line.strip()]
    last = lines[-1][:300] if lines else ""
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        if number == signal.SIGALRM:
            return "hang", last
        return "died", f"{signal.Signals(number).name} {last}"
    code = os.WEXITSTATUS(status)
    if "Traceback (most recent call last)" in text or code == 99:
        frames = [line.strip() for line in lines if line.lstrip().startswith("File ")]
        own = [frame for frame in frames if "musicvae" in frame]
        return "traceback", f"{last} -- {(own or frames or ['?'])[-1][:160]}"
    errors = [
        line
        for line in lines
        if line.startswith(("musicvae: ", "Error: ")) or ": not kept: " in line
    ]
    if code == 0:
        return "done", ""
    if code in (1, 2) and errors and len(set(errors)) == len(errors):  # one for each song of a book
        return "refused", errors[0][:300]
    return "unclear", f"exit {code}, {len(errors)} lines of error: {last}"


def _resident_bytes() -> int:
    """Return the resident memory of this process."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()


def _virtual_bytes() -> int:
    """Return the address space of this process."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    return pages * resource.getpagesize()
