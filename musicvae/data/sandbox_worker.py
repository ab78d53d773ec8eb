"""Worker process of a sandbox: it runs one job after the other.

It is started by `sandbox.run` and exchanges messages with it over standard input and output: the
kind (one byte), the length and the content. Jobs arrive as pickles from our own process; answers
are never unpickled, since a hostile file may have taken over this process. A thread reads the jobs,
so the end of the pipe ends this process also while it runs one.
"""

from __future__ import annotations

import math
import os
import pickle
import struct
import time
from queue import SimpleQueue
from typing import IO, Any

from musicvae.processes import end_with_parent, limit_memory

_HEAD = struct.Struct("<cQ")
_ALLOWANCE = struct.Struct("<d")
HEARTBEAT_INTERVAL_S = 0.25
"""Minimum time between two heartbeats."""
ALLOWANCE_S_PER_MB = 5.0
"""Time added to the limit for each megabyte of a file; readers need about one second."""
_MAX_ALLOWANCE_S = 600.0


class _Channel:
    """Pipe to the parent process and time of the last message; no pipe outside a sandbox."""

    out: IO[bytes] | None = None
    timeout_s = 0.0
    last_sent_s = 0.0


def heartbeat(n_bytes: int = 0) -> None:
    """Report progress; jobs call it between their parts, and the time limit starts again.

    `n_bytes` is the size of the file that is read next: the limit grows with it.
    """
    if _Channel.out is None:
        return
    now = time.monotonic()
    allowance_s = ALLOWANCE_S_PER_MB * n_bytes / 1e6
    if allowance_s > HEARTBEAT_INTERVAL_S or now - _Channel.last_sent_s > HEARTBEAT_INTERVAL_S:
        send(_Channel.out, b"b", _ALLOWANCE.pack(allowance_s))
        _reset_alarm(now, allowance_s)


def unpack_allowance(content: bytes) -> float:
    """Return the time in seconds that a heartbeat adds to the limit, whatever its bytes are."""
    if len(content) != _ALLOWANCE.size:
        return 0.0
    allowance_s = float(_ALLOWANCE.unpack(content)[0])
    return allowance_s if 0.0 <= allowance_s <= _MAX_ALLOWANCE_S else 0.0


def send(out: IO[bytes], kind: bytes, content: bytes | memoryview = b"") -> None:
    """Send one message: `s`etup, `j`ob, `r`eady, `b`eat, `a`nswer, out of `m`emory, `e`rror."""
    out.write(_HEAD.pack(kind, len(content)))
    out.write(content)
    out.flush()


def receive(source: IO[bytes]) -> tuple[bytes, bytes]:
    """Return kind and content of the next message. Raises `EOFError` at the end of the pipe."""
    head = source.read(_HEAD.size)
    if len(head) < _HEAD.size:
        raise EOFError
    kind, size = _HEAD.unpack(head)
    content = source.read(size)
    if len(content) < size:
        raise EOFError
    return kind, content


def main() -> None:
    """Run jobs until the parent process closes the pipe."""
    _ignore_interrupts()
    source, out = _open_channel()
    messages: SimpleQueue[bytes] = SimpleQueue()

    def read_messages() -> None:
        while True:
            messages.put(receive(source)[1])

    end_with_parent(read_messages)
    try:
        function, memory_bytes, _Channel.timeout_s = pickle.loads(messages.get())
        limit_memory(memory_bytes)
        send(out, b"r")
        _Channel.out = out
        while True:
            job = pickle.loads(messages.get())
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
    except BrokenPipeError:
        return  # the parent process is gone


def _open_channel() -> tuple[IO[bytes], IO[bytes]]:
    """Reserve standard input and output for messages; discard what libraries print."""
    source, out = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(nowhere, number)
    return source, out


def _ignore_interrupts() -> None:
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _reset_alarm(now: float, allowance_s: float = 0.0) -> None:
    """Note the time, and set an alarm that kills this process if the parent process is gone."""
    import signal

    _Channel.last_sent_s = now
    if hasattr(signal, "alarm"):
        signal.alarm(math.ceil(2 * (_Channel.timeout_s + allowance_s)) + 5)


def serialize(job: Any) -> bytes:
    """Pickle a job for sending."""
    return pickle.dumps(job, protocol=pickle.HIGHEST_PROTOCOL)
