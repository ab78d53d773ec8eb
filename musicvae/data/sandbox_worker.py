"""Floor 5: the inside of a sandbox: a process that does one job after the other until it may not.

It is started by `sandbox.run` and talks with it over its own standard input and output, in frames
of a letter, a length and that many bytes. Jobs come as pickles, from our own process; what goes
back is never one, since a hostile file might have got hold of this process.
"""

from __future__ import annotations

import math
import os
import pickle
import struct
import sys
import time
from pathlib import Path
from typing import IO, Any

_HEAD = struct.Struct("<cQ")
HEARTBEAT_INTERVAL_S = 0.25
"""At most so often does a process say that it is still at work."""


class _Channel:
    """Where to report to, and since when nothing was reported; nowhere outside a sandbox."""

    out: IO[bytes] | None = None
    patience_s = 0.0
    last = 0.0


def heartbeat() -> None:
    """To be called by a job between its parts: each part has the job's whole time to itself."""
    if _Channel.out is None:
        return
    now = time.monotonic()
    if now - _Channel.last > HEARTBEAT_INTERVAL_S:
        send(_Channel.out, b"b")
        _reset_alarm(now)


def send(out: IO[bytes], letter: bytes, content: bytes | memoryview = b"") -> None:
    """One frame: `s`et up, `j`ob, `r`eady, `b`eat, `a`nswer, out of `m`emory, `e`rror."""
    out.write(_HEAD.pack(letter, len(content)))
    out.write(content)
    out.flush()


def receive(source: IO[bytes]) -> tuple[bytes, bytes]:
    """The next frame. Raises `EOFError` where there is none, or only a piece of one."""
    head = source.read(_HEAD.size)
    if len(head) < _HEAD.size:
        raise EOFError
    letter, size = _HEAD.unpack(head)
    content = source.read(size)
    if len(content) < size:
        raise EOFError
    return letter, content


def main() -> None:
    """Serve until the other side closes the line."""
    _ignore_interrupts()
    source, out = _open_channel()
    try:
        function, memory_bytes, _Channel.patience_s = pickle.loads(receive(source)[1])
        _limit_memory(memory_bytes)
        send(out, b"r")
        _Channel.out = out
        while True:
            job = pickle.loads(receive(source)[1])
            _reset_alarm(time.monotonic())
            try:
                answer = function(job)
            except MemoryError:
                send(out, b"m")
                return
            except Exception as error:
                send(out, b"e", f"{type(error).__name__}: {error}".encode("utf-8", "replace"))
            else:
                send(out, b"a", answer)
    except (EOFError, BrokenPipeError):
        return  # the other side is gone: nobody wants to know


def _open_channel() -> tuple[IO[bytes], IO[bytes]]:
    """Standard input and output for frames alone; what libraries print goes nowhere."""
    source, out = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(nowhere, number)
    return source, out


def _ignore_interrupts() -> None:
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _reset_alarm(now: float) -> None:
    """Note the time, and let the system end this process should nobody be left to do so."""
    import signal

    _Channel.last = now
    if hasattr(signal, "alarm"):
        signal.alarm(math.ceil(2 * _Channel.patience_s) + 5)


def _limit_memory(memory_bytes: int) -> None:
    """Allow so many bytes on top of what is in use. Without `resource` (Windows) no limit holds."""
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
        except (ValueError, OSError):  # macOS knows the limit and refuses to hold it
            continue


def serialize(job: Any) -> bytes:
    """A job as it is sent."""
    return pickle.dumps(job, protocol=pickle.HIGHEST_PROTOCOL)
